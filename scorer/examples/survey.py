"""What a label column holds, all rows together: which values, how often, and where first.

It is counted window by window, before anybody can tell how the labels are written. Memory: the distinct texts up to a
limit, whatever the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.errors import DataError, shown
from scorer.examples.example_columns import is_list
from scorer.examples.label_texts import number_of
from scorer.tables import compute as pc
from scorer.tables.dictionaries import castable
from scorer.tables.rendering import is_binary
from scorer.tables.texts import first_not_utf8, is_text, spelt_type

MOST_ROWS = 5
_MOST_TEXTS = 50_000
_MOST_BYTES = 32 << 20


@dataclass
class Seen:
    """A number of rows, and which: up to five, counted from 1 without the header."""

    count: int = 0
    rows: list[int] = field(default_factory=list)

    def add(self, rows: NDArray[np.int64]) -> None:
        """More rows, ascending."""
        self.count += len(rows)
        self.rows += rows[: MOST_ROWS - len(self.rows)].tolist()

    @classmethod
    def together(cls, parts: Iterable[Seen]) -> Seen:
        """What several have seen that share no row."""
        parts = list(parts)
        return cls(sum(part.count for part in parts), sorted(row for part in parts for row in part.rows)[:MOST_ROWS])

    @property
    def numbered(self) -> str:
        """The rows for people: " (rows 3, 17, ...)", or nothing."""
        return numbered_rows(self.rows, of=self.count)


def numbered_rows(rows: Sequence[int], *, of: int) -> str:
    """The numbers of the first `rows` of `of` for people: " (rows 3, 17, ...)", or nothing where there are none."""
    if not rows:
        return ""
    more = ", ..." if of > len(rows) else ""
    return f" (row{'s' if of > 1 else ''} {', '.join(map(str, rows))}{more})"


class Survey:
    """The values of the label columns `kinds`, their types by name; rows are added in order. With `numbers` they are
    meant to be real numbers, and the rest but `rows` and `strays` is not counted.

    rows      how many there are
    strays    the rows whose value is no finite number, but for those without a value and those set aside; `stray` says
              of the first what it is, for people
    texts     of one column of texts: the rows of each value that is not blank; `complete` unless there are
              more than there is memory for
    blank     of one column of texts: how many are blank
    lengths   of one column of lists: the rows with so many items
    binary    of lists of numbers or booleans: whether there is an item and none is anything but 0 and 1
    repeating of lists of numbers: rows in which a value stands twice
    odd       of several columns: the rows of each whose value is none of 0, 1, false and true, nor set aside
    ones      of several columns and of lists of 0 and 1: the rows with exactly one 1; `others` those with none or
              several
    """

    def __init__(
        self, kinds: dict[str, pa.DataType], *, aside: Iterable[str] = (), numbers: bool = False, where: str = ""
    ) -> None:
        self.kinds = kinds
        self._where = where
        self.rows = 0
        self.strays = Seen()
        self.stray = ""
        self._numbers = numbers
        self.texts: dict[str, Seen] = {}
        self.blank = 0
        self.complete = True
        self.lengths: dict[int, Seen] = {}
        self.binary = True
        self.repeating = Seen()
        self.odd = {name: Seen() for name in kinds}
        self.ones = Seen()
        self.others = Seen()
        self._bytes = 0
        self._aside = frozenset(aside)

    @property
    def kind(self) -> pa.DataType:
        """The type of the only column."""
        return plain_type(next(iter(self.kinds.values())))

    @staticmethod
    def needed(kinds: dict[str, pa.DataType], *, numbers: bool = False) -> bool:
        """Whether the rows have something to tell that the types do not."""
        kind = plain_type(next(iter(kinds.values())))
        return numbers or len(kinds) > 1 or is_text(kind) or is_list(kind)

    def add(self, window: pa.Table) -> None:
        """The next rows, of which `window` has the label columns. DataError for one that is no text."""
        names = list(self.kinds)
        _check_utf8(window, names, where=self._where, before=self.rows)
        if self._numbers:
            self._add_numbers(plain_column(window.column(names[0])))
        elif len(names) > 1:
            self._add_columns(window)
        elif is_text(self.kind):
            self._add_texts(plain_column(window.column(names[0])))
        elif is_list(self.kind):
            self._add_lists(window.column(names[0]))
        self.rows += window.num_rows

    def _add_numbers(self, column: pa.ChunkedArray) -> None:
        numbers, _ = real_numbers(column, self._aside)
        strays = np.flatnonzero(np.isinf(numbers))
        if len(strays) and not self.strays.count:
            value = column[int(strays[0])].as_py()
            self.stray = f"a text of length {len(value):,}" if isinstance(value, str) else "infinite"
        self.strays.add(strays + self.rows + 1)

    def _add_texts(self, column: pa.ChunkedArray) -> None:
        if not len(column):
            return
        encoded = column.cast(pa.large_string()).combine_chunks().dictionary_encode()
        codes = np.asarray(pc.fill_null(encoded.indices, -1)).astype(np.int64)
        order = np.argsort(codes, kind="stable")
        values = encoded.dictionary.to_pylist()
        ends = np.searchsorted(codes[order], np.arange(len(values) + 1))
        for code, value in enumerate(values):
            rows = order[ends[code] : ends[code + 1]] + self.rows + 1
            if not value.strip():
                self.blank += len(rows)
                continue
            if value not in self.texts:
                self._bytes += len(value)
                if len(self.texts) >= _MOST_TEXTS or self._bytes > _MOST_BYTES:
                    self.complete = False
                    return
            self.texts.setdefault(value, Seen()).add(rows)

    def _add_lists(self, column: pa.ChunkedArray) -> None:
        lengths = np.asarray(pc.fill_null(pc.list_value_length(column), -1)).astype(np.int64)
        for length in np.unique(lengths[lengths >= 0]).tolist():
            self.lengths.setdefault(length, Seen()).add(np.flatnonzero(lengths == length) + self.rows + 1)
        values = plain_column(pc.list_flatten(column))
        if is_text(values.type) or not (
            pa.types.is_boolean(values.type) or pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
        ):
            self.binary = False
            return
        numbers = np.asarray(values.cast(pa.float64()).fill_null(np.nan))
        self.binary &= bool(np.isin(numbers, (0.0, 1.0)).all())
        owner = np.repeat(np.arange(len(column)), np.maximum(lengths, 0))
        order = np.lexsort((numbers, owner))
        same = (np.diff(owner[order]) == 0) & (np.diff(numbers[order]) == 0)
        self.repeating.add(np.unique(owner[order][1:][same]) + self.rows + 1)
        total = np.bincount(owner, weights=np.nan_to_num(numbers), minlength=len(column))
        self._count_ones(total.astype(np.float64), lengths >= 0)

    def _add_columns(self, window: pa.Table) -> None:
        total = np.zeros(window.num_rows)
        complete = np.ones(window.num_rows, np.bool_)
        for name in self.kinds:
            numbers, aside = binary_column(window.column(name), self._aside)
            self.odd[name].add(np.flatnonzero(np.isinf(numbers)) + self.rows + 1)
            complete &= ~np.isnan(numbers) & ~aside
            total += np.where(np.isfinite(numbers), numbers, 0.0)
        self._count_ones(total, complete)

    def _count_ones(self, total: NDArray[np.float64], complete: NDArray[np.bool_]) -> None:
        """The next rows, of which those that are `complete` (n,) have so many ones in `total` (n,)."""
        self.ones.add(np.flatnonzero(complete & (total == 1)) + self.rows + 1)
        self.others.add(np.flatnonzero(complete & (total != 1)) + self.rows + 1)


def binary_column(column: pa.ChunkedArray, aside: frozenset[str]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The column (n,) as 0.0 and 1.0, NaN where it is null, NaN or blank and infinite where it is something else; and
    which values (n,) are set `aside`, which are NaN too."""
    column = plain_column(column)
    kind = column.type
    set_aside = is_any_of(column, aside)
    if is_text(kind):
        encoded = column.combine_chunks().dictionary_encode()
        spelt = [_binary(value) for value in encoded.dictionary.to_pylist()]
        codes = np.asarray(pc.fill_null(encoded.indices, len(spelt))).astype(np.int64)
        numbers = np.array([*spelt, np.nan])[codes]
    elif pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        numbers = np.asarray(column.cast(pa.float64(), safe=False).fill_null(np.nan)).astype(np.float64)
        numbers[~(np.isnan(numbers) | np.isin(numbers, (0.0, 1.0)))] = np.inf
    else:
        numbers = np.where(np.asarray(column.is_null()).astype(np.bool_), np.nan, np.inf)
    numbers[set_aside] = np.nan
    return numbers, set_aside


