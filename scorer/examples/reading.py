"""A training file in memory: its texts and labels.

Owns which rows are usable. Does not know tokens, models or the split.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import compress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from scorer.classifier.labels import RowLabel
from scorer.config import WINDOW_ROWS, WINDOW_TEXT_BYTES
from scorer.errors import DataError
from scorer.examples.columns import Columns, find_columns, is_list
from scorer.examples.targets import label_values
from scorer.tables.listing import Unread
from scorer.tables.reader import check_names
from scorer.tables.source import Source
from scorer.tables.texts import is_blank, texts


@dataclass(frozen=True)
class Examples:
    """The usable rows of a file.

    texts            one list of n strings a text column
    labels           n labels of one kind, in the type that they had in the file; with `multi` a tuple of them a row
    rows             rows that were read, of which `rows - n` were dropped because their text is null or empty
    fingerprint      of the file's contents
    left_out         the places (d,) int64, counted from 0, of the rows that were dropped
    others           n values of each further column that was asked for
    label_separator  what stood between the labels of a row, where they were one text
    unread           what lies beside the files and was not read
    """

    columns: Columns
    texts: tuple[list[str], ...]
    labels: list[RowLabel]
    rows: int
    fingerprint: str
    left_out: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    others: Mapping[str, list[Any]] = field(default_factory=dict)
    label_separator: str | None = None
    unread: Unread = field(default_factory=Unread)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def multi(self) -> bool:
        """Whether a row may have any number of labels."""
        return bool(self.labels) and isinstance(self.labels[0], tuple)

    @property
    def dropped(self) -> int:
        return self.rows - len(self)

    def numbers(self) -> NDArray[np.int64]:
        """The number (n,) int64 of each row in its file, counted from 1."""
        return np.delete(np.arange(1, self.rows + 1), self.left_out)

    def keys(self) -> list[tuple[str, ...]]:
        """What tells one example's text from another's: its texts."""
        return list(zip(*self.texts, strict=True))

    def groups(self) -> NDArray[np.int64]:
        """A number for each row (n,) int64, the same for equal texts."""
        numbers: dict[tuple[str, ...], int] = {}
        return np.fromiter((numbers.setdefault(key, len(numbers)) for key in self.keys()), np.int64, len(self))

    def take(self, rows: NDArray[np.int64]) -> Examples:
        """The examples at `rows`, of which none counts as dropped."""
        chosen = tuple([column[row] for row in rows] for column in self.texts)
        labels = [self.labels[row] for row in rows]
        others = {name: [values[row] for row in rows] for name, values in self.others.items()}
        none = np.zeros(0, np.int64)
        return replace(self, texts=chosen, labels=labels, rows=len(rows), left_out=none, others=others)


def read_examples(
    location: str,
    *,
    text_columns: tuple[str, ...],
    label_column: str | None,
    label_separator: str | None = None,
    limit: int | None = None,
    others: tuple[str, ...] = (),
    names: tuple[str, ...] | None = None,
) -> Examples:
    """Read `location`, at most `limit` rows. Columns that are not named are found by their names. The values of the
    columns `others`, which must be there, are kept beside the texts.

    With `label_separator` a text in the label column names several labels; a column of lists needs none. `names` are as
    for `Source.open`.

    Raises InputMissing, UsageError (columns), ConfigError (their types) and DataError (labels, malformed files, a
    file that changes meanwhile).
    """
    source = Source.open(location, names=names)
    schema = source.read().schema
    with source.doubting_header():
        check_names(schema.names, others, where=location)
        columns = find_columns(schema, texts=text_columns, label=label_column, where=location)
    kept: list[list[str]] = [[] for _ in columns.texts]
    label_chunks, usable = [], []
    beside: dict[str, list[Any]] = {name: [] for name in others}
    reader = source.read(columns.texts)
    for window in reader.windows(max_rows=WINDOW_ROWS, max_bytes=WINDOW_TEXT_BYTES, limit=limit):
        parts = [texts(window, name) for name in columns.texts]
        usable.append(_usable(parts))
        for column, part in zip(kept, parts, strict=True):
            column.extend(part.filter(pa.array(usable[-1])).to_pylist())
        for name, values in beside.items():
            values.extend(compress(window.column(name).to_pylist(), usable[-1]))
        label_chunks.extend(window.column(columns.label).chunks)
    if not label_chunks or not sum(map(len, usable)):
        raise DataError(f"{location}: no rows; texts with labels are needed")
    column = pa.chunked_array(label_chunks)
    separator = None if is_list(column.type) else label_separator
    labels = label_values(column, name=columns.label, where=location, separator=separator)
    mask = np.concatenate(usable)
    if not mask.any():
        raise DataError(f"{location}: all {len(mask)} texts are null or empty; name another column with --text-column")
    labels = [label for label, keep in zip(labels, mask, strict=True) if keep]
    left_out = np.flatnonzero(~mask)
    fingerprint = source.fingerprint()
    # It is that of the rows only if nobody has written to the file since.
    reader.check_unchanged()
    return Examples(columns, tuple(kept), labels, len(mask), fingerprint, left_out, beside, separator, source.unread)


def _usable(columns: list[pa.ChunkedArray]) -> NDArray[np.bool_]:
    """Which rows (n,) have no null and at least one text with something to read."""
    complete = reduce(pc.and_, (pc.is_valid(column) for column in columns))
    readable = (pc.invert(is_blank(column)) for column in columns)
    return np.asarray(pc.and_(complete, pc.fill_null(reduce(pc.or_kleene, readable), False)))
