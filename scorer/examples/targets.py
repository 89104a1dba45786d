"""Label values as class indices, and which rows are held out by them: for validation, or in which fold.

Here is refused what is no label: null, fractional and unknown values, or too few kinds. How labels are written
stands in `scorer.examples.label_form`. Texts do not matter: equal texts come in as equal group numbers, and stay on one
side of a split.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.classifier.labels import LabelKind, LabelSet, LabelValue, RowLabel, RowTargets, Targets
from scorer.errors import DataError
from scorer.examples.example_columns import is_list
from scorer.examples.label_form import REAL_NUMBERS, missing_labels
from scorer.examples.label_texts import EXACT
from scorer.examples.survey import plain_column
from scorer.tables import compute as pc

MOST_LABELS = 1000
_MANY_LABELS = 20
_ROWS_A_STRATUM, _MOST_STRATA = 20, 10
# Real numbers as labels: their squares, and a model's float32, hold them up to the first. Their standard deviation must
# be so large against the largest of them, and at least the last.
LARGEST, NARROWEST, SMALLEST = 1e30, 2.0**-16, 1e-30
_INTEGER = re.compile(r"-?[0-9]{1,18}")


def label_values(column: pa.ChunkedArray, *, name: str, where: str) -> list[RowLabel]:
    """The labels of all rows, all of one kind: integers (any width, or floats that are whole), names or booleans.

    Rows of a list column have any number of labels, none included, as a tuple without repetitions.

    DataError with counts for nulls, empty names, fractions and integers beyond 64 bits.
    """
    if is_list(column.type):
        return _listed(column, name=name, where=where)
    return list(_one_each(column, name=name, where=where))


def _listed(column: pa.ChunkedArray, *, name: str, where: str) -> list[RowLabel]:
    """The labels of a column of lists."""
    if column.null_count:
        raise DataError(
            f"{where}: labels: {column.null_count} null of {len(column)} rows in column {name!r}; "
            "a row without labels has an empty list"
        )
    every = iter(_one_each(pc.list_flatten(column), name=name, where=where, unit="values"))
    lengths = pc.list_value_length(column).to_pylist()
    return [tuple(dict.fromkeys(next(every) for _ in range(length))) for length in lengths]


def _one_each(column: pa.ChunkedArray, *, name: str, where: str, unit: str = "rows") -> list[LabelValue]:
    """The labels of a column with one a row."""
    column = plain_column(column)
    missing = int(missing_labels(column).sum())
    if missing:
        raise DataError(
            f"{where}: labels: {missing} null or empty of {len(column)} {unit} in column {name!r}; fill or drop them"
        )
    if pa.types.is_floating(column.type):
        column = column.cast(pa.float64())
        fractional = pc.sum(pc.not_equal(column, pc.floor(column))).as_py() or 0
        if fractional:
            raise DataError(
                f"{where}: labels: {fractional} of {len(column)} in column {name!r} are no whole numbers; "
                "round them, take them for names with --label-form name, or name another column with --label-column; "
                f"{REAL_NUMBERS}"
            )
        inexact = pc.sum(pc.greater(pc.abs(column), float(EXACT))).as_py() or 0
        if inexact:
            raise DataError(
                f"{where}: labels: {inexact} of {len(column)} in column {name!r} are beyond what a float holds "
                "exactly; make them integers or names"
            )
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        column = _as_int64(column, name=name, where=where)
    values: list[LabelValue] = column.to_pylist()
    return values


def of_kind(values: Sequence[RowLabel], kind: LabelKind) -> list[RowLabel]:
    """`values` in the type `kind` where they are spelt so: one quoted number makes names of a CSV column, and all that
    stands between separators is a name."""
    return [
        tuple(_of_kind(value, kind) for value in row) if isinstance(row, tuple) else _of_kind(row, kind)
        for row in values
    ]


def label_set(
    values: Sequence[Any],
    *,
    name: str,
    where: str,
    multi: bool = False,
    nominal: bool = False,
    numbers: bool = False,
) -> LabelSet:
    """The distinct labels of the training rows, which are `multi` and, if integers, `nominal` as `LabelSet` has it;
    where they are real `numbers`, the output that is called as their column.
    DataError with counts when they are too few or too many, or numbers that a model cannot tell apart."""
    if numbers:
        if (trouble := trouble_with(np.array(values, np.float64))) is not None:
            raise DataError(f"{where}: labels: column {name!r}: {'; '.join(trouble)}")
        return LabelSet.of_number(name)
    counts = Counter(_each(values))
    if len(counts) < 2:
        raise DataError(
            f"{where}: labels: {len(counts)} class in {len(values)} rows of column {name!r}; at least 2 are needed"
        )
    if too_many_labels(len(counts), len(values)):
        raise DataError(
            f"{where}: labels: {len(counts)} classes in {len(values)} rows of column {name!r}; "
            f"that is no class label; name another column with --label-column{_if_numbers(counts)}"
        )
    return LabelSet.from_values(list(counts), multi=multi, nominal=nominal)


def too_many_labels(labels: int, rows: int) -> bool:
    """Whether so many distinct values in so many rows are no labels but identifiers, measurements or texts."""
    return labels > MOST_LABELS or (labels > _MANY_LABELS and labels > rows / 2)


def label_indices(
    values: Sequence[RowLabel], labels: LabelSet, *, name: str, where: str, known: str = "the training file"
) -> RowTargets:
    """`values` as class indices (n,) int64, or with several labels a row as a matrix (n, labels) int8 of 0 and 1, or
    where the model gives a number, as they are (n,) float64.

    Numbers and booleans are names where the labels are names: what a column of names looks like in a file that has
    nothing else.
    DataError with counts when some are none of `labels`, those of what is `known`, or when one side has one label a row
    and the other several.
    """
    if labels.is_number:
        return _real_numbers(values, name=name, where=where)
    if labels.kind == "string":
        names = frozenset(labels.names)
        values = [_named(row, names) for row in values]
    _check_known(values, labels, name=name, where=where, known=known)
    index = labels.index_of()
    if not labels.multi:
        return np.fromiter((index[value] for value in _each(values)), np.int64, len(values))
    targets = np.zeros((len(values), len(labels)), np.int8)
    for row, value in enumerate(values):
        targets[row, [index[label] for label in _labels_of(value)]] = 1
    return targets


def _if_numbers(counts: Collection[LabelValue]) -> str:
    numeric = all(isinstance(value, int) and not isinstance(value, bool) for value in counts)
    return f"; {REAL_NUMBERS}" if numeric else ""


def _real_numbers(values: Sequence[Any], *, name: str, where: str) -> NDArray[np.float64]:
    """`values`, which are finite, (n,) float64; DataError where one is beyond what a model's arithmetic holds."""
    numbers = np.array(values, np.float64)
    if (trouble := _too_large(numbers)) is not None:
        raise DataError(f"{where}: labels: column {name!r}: {'; '.join(trouble)}")
    return numbers