def real_numbers(column: pa.ChunkedArray, aside: frozenset[str]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The `plain_column` (n,) as real numbers, NaN where it is null, NaN or blank and infinite where it is no finite
    number; and which values (n,) are set `aside`, which are NaN too."""
    set_aside = is_any_of(column, aside)
    if is_text(column.type):
        encoded = column.cast(pa.large_string()).combine_chunks().dictionary_encode()
        spelt = [_real(value) for value in encoded.dictionary.to_pylist()]
        codes = np.asarray(pc.fill_null(encoded.indices, len(spelt))).astype(np.int64)
        numbers = np.array([*spelt, np.nan])[codes]
    else:
        numbers = np.asarray(column.cast(pa.float64(), safe=False).fill_null(np.nan)).astype(np.float64)
    numbers[set_aside] = np.nan
    return numbers, set_aside


def _real(text: str) -> float:
    if not text.strip():
        return np.nan
    number = number_of(text)
    return np.inf if number is None else number


def plain_type(kind: pa.DataType) -> pa.DataType:
    """`kind` without a dictionary, and bytes as the texts that they are read as."""
    return spelt_type(kind.value_type if pa.types.is_dictionary(kind) else kind)


def plain_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """`column`, or what its lists hold, without a dictionary, and texts in a type that pyarrow filters, which views and
    bytes are not. ArrowInvalid for bytes that are not UTF-8: a `Survey` finds them first."""
    column = castable(column)
    if is_list(column.type):
        items = _filtered(column.type.value_type)
        return column if items == column.type.value_type else column.cast(pa.large_list(items))
    kind = _filtered(column.type)
    return column if kind == column.type else column.cast(kind)


def _filtered(kind: pa.DataType) -> pa.DataType:
    """The type in which `plain_column` has values of type `kind`."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.large_string() if pa.types.is_string_view(kind) or is_binary(kind) else kind


def _check_utf8(window: pa.Table, columns: Iterable[str], *, where: str, before: int) -> None:
    """DataError with column and row when a label of `window`, which follows the first `before` rows of `where`, is
    bytes that are not UTF-8."""
    for name in columns:
        column, rows = window.column(name), np.arange(before + 1, before + window.num_rows + 1)
        if is_list(column.type):
            lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0)).astype(np.int64)
            column, rows = pc.list_flatten(column), np.repeat(rows, lengths)
        try:
            plain_column(column)
        except pa.ArrowInvalid as error:
            place = f"column {shown(name)}, row {rows[first_not_utf8(column)]}"
            raise DataError(f"{where}: {place}: a label is not UTF-8; write it as UTF-8") from error


