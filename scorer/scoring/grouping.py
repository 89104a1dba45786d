"""Rows by the values of a column: one by one, or by range where they are many numbers. Counts only, in bounded memory
whatever the column holds. Times are grouped in `grouping_by_time`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.reports.outcome import Breakdown, Group
from scorer.tables import compute as pc
from scorer.tables.dictionaries import castable

# So many categories, ranges and files are shown.
_SHOWN, _RANGES = 20, 10
_SHOWN_PARTS: Final = 62
# Values that are longer count as the same where they begin alike.
_LONGEST: Final = 200
_OTHERS: Final = "all others"
_NONE: Final = "no value"


def most_values(labels: int) -> int:
    """How many values are told apart, for which there are so many counts by label: those that come later count
    together."""
    return max(min(10_000, 4_000_000 // max(labels, 1)), 100)


@dataclass
class Counted:
    """What was counted of one group of rows; `sum` adds up their `answers` confidences or numbers."""

    labels: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    rows: int = 0
    scored: int = 0
    sum: float = 0.0
    answers: int = 0

    def add(self, other: Counted) -> None:
        self.rows, self.scored = self.rows + other.rows, self.scored + other.scored
        self.sum, self.answers = self.sum + other.sum, self.answers + other.answers
        wider = max(len(self.labels), len(other.labels))
        self.labels = _padded(self.labels, wider) + _padded(other.labels, wider)

    def group(self, name: str, labels: int) -> Group:
        mean = self.sum / self.answers if self.answers else None
        counts = _padded(self.labels, labels).tolist()
        return Group(name=name, rows=self.rows, scored=self.scored, counts=counts, mean=mean)


def _padded(counts: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    return np.pad(counts, (0, size - len(counts)))


@dataclass(frozen=True)
class Scored:
    """What the scored rows of a window say: `scored` (rows,) bool; and for each label that a row was given, or each
    number, its `row` (e,), its `code` (e,) among the labels and its `value` (e,), the confidence or the number."""

    scored: NDArray[np.bool_]
    row: NDArray[np.int64]
    code: NDArray[np.int64]
    value: NDArray[np.float64]

    def counted(self, keys: NDArray[np.int64], *, labels: int) -> Iterator[tuple[int, Counted]]:
        """The rows by their `keys` (rows,)."""
        distinct, group = np.unique(keys, return_inverse=True)
        size, group = len(distinct), group.ravel()
        rows, scored = np.bincount(group, minlength=size), np.bincount(group[self.scored], minlength=size)
        of = group[self.row]
        sums, answers = np.bincount(of, weights=self.value, minlength=size), np.bincount(of, minlength=size)
        # Sparse, for there may be as many groups as rows.
        cells, counts = np.unique(of * labels + self.code, return_counts=True)
        begins = np.searchsorted(cells, np.arange(size + 1) * labels)
        for place, key in enumerate(distinct.tolist()):
            own = slice(begins[place], begins[place + 1])
            dense = np.zeros(labels, np.int64)
            dense[cells[own] - place * labels] = counts[own]
            yield key, Counted(dense, int(rows[place]), int(scored[place]), float(sums[place]), int(answers[place]))


class Grouping(ABC):
    """Counts the rows of windows by the values of the column `name`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.notes: list[str] = []

    def takes(self, kind: pa.DataType) -> bool:  # noqa: ARG002
        """Whether columns of type `kind` can be counted together with those before."""
        return True

    @abstractmethod
    def add(self, column: pa.ChunkedArray, found: Scored, *, labels: int) -> None:
        """Count the rows of a window whose values are `column` (rows,)."""

    @abstractmethod
    def breakdown(self, *, labels: int) -> Breakdown:
        """What was counted."""


class Values(Grouping):
    """The most frequent values, and all others together."""

    kind: Any = "category"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._found: dict[str, Counted] = {}

    def add(self, column: pa.ChunkedArray, found: Scored, *, labels: int) -> None:
        names, keys = _codes(column)
        for key, counted in found.counted(keys, labels=labels):
            self._enter(names[key], counted, most_values(labels))

    def _enter(self, name: str, counted: Counted, most: int) -> None:
        if name not in self._found and len(self._found) >= most:
            name = _OTHERS
            self.notes = [f"The column has more than {most:,} values: those that came later count together."]
        if name in self._found:
            self._found[name].add(counted)
        else:
            self._found[name] = counted

    def breakdown(self, *, labels: int) -> Breakdown:
        order = sorted(
            (name for name in self._found if name != _OTHERS), key=lambda name: (-self._found[name].rows, name)
        )
        groups = [self._found[name].group(name, labels) for name in order[:_SHOWN]]
        rest = [self._found[name] for name in (*order[_SHOWN:], _OTHERS) if name in self._found]
        if rest:
            groups.append(_sum(rest).group(_OTHERS, labels))
        return Breakdown(column=self.name, kind=self.kind, groups=groups, notes=self.notes)