def trouble_with(numbers: NDArray[np.float64]) -> tuple[str, str] | None:
    """Why a model cannot learn `numbers` (n,), and what to do, for people; None where it can."""
    if (trouble := _too_large(numbers)) is not None:
        return trouble
    if not len(numbers) or numbers.min() == numbers.max():
        return "the same number in all rows", "at least 2 are needed; name another column with --label-column"
    deviation = float(numbers.std())
    if deviation < NARROWEST * float(np.abs(numbers).max()) or deviation < SMALLEST:
        what = "the numbers differ by too little for the float32 of a model"
        return what, "subtract their mean from all of them, or multiply them"
    return None


def _too_large(numbers: NDArray[np.float64]) -> tuple[str, str] | None:
    beyond = int((np.abs(numbers) > LARGEST).sum())
    what = f"{beyond:,} of {len(numbers):,} rows have a number beyond {LARGEST:g}"
    return (what, "divide all of them by a power of ten") if beyond else None


def label_counts(targets: Targets, labels: LabelSet) -> NDArray[np.int64]:
    """Rows of each label, (labels,) int64."""
    if labels.multi:
        return np.asarray(targets.sum(axis=0, dtype=np.int64))
    return np.bincount(targets, minlength=len(labels)).astype(np.int64)


def spellings(label: LabelValue) -> tuple[str, ...]:
    """The names that `label` may have in another file: a reader makes booleans of `True` and of `true` where no other
    name stands in their column."""
    return (str(label).lower(), str(label)) if isinstance(label, bool) else (str(label),)


