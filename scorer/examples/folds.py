"""Which fold a row is in, when every row is to be predicted by a model that has not seen it.

Owns the stratified folds. Does not know texts: equal texts come in as equal group numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


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
