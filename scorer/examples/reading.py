"""A training file in memory: the texts and labels of its usable rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import compress
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.config import WINDOW_ROWS, WINDOW_TEXT_BYTES
from scorer.errors import DataError
from scorer.examples.example_columns import Columns, find_columns
from scorer.examples.label_form import LabelForm, LabelOptions, Labels
from scorer.examples.recognition import class_labels, recognise
from scorer.examples.survey import Seen, Survey
from scorer.examples.targets import label_values
from scorer.tables import compute as pc
from scorer.tables.dialect import UNSAID, Dialect
from scorer.tables.reader import check_names, tell_blank_lines
from scorer.tables.rejects import Rejects, rejected_by
from scorer.tables.source import Source
from scorer.tables.texts import is_blank, texts
from scorer.tables.unread import Unread


@dataclass(frozen=True)
class Examples:
    """The usable rows of a file.

    texts            one list of n strings a text column
    labels           n labels of one kind (`RowLabel`), in the type that they had in the file; with `multi` a tuple of
                     them a row; floats where they are read as real numbers
    rows             rows that were read, of which `rows - n` were left out: `dropped` because their text is null or
                     empty, `unlabelled` because they have no label, `set_aside` because their label says so
    fingerprint      of the file's contents
    left_out         the places (d,) int64, counted from 0, of the rows that were left out
    others           n values of each further column that was asked for
    form             how the labels were written
    blank_lines      lines with nothing in them, which are no rows
    rejected         malformed records that were set aside, which are no rows
    unread           what lies beside the files and was not read
    """

    columns: Columns
    texts: tuple[list[str], ...]
    labels: list[Any]
    rows: int
    fingerprint: str
    left_out: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    others: Mapping[str, list[Any]] = field(default_factory=dict)
    form: LabelForm = field(default_factory=lambda: LabelForm("plain", ()))
    unread: Unread = field(default_factory=Unread)
    unlabelled: int = 0
    set_aside: int = 0
    blank_lines: int = 0
    rejected: int = 0

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def multi(self) -> bool:
        """Whether a row may have any number of labels."""
        return bool(self.labels) and isinstance(self.labels[0], tuple)

    @property
    def dropped(self) -> int:
        return self.rows - len(self) - self.unlabelled - self.set_aside

    def remarks(self, where: str) -> list[str]:
        """Lines for people: how the labels were read where that is not plain, and how many rows were left out for
        want of one."""
        blank = tell_blank_lines(where, self.blank_lines)
        return (
            blank
            + [f"{where}: {note}" for note in self.form.notes]
            + [
                f"{where}: {count:,} of {self.rows:,} rows left out: {why}"
                for count, why in (
                    (self.unlabelled, "they have no label (null or empty)"),
                    (self.set_aside, "their label is one of --null-labels"),
                )
                if count
            ]
        )

    def reading(self) -> dict[str, Any]:
        """JSON types only: how the labels were read, and the rows that were left out because of them."""
        return {
            "form": self.form.notation,
            "notes": [*self.form.notes, *self.form.warnings],
            "unlabelled": self.unlabelled,
            "null_labels": self.set_aside,
        }

    def numbers(self) -> NDArray[np.int64]:
        """The number (n,) int64 of each row in its file, counted from 1."""
        return np.delete(np.arange(1, self.rows + 1), self.left_out)

    def keys(self) -> list[tuple[str, ...]]:
        """What tells one example's text from another's: its texts."""
        return list(zip(*self.texts, strict=True))

    def take(self, rows: NDArray[np.int64]) -> Examples:
        """The examples at `rows`, of which none counts as dropped."""
        chosen = tuple([column[row] for row in rows] for column in self.texts)
        labels = [self.labels[row] for row in rows]
        others = {name: [values[row] for row in rows] for name, values in self.others.items()}
        none = np.zeros(0, np.int64)
        kept = replace(self, texts=chosen, labels=labels, others=others, left_out=none)
        return replace(kept, rows=len(rows), unlabelled=0, set_aside=0)


def read_examples(
    location: str,
    *,
    text_columns: tuple[str, ...],
    label_columns: tuple[str, ...] = (),
    options: LabelOptions | None = None,
    limit: int | None = None,
    others: tuple[str, ...] = (),
    dialect: Dialect = UNSAID,
    rejects: Rejects | None = None,
    opened: Source | None = None,
) -> Examples:
    """Read `location`, at most `limit` rows. Columns that are not named are found by their names. The values of the
    columns `others`, which must be there, are kept beside the texts.

    `options` say how the labels are written, as far as that is known. DataError where it cannot be told.
    `dialect` is as for `Source.open`. A stream, which is read once, may be `opened`.

    Raises InputMissing, UsageError (columns), ConfigError (their types) and DataError (labels, malformed files, a
    file that changes meanwhile).
    """
    options = options or LabelOptions()
    before = rejected_by(rejects)
    if rejects is not None:
        rejects.rows = limit
    source = opened or Source.open(location, dialect=dialect, rejects=rejects)
    schema = source.read().schema
    with source.doubting_header():
        check_names(schema.names, others, where=location)
        columns = find_columns(
            schema, texts=text_columns, labels=label_columns, where=location, numbers=options.numbers
        )
    classes = class_labels(source, schema, columns.labels, options, where=location)
    kinds = {name: classes.schema(schema).field(name).type for name in columns.labels}
    options.check_types(kinds, where=location)
    survey = Survey(kinds, aside=options.aside, numbers=options.numbers, where=location)
    kept: list[list[str]] = [[] for _ in columns.texts]
    label_windows, usable = [], []
    beside: dict[str, list[Any]] = {name: [] for name in others}
    reader = source.read(columns.texts)
    for window in reader.windows(max_rows=WINDOW_ROWS, max_bytes=WINDOW_TEXT_BYTES, limit=limit):
        parts = [texts(window, name) for name in columns.texts]
        usable.append(_usable(parts))
        for column, part in zip(kept, parts, strict=True):
            column.extend(part.filter(pa.array(usable[-1])).to_pylist())
        for name, values in beside.items():
            values.extend(compress(window.column(name).to_pylist(), usable[-1]))
        label_windows.append(window.select(list(columns.labels)))
        survey.add(classes.named(label_windows[-1]))
    if not sum(map(len, usable)):
        raise DataError(f"{location}: no rows; texts with labels are needed")
    form = recognise(survey, options)
    if not isinstance(form, LabelForm):
        raise form.error(location)
    form = replace(form, classes=classes)
    labelled = [form.read(window) for window in label_windows]
    missing = _missing(labelled, columns, options, where=location)
    aside = np.concatenate([labels.aside for labels in labelled])
    mask = np.concatenate(usable)
    if not mask.any():
        raise DataError(f"{location}: all {len(mask)} texts are null or empty; name another column with --text-column")
    kept_rows = mask & ~missing & ~aside
    if not kept_rows.any():
        raise DataError(f"{location}: none of {len(mask):,} rows has both a text and a label")
    column = _joined([labels.column for labels in labelled]).filter(pa.array(kept_rows))
    labels = column.to_pylist() if options.numbers else label_values(column, name=columns.label, where=location)
    within = kept_rows[mask]
    kept = [list(compress(texts, within)) for texts in kept]
    beside = {name: list(compress(values, within)) for name, values in beside.items()}
    fingerprint = source.fingerprint()
    # It is that of the rows only if nobody has written to the file since.
    reader.check_unchanged()
    return Examples(
        columns,
        tuple(kept),
        labels,
        len(mask),
        fingerprint,
        np.flatnonzero(~kept_rows),
        beside,
        form,
        source.unread,
        unlabelled=int((mask & missing).sum()),
        set_aside=int((mask & aside).sum()),
        blank_lines=reader.blank_lines,
        rejected=rejected_by(rejects) - before,
    )


def _missing(labelled: list[Labels], columns: Columns, options: LabelOptions, *, where: str) -> NDArray[np.bool_]:
    """Which rows (n,) have no label; DataError if there are some, unless they are to be skipped."""
    missing = np.concatenate([labels.missing() for labels in labelled])
    if missing.any() and not options.skip:
        seen = Seen()
        seen.add(np.flatnonzero(missing) + 1)
        empty = "" if not labelled[0].several else "; a row without labels has an empty list, or an empty text"
        raise DataError(
            f"{where}: labels: {seen.count:,} null or empty of {len(missing):,} rows in column {columns.label!r}"
            f"{seen.numbered}; fill them, or leave those rows out with --skip-unlabelled{empty}"
        )
    return missing


def _joined(columns: list[pa.ChunkedArray]) -> pa.ChunkedArray:
    chunks = [chunk for column in columns for chunk in column.chunks]
    return pa.chunked_array(chunks, columns[0].type)


def _usable(columns: list[pa.ChunkedArray]) -> NDArray[np.bool_]:
    """Which rows (n,) have no null and at least one text with something to read."""
    complete = reduce(pc.and_, (pc.is_valid(column) for column in columns))
    readable = (pc.invert(is_blank(column)) for column in columns)
    return np.asarray(pc.and_(complete, pc.fill_null(reduce(pc.or_kleene, readable), False)))
