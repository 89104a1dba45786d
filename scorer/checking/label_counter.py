"""What the label column of a file holds, window by window: how often which label, or which numbers.

Where `scorer.examples.targets` refuses a label, it is counted here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.checking.findings import Finding, Tally
from scorer.checking.judgement import Judge
from scorer.checking.repeats import NO_LABEL
from scorer.classifier.labels import LabelKind
from scorer.examples.example_columns import is_list
from scorer.examples.label_form import Labels, missing_labels
from scorer.examples.label_texts import EXACT
from scorer.examples.survey import plain_column
from scorer.examples.targets import spellings
from scorer.metrics.regression import Numbers, Spread
from scorer.tables import compute as pc
from scorer.tables.texts import is_text

# More distinct labels than these are not told apart: the column is none of labels, and memory stays bounded.
MOST_DISTINCT = 100_000


class LabelCounter:
    """Counts labels of the type `kind`, one or a list of them a row, window by window.

    multi       a row may have several
    kind        of the labels
    missing     rows whose label is null, NaN or an empty name
    set_aside   rows whose label says that there is none, which are missing in no count
    fractional  usable rows whose label is no whole number of 64 bits, or of a float's 53, which count for no label
    unlabelled  rows with an empty list, which is allowed
    foreign     usable rows with a label that is none of the `known` ones; none where these are not given
    """

    def __init__(
        self, kind: pa.DataType, *, known: Collection[str] | None = None, most_distinct: int = MOST_DISTINCT
    ) -> None:
        self.multi = is_list(kind)
        value = kind.value_type if self.multi else kind
        self.kind: LabelKind = "string"
        if not is_text(value):
            self.kind = "bool" if pa.types.is_boolean(value) else "int"
        self.missing, self.fractional, self.unlabelled, self.foreign = Tally(), Tally(), Tally(), Tally()
        self.set_aside = Tally()
        self._known = known
        # The code of all labels beyond.
        self._others = most_distinct
        self._codes: dict[str, int] = {}
        # Of each code, whether its label is foreign.
        self._foreign = np.zeros(most_distinct + 1, np.bool_)
        self._counts = np.zeros(most_distinct + 1, np.int64)

    @property
    def distinct(self) -> int:
        """How many labels usable rows have; one more than `most_distinct` stands for any number beyond."""
        return int(np.count_nonzero(self._counts))

    @property
    def foreign_labels(self) -> int:
        """How many labels of usable rows are none of the `known` ones."""
        return int(np.count_nonzero(self._counts[self._foreign]))

    @property
    def described(self) -> str:
        """What the column holds, for people."""
        kinds = {"int": "numbers", "bool": "booleans", "string": "names"}
        return f"{'lists of ' if self.multi else ''}{kinds[self.kind]}"

    def suits(self, other: LabelCounter) -> bool:
        """Whether these labels can be some of `other`'s: of one kind, or numbers, as names may look like them, or
        booleans that are all among its names."""
        if self.multi != other.multi:
            return False
        if (self.kind, other.kind) == ("bool", "string"):
            names = other.counts()
            return all(self._among(name, names) for name in self.counts())
        return self.kind == other.kind or (self.kind, other.kind) == ("int", "string")

    def counts(self) -> dict[str, int]:
        """Usable rows of each label: numbers by size, names by frequency and, where that is equal, by alphabet."""
        found = {name: int(self._counts[code]) for name, code in self._codes.items() if self._counts[code]}
        order = (lambda name: (int(name), name)) if self.kind == "int" else (lambda name: (-found[name], name))
        return {name: found[name] for name in sorted(found, key=order)}

    @property
    def spread(self) -> Spread | None:
        """How the numbers lie where labels are real numbers; None where they are not."""
        return None

    def judged(self, judge: Judge, *, usable: int) -> Iterator[Finding]:
        """What `judge` says of how often the labels of `usable` rows come up."""
        return judge.label_counts(self.counts(), multi=self.multi, usable=usable)

    def add(self, labels: Labels, usable: NDArray[np.bool_]) -> NDArray[np.uint64]:
        """Count the labels of the next rows; those of rows that are not `usable` (n,) are in no count of labels.

        A key (n,) uint64 for the labels of each row: the same labels, the same key; `NO_LABEL` where there is none.
        """
        self.set_aside.add(labels.aside)
        return self._add_lists(labels, usable) if self.multi else self._add_values(labels, usable)

    def _add_values(self, labels: Labels, usable: NDArray[np.bool_]) -> NDArray[np.uint64]:
        column, missing = labels.column, labels.missing()
        fractional = self._fractional(column) & ~labels.aside
        self.missing.add(missing)
        self.fractional.add(fractional & usable)
        codes = self._encode(column, ~(missing_labels(column) | fractional | labels.aside))
        labelled = (codes >= 0) & usable
        self._counts += np.bincount(codes[labelled], minlength=self._others + 1)
        self.foreign.add(labelled & self._foreign[codes])
        return (codes + 1).astype(np.uint64)

    def _add_lists(self, labels: Labels, usable: NDArray[np.bool_]) -> NDArray[np.uint64]:
        column = labels.column
        lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0)).astype(np.int64)
        owner = np.repeat(np.arange(len(column)), lengths)
        values = plain_column(pc.list_flatten(column))
        missing, fractional = missing_labels(values), self._fractional(values)
        aside = labels.aside[owner]
        no_list = np.asarray(pc.is_null(column)).astype(np.bool_) | labels.aside
        self.missing.add(labels.missing())
        self.fractional.add(_any(fractional, owner, len(column)) & usable)
        self.unlabelled.add(~no_list & (np.bincount(owner, minlength=len(column)) == 0))
        sound = ~(missing | fractional | aside)
        codes = self._encode(values, sound)
        pairs = np.unique(np.stack((owner[sound], codes[sound])), axis=1)
        self._counts += np.bincount(pairs[1][usable[pairs[0]]], minlength=self._others + 1)
        self.foreign.add(usable & _any(self._foreign[pairs[1]], pairs[0], len(column)))
        keys = np.where(no_list, NO_LABEL, np.uint64(1))
        np.add.at(keys, pairs[0], _scrambled(pairs[1]))
        return keys

    def _fractional(self, values: pa.ChunkedArray) -> NDArray[np.bool_]:
        if pa.types.is_uint64(values.type):
            beyond_int64 = pc.greater(values, pa.scalar(2**63 - 1, pa.uint64()))
            return np.asarray(pc.fill_null(beyond_int64, False)).astype(np.bool_)
        if not pa.types.is_floating(values.type):
            return np.zeros(len(values), np.bool_)
        numbers = np.asarray(pc.fill_null(values.cast(pa.float64()), 0.0))
        beyond = np.abs(np.nan_to_num(numbers, posinf=np.inf, neginf=-np.inf)) > float(EXACT)
        found: NDArray[np.bool_] = (numbers != np.floor(numbers)) & ~np.isnan(numbers) | beyond
        return found

    def _encode(self, values: pa.ChunkedArray, sound: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Codes (n,) of the labels, -1 where one is not `sound`."""
        codes = np.full(len(values), -1, np.int64)
        kept = values.filter(pa.array(sound))
        if pa.types.is_floating(kept.type):
            kept = kept.cast(pa.float64()).cast(pa.int64())
        encoded = kept.cast(pa.large_string()).combine_chunks().dictionary_encode()
        known = np.array([self._code(name) for name in encoded.dictionary.to_pylist()], np.int64)
        if len(known):
            codes[sound] = known[np.asarray(encoded.indices)]
        return codes

    def _code(self, name: str) -> int:
        if name not in self._codes and len(self._codes) >= self._others:
            return self._others
        code = self._codes.setdefault(name, len(self._codes))
        self._foreign[code] = self._known is not None and not self._among(name, self._known)
        return code

    def _among(self, name: str, labels: Collection[str]) -> bool:
        """Whether `name` is one of `labels`, however a boolean is spelt there."""
        names = spellings(name == "true") if self.kind == "bool" else (name,)
        return any(spelt in labels for spelt in names)


