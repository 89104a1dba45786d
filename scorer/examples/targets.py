"""Label values: what the label column holds, as values of one kind, and as class indices.

Owns what is refused as a label (null, fractional, unknown, too few kinds). Does not know files or models.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from scorer.classifier.labels import LabelSet, LabelValue
from scorer.errors import ConfigError, DataError
from scorer.examples.columns import is_label
from scorer.tables.texts import is_text

# Beyond these, a column is an identifier or a measurement and not a class.
_MOST_LABELS = 1000
_MANY_LABELS = 20


def label_values(column: pa.ChunkedArray, *, name: str, where: str) -> list[LabelValue]:
    """The labels of all rows, all of one kind: integers (any width, or floats that are whole), names or booleans.

    DataError with counts for nulls, empty names, fractions and integers beyond 64 bits; ConfigError for a column that
    cannot hold one label a row.
    """
    if not is_label(column.type):
        raise ConfigError(
            f"{where}: label column {name!r} is {column.type}; one label a row is an integer, a name or a boolean"
        )
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    missing = _missing(column)
    if missing:
        raise DataError(
            f"{where}: labels: {missing} null or empty of {len(column)} rows in column {name!r}; fill or drop them"
        )
    if pa.types.is_floating(column.type):
        fractional = pc.sum(pc.not_equal(column, pc.floor(column))).as_py() or 0
        if fractional:
            raise DataError(
                f"{where}: labels: {fractional} of {len(column)} in column {name!r} are no whole numbers; "
                "round them, or name another column with --label-column"
            )
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        column = _as_int64(column, name=name, where=where)
    values: list[LabelValue] = column.to_pylist()
    return values


def label_set(values: Sequence[LabelValue], *, name: str, where: str) -> LabelSet:
    """The distinct labels of the training rows. DataError with counts when they are too few or too many."""
    counts = Counter(values)
    if len(counts) < 2:
        raise DataError(
            f"{where}: labels: {len(counts)} class in {len(values)} rows of column {name!r}; at least 2 are needed"
        )
    if len(counts) > _MOST_LABELS or (len(counts) > _MANY_LABELS and len(counts) > len(values) / 2):
        raise DataError(
            f"{where}: labels: {len(counts)} classes in {len(values)} rows of column {name!r}; "
            "that is no class label; name another column with --label-column"
        )
    return LabelSet.from_values(values)


def label_indices(values: Sequence[LabelValue], labels: LabelSet, *, name: str, where: str) -> NDArray[np.int64]:
    """Class indices (n,) int64 of `values`. DataError with counts when some are no label of the training rows."""
    if values and _kind(values[0]) != labels.kind:
        raise DataError(
            f"{where}: labels: column {name!r} holds {_kind(values[0])} labels, the training file {labels.kind} ones"
        )
    index = labels.index_of()
    unknown = Counter(value for value in values if value not in index)
    if unknown:
        raise DataError(
            f"{where}: labels: {unknown.total()} of {len(values)} rows have one of {len(unknown)} labels in column "
            f"{name!r} that the training file lacks; drop those rows or add such rows to the training file"
        )
    return np.fromiter((index[value] for value in values), np.int64, len(values))


def lonely(indices: NDArray[np.int64], labels: LabelSet) -> list[str]:
    """The names of the labels with a single row, which cannot be on both sides of a split."""
    counts = np.bincount(indices, minlength=len(labels))
    return [labels.names[index] for index in np.flatnonzero(counts == 1)]


def _missing(column: pa.ChunkedArray) -> int:
    absent = pc.is_null(column, nan_is_null=True)
    if is_text(column.type):
        absent = pc.or_kleene(absent, pc.equal(pc.utf8_trim_whitespace(column.cast(pa.large_string())), ""))
    return int(pc.sum(absent).as_py() or 0)


def _as_int64(column: pa.ChunkedArray, *, name: str, where: str) -> pa.ChunkedArray:
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise DataError(
            f"{where}: labels: column {name!r} ({column.type}) does not fit 64-bit integers; use names"
        ) from error


def _kind(value: LabelValue) -> str:
    if isinstance(value, bool):
        return "bool"
    return "int" if isinstance(value, int) else "string"
