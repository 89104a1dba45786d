"""Which rows are held out for validation, and which fold a row is in; both stratified by label.

Texts do not matter here: equal texts come in as equal group numbers, and stay on one side.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.labels import Targets


def stratified_split(
    targets: Targets, groups: NDArray[np.int64], *, fraction: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row numbers for training and for validation, both ascending; together they are all rows.

    `targets` are class indices (n,), or (n, labels) of 0 and 1, where a row counts for the rarest of its labels;
    `groups` (n,) numbers of which equal ones stay on one side, so that no text is
    both learned and validated; a group counts for the class of its first row. Every class gives its share of
    `fraction` as exactly as whole groups allow (largest remainders first), and keeps at least one group in training:
    a class with one example is never validated. At least one group is held out if any class has two. No label is left
    without a row in training, neither one that stands beside rarer ones nor one that only equal texts contradict.
    """
    classes = rarest_labels(targets) if targets.ndim == 2 else targets
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
