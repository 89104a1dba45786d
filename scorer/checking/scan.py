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
from scorer.checking.label_counter import LabelCounter, NumberCounter
from scorer.checking.oddities import ODDITIES, rows_with
from scorer.checking.repeats import RowKeys, normalised, text_keys
from scorer.checking.tokens import Sample
from scorer.config import WINDOW_ROWS, WINDOW_TEXT_BYTES
from scorer.examples.example_columns import Columns, find_columns
from scorer.examples.label_form import LabelForm, LabelOptions
from scorer.examples.recognition import Doubt, recognise_file
from scorer.runs.console import Counter
from scorer.tables import compute as pc
from scorer.tables.dialect import UNSAID, Dialect
from scorer.tables.rejects import Rejects, rejected_by
from scorer.tables.source import Source
from scorer.tables.texts import is_blank, texts
from scorer.tables.unread import Unread


@dataclass(frozen=True)
class Scan:
    """What one pass over `file` found; arrays have an entry for each of the n rows.

    keys        what tells the rows apart; usable are those that a fit learns from: no text is null, and one at least
                has something to read; nor has it no label where such rows are left out
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
    opened: Source | None = None,
) -> Scan:
    """Read `location`, at most `limit` rows. Columns that are not named are found by their names. Rows with a label
    that is none of the `known_labels` are counted where these are given. `dialect` is as for `Source.open`. A
    stream, which is read once, may be `opened`.

    Raises InputMissing, UsageError (columns), ConfigError (their types) and DataError (a file that cannot be
    parsed, or changes meanwhile).
    """
    before = rejected_by(rejects)
    if rejects is not None:
        rejects.rows = limit
    source = opened or Source.open(location, dialect=dialect, rejects=rejects)
    schema = source.read().schema
    with source.doubting_header():
        columns = find_columns(
            schema, texts=text_columns, labels=label_columns, where=location, numbers=options.numbers
        )
    found = recognise_file(source, schema, columns.labels, options, where=location, limit=limit)
    doubt = found if isinstance(found, Doubt) else None
    form = LabelForm("reals" if options.numbers else "plain", columns.labels[:1]) if isinstance(found, Doubt) else found
    counter = _counter(form, _no_rows(schema, columns.labels), known_labels)
    scanner = _Scanner(columns, form, doubt, counter, skip=options.skip)
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


def _counter(form: LabelForm, no_rows: pa.Table, known: Collection[str] | None) -> LabelCounter:
    """What counts the labels of a file, of which `no_rows` is a table without any, or keeps their numbers."""
    if form.notation == "reals":
        return NumberCounter()
    return LabelCounter(form.read(no_rows).column.type, known=known)


class _Scanner:
    def __init__(
        self, columns: Columns, form: LabelForm, doubt: Doubt | None, labels: LabelCounter, *, skip: bool
    ) -> None:
        self._columns = columns
        self._skip = skip
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
        labels = self._form.read(window)
        unlabelled = labels.aside | labels.missing() if self._skip else labels.aside
        usable = ~(null | empty | unlabelled)
        rows = list(zip(*(column.filter(pa.array(usable)).to_pylist() for column in columns), strict=True))
        self._sample.add(rows)
        exact, alike = (np.zeros(len(usable), np.uint64) for _ in range(2))
        exact[usable] = text_keys(rows)
        alike[usable] = text_keys(tuple(map(normalised, row)) for row in rows)
        lengths = (pc.fill_null(pc.utf8_length(column), 0) for column in columns)
        characters = np.asarray(reduce(pc.add, lengths)).astype(np.int32)
        label_keys = self._labels.add(labels, usable)
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