def _check_known(values: Sequence[RowLabel], labels: LabelSet, *, name: str, where: str, known: str) -> None:
    if values and isinstance(values[0], tuple) != labels.multi:
        raise DataError(
            f"{where}: labels: column {name!r} has {'one label' if labels.multi else 'several labels'} a row, "
            f"{known} {'several; say --label-separator if a text holds them' if labels.multi else 'one'}"
        )
    kinds = {_kind(value) for value in _each(values)}
    if others := sorted(kinds - {labels.kind}):
        raise DataError(
            f"{where}: labels: column {name!r} holds {others[0]} labels, {known} {labels.kind} ones; "
            "write them alike in both files"
        )
    index = labels.index_of()
    lacking = [row for row in values if any(value not in index for value in _labels_of(row))]
    if lacking:
        unknown = {value for value in _each(lacking) if value not in index}
        raise DataError(
            f"{where}: labels: {len(lacking)} of {len(values)} rows have one of {len(unknown)} labels in column "
            f"{name!r} that {known} lacks, which has {_some(labels.names)}; spell them alike, drop those rows, or add "
            "such rows to the training file"
        )


def _some(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(name[:40]) for name in names[:most]) + more


def _named(row: RowLabel, names: Collection[str]) -> RowLabel:
    """`row` with its integers as names, and its booleans where they are among the `names`."""
    return tuple(_name(value, names) for value in row) if isinstance(row, tuple) else _name(row, names)


def _name(value: LabelValue, names: Collection[str]) -> LabelValue:
    if isinstance(value, bool):
        return next((name for name in spellings(value) if name in names), value)
    return str(value)


def _labels_of(row: RowLabel) -> tuple[LabelValue, ...]:
    return row if isinstance(row, tuple) else (row,)


def _each(values: Iterable[RowLabel]) -> Iterable[LabelValue]:
    """Every label of every row."""
    return chain.from_iterable(map(_labels_of, values))


def _of_kind(value: LabelValue, kind: LabelKind) -> LabelValue:
    if kind == "int" and isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    if kind == "bool" and value in ("false", "true"):
        return value == "true"
    return value


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


