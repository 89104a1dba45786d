"""How the labels of a file are written, once that is known: the reading of them, window by window.

Owns what a row's labels are in each form. What form a column has, `scorer.examples.recognition` tells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from scorer.classifier.labels import list_array
from scorer.examples.example_columns import is_list
from scorer.examples.label_texts import read_bare_list, read_list, read_vector
from scorer.examples.survey import binary_column, is_any_of, plain_column
from scorer.tables.texts import is_text

Notation = Literal["plain", "names", "numbers", "separated", "list", "vector", "columns"]


@dataclass(frozen=True)
class LabelForm:
    """How the label `columns` are written.

    plain      each value is one label, or an Arrow list of them
    names      each value is one name, whatever it looks like
    numbers    each text is a whole number
    separated  `separator` stands between the names of a text
    list       a text in brackets is a list, of which the items are all `items` (int or string)
    vector     a vector of 0 and 1, whose places have `names`
    columns    columns of 0 and 1, whose names are the labels

    With `single` a vector or the columns have exactly one 1 in each row. Rows with a label that is `aside` have none.
    `notes` say, for people, what was seen, `warnings` what is probably not meant.
    """

    notation: Notation
    columns: tuple[str, ...]
    separator: str | None = None
    names: tuple[str, ...] = ()
    single: bool = False
    items: Literal["int", "string"] = "string"
    aside: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def read(self, window: pa.Table) -> Labels:
        """The labels of the rows of `window`, which has the columns."""
        if self.notation == "columns":
            return self._read_columns(window)
        column = plain_column(window.column(self.columns[0]))
        if self.notation == "vector":
            return self._read_vectors(column)
        if is_list(column.type):
            return Labels(column, _in_lists(column, self.aside))
        aside = is_any_of(column, self.aside)
        if self.notation in ("names", "separated"):
            if pa.types.is_float16(column.type):
                column = column.cast(pa.float32())
            column = column.cast(pa.large_string())
        if self.notation == "separated":
            separated = _mapped(column, pa.large_string(), self._separate)
            return Labels(separated, aside | _in_lists(separated, self.aside))
        if self.notation == "list":
            listed = _mapped(column, pa.int64() if self.items == "int" else pa.large_string(), self._list)
            return Labels(listed, aside | _in_lists(listed, self.aside))
        if self.notation == "numbers":
            sound = pc.if_else(pa.array(aside), pa.scalar(None, column.type), pc.utf8_trim_whitespace(column))
            sound = pc.if_else(pc.equal(sound, ""), pa.scalar(None, column.type), sound)
            column = _chunked(sound).cast(pa.float64())
        return Labels(column, aside)

    def _separate(self, text: str) -> list[str]:
        assert self.separator is not None
        return list(dict.fromkeys(part.strip() for part in text.split(self.separator) if part.strip()))

    def _list(self, text: str) -> list[Any] | None:
        if not text.strip():
            return None
        found = read_list(text)
        if found is None:
            found = read_bare_list(text) or [text.strip()]
        if self.items == "int":
            return [None if item is None else int(item) for item in found]
        return [None if item is None else item if isinstance(item, str) else _spelt(item) for item in found]

    def _read_vectors(self, column: pa.ChunkedArray) -> Labels:
        aside = np.zeros(len(column), np.bool_) if is_list(column.type) else is_any_of(column, self.aside)
        places = len(self.names)
        if is_list(column.type):
            lists = column.to_pylist()
        else:
            texts = column.cast(pa.large_string()).to_pylist()
            lists = [None if text is None else read_vector(text) for text in texts]
        numbers = np.full((len(lists), places), np.nan)
        for row, values in enumerate(lists):
            if values is not None and None not in values and len(values) == places:
                numbers[row] = values
        return self._chosen(numbers, aside)

    def _read_columns(self, window: pa.Table) -> Labels:
        read = [binary_column(window.column(name), self.aside) for name in self.columns]
        aside = np.any([aside for _, aside in read], axis=0) if read else np.zeros(window.num_rows, np.bool_)
        return self._chosen(np.stack([numbers for numbers, _ in read], axis=1), aside)

    def _chosen(self, numbers: NDArray[np.float64], aside: NDArray[np.bool_]) -> Labels:
        """The labels of which `numbers` (n, places) is 1; no labels where a number is none."""
        missing: NDArray[np.bool_] = np.asarray(~np.isin(numbers, (0.0, 1.0)).all(axis=1))
        chosen: NDArray[np.bool_] = np.asarray((numbers == 1.0) & ~missing[:, None])
        names = pa.array(self.names or self.columns, pa.large_string())
        if self.single:
            missing |= chosen.sum(axis=1) != 1
            return Labels(_chunked(names.take(pa.array(chosen.argmax(axis=1), mask=missing))), aside)
        return Labels(_chunked(list_array(chosen, missing, names.take(pa.array(np.nonzero(chosen)[1])))), aside)


@dataclass(frozen=True)
class Labels:
    """The labels of n rows: a `column` of one label a row or a list of them, and which rows (n,) are set `aside`, for
    their label says that there is none."""

    column: pa.ChunkedArray
    aside: NDArray[np.bool_]

    @property
    def several(self) -> bool:
        """Whether a row may have any number of labels."""
        return is_list(self.column.type)

    def missing(self) -> NDArray[np.bool_]:
        """Which rows (n,) have no label and are not set aside: null, NaN, a blank name, or a list that holds such."""
        return missing_labels(self.column) & ~self.aside


def missing_labels(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Whether each row (n,) of a `plain_column` has no label: null, NaN or a name of nothing but white space, or a list
    that is null or holds such a value."""
    if is_list(column.type):
        found = np.asarray(column.is_null()).astype(np.bool_)
        owner, values = _items(column)
        found[owner[missing_labels(values)]] = True
        return found
    absent = pc.is_null(column, nan_is_null=True)
    if is_text(column.type):
        blank = pc.equal(pc.utf8_trim_whitespace(column.cast(pa.large_string())), "")
        absent = pc.or_(absent, pc.fill_null(blank, False))
    return np.asarray(absent).astype(np.bool_)


def _in_lists(column: pa.ChunkedArray, names: frozenset[str]) -> NDArray[np.bool_]:
    """Whether each row (n,) of a column of lists holds one of `names`."""
    found = np.zeros(len(column), np.bool_)
    if names:
        owner, values = _items(column)
        found[owner[is_any_of(values, names)]] = True
    return found


def _items(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], pa.ChunkedArray]:
    """The row (items,) of each item of a column of lists, and the items."""
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0)).astype(np.int64)
    return np.repeat(np.arange(len(column)), lengths), plain_column(pc.list_flatten(column))


def _mapped(column: pa.ChunkedArray, items: pa.DataType, read: Callable[[str], list[Any] | None]) -> pa.ChunkedArray:
    """A column of lists of `items`: what `read` makes of each distinct text, null where it is null."""
    encoded = column.cast(pa.large_string()).combine_chunks().dictionary_encode()
    lists = pa.array([read(text) for text in encoded.dictionary.to_pylist()], pa.list_(items))
    return _chunked(lists.take(encoded.indices))


def _chunked(column: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    return column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])


def _spelt(item: bool | float) -> str:
    """A value of a list as a name."""
    if isinstance(item, bool):
        return str(item).lower()
    return str(int(item)) if isinstance(item, float) and item.is_integer() else str(item)