def is_any_of(column: pa.ChunkedArray, names: frozenset[str]) -> NDArray[np.bool_]:
    """Whether each value (n,) of a `plain_column` is one of `names`, however its number is spelt there."""
    found = np.zeros(len(column), np.bool_)
    if not names or not len(column):
        return found
    kind = column.type
    if is_text(kind):
        encoded = column.combine_chunks().dictionary_encode()
        known = [value.strip() in names for value in encoded.dictionary.to_pylist()]
        codes = np.asarray(pc.fill_null(encoded.indices, len(known))).astype(np.int64)
        return np.array([*known, False])[codes]
    if pa.types.is_boolean(kind):
        lowered = {name.lower() for name in names}
        column, wanted = (
            column.cast(pa.int8()),
            [place for place, name in enumerate(("false", "true")) if name in lowered],
        )
        return np.asarray(pc.fill_null(pc.is_in(column, pa.array(wanted, pa.int8())), False)).astype(np.bool_)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        values = np.asarray(column.cast(pa.float64(), safe=False).fill_null(np.nan))
        wanted_numbers = [float(name) for name in names if _is_number(name)]
        return np.isin(values, wanted_numbers)
    return found


def _is_number(name: str) -> bool:
    try:
        return not np.isnan(float(name))
    except ValueError:
        return False


def _binary(value: str) -> float:
    value = value.strip().lower()
    if not value:
        return np.nan
    return {"0": 0.0, "1": 1.0, "false": 0.0, "true": 1.0, "0.0": 0.0, "1.0": 1.0}.get(value, np.inf)