class NumberCounter(LabelCounter):
    """Keeps the numbers of all rows, 8 bytes each.

    What it counts is as for labels; there are none that are foreign, and what is no number is a doubt and no label.
    """

    def __init__(self) -> None:
        super().__init__(pa.float64(), most_distinct=0)
        self._windows: list[Numbers] = []

    @property
    def values(self) -> Numbers:
        """The number (n,) of each row that a fit learns from, NaN of the others."""
        return np.concatenate([np.zeros(0), *self._windows])

    @property
    def distinct(self) -> int:
        """How many different numbers usable rows have."""
        spread = self.spread
        return spread.distinct if spread is not None else 0

    @property
    def spread(self) -> Spread | None:
        """How the numbers lie; None without any."""
        return Spread.of(self.values)

    @property
    def described(self) -> str:
        return "real numbers"

    def suits(self, other: LabelCounter) -> bool:
        return isinstance(other, NumberCounter)

    def counts(self) -> dict[str, int]:
        """Nothing: numbers are no labels."""
        return {}

    def judged(self, judge: Judge, *, usable: int) -> Iterator[Finding]:  # noqa: ARG002 (that of labels needs it)
        """How the numbers lie."""
        return judge.numbers(self.values)

    def add(self, labels: Labels, usable: NDArray[np.bool_]) -> NDArray[np.uint64]:
        self.set_aside.add(labels.aside)
        self.missing.add(labels.missing())
        values = np.asarray(labels.column.fill_null(np.nan)).astype(np.float64)
        known = np.isfinite(values)
        self._windows.append(np.where(known & usable, values, np.nan))
        # 0 and -0 are one number; its bits are none, which is the key of rows without a label.
        keys = (np.where(known, values, 0.0) + 0.0).view(np.uint64) + np.uint64(1)
        return np.where(known, keys, NO_LABEL)


def _any(of_values: NDArray[np.bool_], owner: NDArray[np.int64], rows: int) -> NDArray[np.bool_]:
    """Whether any value of each row (rows,) is true; `owner` (values,) is the row of each value."""
    found = np.zeros(rows, np.bool_)
    found[owner[of_values]] = True
    return found


def _scrambled(codes: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Numbers of 64 bits whose sums tell sets of `codes` (n,) apart: SplitMix64's finalizer (Steele et al. 2014)."""
    x = (codes.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
