"""Texts that occur more than once: within a file, under different labels, in two files.

Owns the counting over keys. Does not know texts: equal keys are equal texts (see `scorer.checking.keys`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Repeats:
    """What repeats among n rows.

    again     (n,) bool: the row's text stands in an earlier row too
    conflict  (n,) bool: the row has a label, and a row with the same text has another one
    """

    again: NDArray[np.bool_]
    conflict: NDArray[np.bool_]


def find_repeats(keys: NDArray[np.uint64], labels: NDArray[np.uint64], labelled: NDArray[np.bool_]) -> Repeats:
    """Look for equal `keys` (n,), and among the rows that are `labelled` (n,) for equal keys with unequal `labels`."""
    again = np.ones(len(keys), np.bool_)
    again[np.unique(keys, return_index=True)[1]] = False
    return Repeats(again, _conflicts(keys, labels, np.flatnonzero(labelled)))


def shared(keys: NDArray[np.uint64], others: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Whether each of `keys` (n,) is among `others`."""
    return np.asarray(np.isin(keys, others))


def _conflicts(keys: NDArray[np.uint64], labels: NDArray[np.uint64], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    conflict = np.zeros(len(keys), np.bool_)
    if not len(rows):
        return conflict
    ordered = rows[np.argsort(keys[rows], kind="stable")]
    starts = np.flatnonzero(np.concatenate(([True], keys[ordered][1:] != keys[ordered][:-1])))
    lowest, highest = (reduce.reduceat(labels[ordered], starts) for reduce in (np.minimum, np.maximum))
    torn = lowest != highest
    sizes = np.diff(np.append(starts, len(ordered)))
    conflict[ordered[np.repeat(torn, sizes)]] = True
    return conflict
