"""One pass over the rows of a labelled file, which keeps what can be judged afterwards: counts, keys, a sample.

Nothing of what it meets is an error here: where `scorer.examples.targets` refuses a label, it is counted. Only a file
that cannot be read at all is one. Memory: 29 bytes a row, one window and the sample, whatever the texts.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.checking.findings import Tally
from scorer.checking.oddities import ODDITIES, rows_with
from scorer.checking.repeats import NO_LABEL, RowKeys, normalised, text_keys
from scorer.checking.tokens import Sample
from scorer.classifier.labels import LabelKind
from scorer.config import WINDOW_ROWS, WINDOW_TEXT_BYTES
from scorer.examples.example_columns import Columns, find_columns, is_list
from scorer.examples.label_form import LabelForm, LabelOptions, Labels, missing_labels
from scorer.examples.recognition import Doubt, recognise_file
from scorer.examples.survey import plain_column
from scorer.examples.targets import spellings
from scorer.runs.console import Counter
from scorer.tables import compute as pc
from scorer.tables.dialect import UNSAID, Dialect
from scorer.tables.listing import Unread
from scorer.tables.rejects import Rejects, rejected_by
from scorer.tables.source import Source
from scorer.tables.texts import is_blank, is_text, texts

# More distinct labels than these are not told apart: the column is none of labels, and memory stays bounded.
MOST_DISTINCT = 100_000


@dataclass(frozen=True)
class Scan:
    """What one pass over `file` found; arrays have an entry for each of the n rows.

    keys        what tells the rows apart; usable are those that a fit learns from: no text is null, and one at least
                has something to read
    characters  int32, of all texts of a row together
    unread      what lies beside the files and was not read
    blank_lines  lines with nothing in them, which are no rows
    rejected    malformed records that were set aside, which are no rows
    oddities    one tally for each of `scorer.checking.oddities.ODDITIES`, by its code
    form        how the labels are written
    doubt       why a fit would not know how they are; then they are taken as they stand
    """

    file: str
    columns: Columns
    keys: RowKeys
    characters: NDArray[np.int32]
    null_texts: Tally
    empty_texts: Tally
    oddities: dict[str, Tally]
    labels: LabelCounter
    sample: Sample
    unread: Unread
    blank_lines: int
    rejected: int
    form: LabelForm
    doubt: Doubt | None

    @property
    def rows(self) -> int:
        return len(self.keys)

    @property
    def usable(self) -> int:
        """The number of usable rows."""
        return int(self.keys.usable.sum())


def scan_file(
    location: str,
    *,
    text_columns: tuple[str, ...],
    label_columns: tuple[str, ...],
    options: LabelOptions,
    limit: int | None,
    progress: Counter,
    known_labels: Collection[str] | None = None,
    dialect: Dialect = UNSAID,
    rejects: Rejects | None = None,
) -> Scan:
    """Read `location`, at most `limit` rows. Columns that are not named are found by their names. Rows with a label
    that is none of the `known_labels` are counted where these are given. `dialect` is as for `Source.open`.

    Raises InputMissing, UsageError (columns), ConfigError (their types) and DataError (a file that cannot be
    parsed, or changes meanwhile).
    """
    before = rejected_by(rejects)
    if rejects is not None:
        rejects.rows = limit
    source = Source.open(location, dialect=dialect, rejects=rejects)
    schema = source.read().schema
    with source.doubting_header():
        columns = find_columns(schema, texts=text_columns, labels=label_columns, where=location)
    found = recognise_file(source, schema, columns.labels, options, where=location, limit=limit)
    doubt = found if isinstance(found, Doubt) else None
    form = LabelForm("plain", columns.labels[:1]) if isinstance(found, Doubt) else found
    kind = form.read(_no_rows(schema, columns.labels)).column.type
    scanner = _Scanner(columns, form, doubt, LabelCounter(kind, known=known_labels))
    reader = source.read(columns.texts)
    for window in reader.windows(max_rows=WINDOW_ROWS, max_bytes=WINDOW_TEXT_BYTES, limit=limit):
        scanner.add(window)
        progress.update(window.num_rows)
    reader.check_unchanged()
    rejected = rejected_by(rejects) - before
    return scanner.scan(location, source.unread, blank_lines=reader.blank_lines, rejected=rejected)


def _no_rows(schema: pa.Schema, columns: Sequence[str]) -> pa.Table:
    """A table without rows of these columns alone, as Arrow makes no empty ones of every type."""
    return pa.Table.from_batches([], pa.schema([schema.field(name) for name in columns]))


class _Scanner:
    def __init__(self, columns: Columns, form: LabelForm, doubt: Doubt | None, labels: LabelCounter) -> None:
        self._columns = columns
        self._form, self._doubt = form, doubt
        self._labels = labels
        self._null, self._empty = Tally(), Tally()
        self._oddities = {oddity.code: Tally() for oddity in ODDITIES}
        self._sample = Sample()
        self._parts: list[tuple[NDArray[np.generic], ...]] = []

    def add(self, window: pa.Table) -> None:
        columns = [texts(window, name) for name in self._columns.texts]
        null = np.asarray(reduce(pc.or_, (pc.is_null(column) for column in columns))).astype(np.bool_)
        blanks = (pc.fill_null(is_blank(column), True) for column in columns)
        empty = np.asarray(reduce(pc.and_, blanks)).astype(np.bool_) & ~null
        self._null.add(null)
        self._empty.add(empty)
        for oddity in ODDITIES:
            self._oddities[oddity.code].add(rows_with(oddity, columns))
        usable = ~(null | empty)
        rows = list(zip(*(column.filter(pa.array(usable)).to_pylist() for column in columns), strict=True))
        self._sample.add(rows)
        exact, alike = (np.zeros(len(usable), np.uint64) for _ in range(2))
        exact[usable] = text_keys(rows)
        alike[usable] = text_keys(tuple(map(normalised, row)) for row in rows)
        lengths = (pc.fill_null(pc.utf8_length(column), 0) for column in columns)
        characters = np.asarray(reduce(pc.add, lengths)).astype(np.int32)
        label_keys = self._labels.add(self._form.read(window), usable)
        self._parts.append((usable, exact, alike, label_keys, characters))

    def scan(self, file: str, unread: Unread, *, blank_lines: int, rejected: int) -> Scan:
        kinds = (np.bool_, np.uint64, np.uint64, np.uint64, np.int32)
        none = tuple(np.zeros(0, kind) for kind in kinds)
        usable, exact, alike, label_keys, characters = (
            np.concatenate(parts) for parts in zip(*(self._parts or [none]), strict=True)
        )
        return Scan(
            file=file,
            columns=self._columns,
            keys=RowKeys(usable, exact, alike, label_keys),
            characters=characters,
            null_texts=self._null,
            empty_texts=self._empty,
            oddities=self._oddities,
            labels=self._labels,
            sample=self._sample,
            unread=unread,
            blank_lines=blank_lines,
            rejected=rejected,
            form=self._form,
            doubt=self._doubt,
        )


class LabelCounter:
    """Counts labels of the type `kind`, one or a list of them a row, window by window.

    multi       a row may have several
    kind        of the labels
    missing     rows whose label is null, NaN or an empty name
    set_aside   rows whose label says that there is none, which are missing in no count
    fractional  rows whose label is no whole number of 64 bits, which are missing too
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
        self.fractional.add(fractional)
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
        self.fractional.add(_any(fractional, owner, len(column)))
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
        beyond = ~(np.abs(np.nan_to_num(numbers, posinf=np.inf, neginf=-np.inf)) < 2.0**63)
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