class Parts(Values):
    """The files of the output, in order; of very many the last ones."""

    kind: Any = "part"

    def breakdown(self, *, labels: int) -> Breakdown:
        order = sorted(name for name in self._found if name != _OTHERS)
        first = [self._found[name] for name in (*order[:-_SHOWN_PARTS], _OTHERS) if name in self._found]
        groups = [self._found[name].group(name, labels) for name in order[-_SHOWN_PARTS:]]
        if first:
            groups.append(_sum(first).group(_OTHERS, labels))
        return Breakdown(column=self.name, kind=self.kind, groups=groups, notes=self.notes)


class Numbers(Grouping):
    """Numbers one by one where they are few, else in ranges of about equally many rows. Where there are very many, the
    ranges are those of the first ones."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._found: dict[float | None, Counted] = {}
        self._edges: NDArray[np.float64] | None = None

    def add(self, column: pa.ChunkedArray, found: Scored, *, labels: int) -> None:
        numbers = pc.cast(column, pa.float64(), safe=False).to_numpy()
        values, keys = np.unique(numbers, return_inverse=True)
        if self._edges is not None:
            values, keys = self._ranged(values, keys.ravel())
        for key, counted in found.counted(keys.ravel(), labels=labels):
            number = None if np.isnan(values[key]) else float(values[key])
            self._found.setdefault(number, Counted()).add(counted)
        if self._edges is None and len(self._found) > most_values(labels):
            self._range()

    def takes(self, kind: pa.DataType) -> bool:
        return is_number(kind)

    def _ranged(
        self, values: NDArray[np.float64], keys: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Every value as the number of its range."""
        assert self._edges is not None, "there are no ranges yet; this is a bug"
        of = np.where(np.isnan(values), np.nan, np.searchsorted(self._edges, values, side="left"))
        distinct, place = np.unique(of, return_inverse=True)
        return distinct, place.ravel()[keys]

    def _range(self) -> None:
        """Put what was counted so far into ranges."""
        known = sorted(number for number in self._found if number is not None)
        rows = np.cumsum([self._found[number].rows for number in known])
        cuts = np.searchsorted(rows, rows[-1] * np.arange(1, _RANGES) / _RANGES)
        self._edges = np.unique(np.array(known)[cuts])
        found, self._found = self._found, {}
        for number, counted in found.items():
            place = None if number is None else float(np.searchsorted(self._edges, number, side="left"))
            self._found.setdefault(place, Counted()).add(counted)

    def breakdown(self, *, labels: int) -> Breakdown:
        if self._edges is None and len(self._found) > _SHOWN:
            self._range()
        known = sorted(number for number in self._found if number is not None)
        groups = [self._found[number].group(self._named(number), labels) for number in known]
        if None in self._found:
            groups.append(self._found[None].group(_NONE, labels))
        kind: Any = "category" if self._edges is None else "range"
        return Breakdown(column=self.name, kind=kind, groups=groups, notes=self.notes)

    def _named(self, number: float) -> str:
        if self._edges is None:
            return _written(number)
        place, edges = int(number), _told_apart(self._edges.tolist())
        if place == 0:
            return f"up to {edges[0]}"
        return f"above {edges[-1]}" if place == len(edges) else f"{edges[place - 1]} to {edges[place]}"


def _written(number: float, digits: int = 15) -> str:
    return f"{number:,.0f}" if number.is_integer() and abs(number) < 1e15 else f"{number:.{digits}g}"


def _told_apart(edges: Sequence[float]) -> list[str]:
    """Numbers with as few digits as tell them apart, four at least."""
    written = ([_written(edge, digits) for edge in edges] for digits in range(4, 18))
    return next(names for names in written if len(set(names)) == len(edges))


def is_number(kind: pa.DataType) -> bool:
    """Whether a column of type `kind` holds numbers, or nothing."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null)
    return any(test(kind) for test in tests)


def _codes(column: pa.ChunkedArray) -> tuple[list[str], NDArray[np.int64]]:
    """The distinct values as texts, and which of them each row has (rows,)."""
    column = castable(column)
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    texts = pc.cast(pc.cast(column, kind), pa.large_string())
    if texts.num_chunks == 0:
        return [], np.zeros(0, np.int64)
    cut = pc.utf8_slice_codeunits(pc.fill_null(texts, _NONE), 0, _LONGEST)
    encoded = pa.concat_arrays(cut.chunks).dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64)


def _sum(found: Sequence[Counted]) -> Counted:
    total = Counted()
    for counted in found:
        total.add(counted)
    return total