def stratified_split(
    targets: RowTargets, groups: NDArray[np.int64], *, fraction: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row numbers for training and for validation, both ascending; together they are all rows.

    `targets` are class indices (n,), or (n, labels) of 0 and 1, where a row counts for the rarest of its labels, or
    real numbers (n,) float64, whose classes are `strata` of about equally many rows;
    `groups` (n,) numbers of which equal ones stay on one side, so that no text is
    both learned and validated; a group counts for the class of its first row. Every class gives its share of
    `fraction` as exactly as whole groups allow (largest remainders first), and keeps at least one group in training:
    a class with one example is never validated. At least one group is held out if any class has two. No label is left
    without a row in training, neither one that stands beside rarer ones nor one that only equal texts contradict.
    """
    targets = strata(targets) if targets.dtype.kind == "f" else targets
    classes = classes_of(targets)
    first, group_of_row = np.unique(groups, return_index=True, return_inverse=True)[1:]
    quotas = _quotas(np.bincount(classes[first]), fraction)
    generator = np.random.default_rng(seed)
    held_out = np.zeros(len(first), np.bool_)
    for class_, quota in enumerate(quotas):
        members = np.flatnonzero(classes[first] == class_)
        held_out[generator.permutation(members)[:quota]] = True
    held_out[group_of_row[_last_rows(targets, held_out[group_of_row])]] = False
    rows_held_out = held_out[group_of_row]
    return np.flatnonzero(~rows_held_out), np.flatnonzero(rows_held_out)


def _last_rows(targets: Targets, held_out: NDArray[np.bool_]) -> NDArray[np.int64]:
    """A row of each label of which all rows are `held_out` (n,)."""
    if targets.ndim == 2:
        lost = targets.any(axis=0) & ~targets[~held_out].any(axis=0)
        return np.asarray(targets[:, lost].argmax(axis=0))
    labels, first = np.unique(targets, return_index=True)
    return np.asarray(first[~np.isin(labels, targets[~held_out])])


def classes_of(targets: RowTargets) -> NDArray[np.int64]:
    """The class (n,) int64 that each row counts for in a split: its label, the rarest of its labels, or the stratum of
    its number."""
    if targets.dtype.kind == "f":
        return strata(targets)
    return rarest_labels(targets) if targets.ndim == 2 else targets.astype(np.int64)


def strata(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    """The stratum (n,) int64 of each of the `numbers` (n,): up to ten between quantiles, of at least 20 rows each, so
    that a tenth of each can be held out. With fewer than 40 rows there is one."""
    bins = min(max(len(numbers) // _ROWS_A_STRATUM, 1), _MOST_STRATA)
    edges = np.unique(np.quantile(numbers, np.arange(1, bins) / bins, method="inverted_cdf"))
    return np.searchsorted(edges, numbers, side="left").astype(np.int64)


def rarest_labels(targets: Targets) -> NDArray[np.int64]:
    """The rarest label (n,) int64 of each row of `targets` (n, labels); `labels`, one more, for rows without any.

    Strata of rare labels first is the order of Sechidis et al. 2011, "On the stratification of multi-label data".
    """
    counts = targets.sum(axis=0, dtype=np.int64)
    rarity = np.where(targets > 0, counts, np.iinfo(np.int64).max).argmin(axis=1)
    return np.asarray(np.where(targets.any(axis=1), rarity, targets.shape[1]))


def _quotas(counts: NDArray[np.int64], fraction: float) -> NDArray[np.int64]:
    """How many of each class's `counts` are held out, by the largest-remainder method."""
    most = np.maximum(counts - 1, 0)
    exact = counts * fraction
    quotas = np.minimum(np.floor(exact).astype(np.int64), most)
    target = min(max(round(float(exact.sum())), 1), int(most.sum()))
    for class_ in np.argsort(np.floor(exact) - exact, kind="stable"):
        if quotas.sum() >= target:
            break
        quotas[class_] += quotas[class_] < most[class_]
    return np.asarray(quotas)


def stratified_folds(
    classes: NDArray[np.int64], groups: NDArray[np.int64], *, folds: int, seed: int
) -> NDArray[np.int64]:
    """The fold (n,) int64 of each row, from 0 to `folds` - 1.

    `classes` (n,) are class indices, `groups` (n,) numbers of which equal ones stay in one fold, so that no text is
    predicted by a model that has seen it; a group counts for the class of its first row. The groups of every class
    are dealt to the folds in turn, each class going on where the one before it ended, so that in any two folds neither
    the groups of one class nor those of all classes differ by more than one.
    """
    first, group_of_row = np.unique(groups, return_index=True, return_inverse=True)[1:]
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(len(first))
    dealt = shuffled[np.argsort(classes[first][shuffled], kind="stable")]
    fold_of_group = np.empty(len(first), np.int64)
    fold_of_group[dealt] = np.arange(len(first)) % folds
    return np.asarray(fold_of_group[group_of_row])
