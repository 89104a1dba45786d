"""Texts that occur more than once: within a file, under different labels, in two files.

Owns the counting over keys. Does not know texts: equal keys are equal texts (see `scorer.checking.keys`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scorer.checking.findings import Tally

NO_LABEL = np.uint64(0)


@dataclass(frozen=True)
class RowKeys:
    """What tells the n rows of a file apart.

    usable  bool: the others have no text, and no key
    exact   uint64, equal for equal texts; `alike` for texts that are equal when normalised
    labels  uint64, equal for the same labels, NO_LABEL where there is none
    """

    usable: NDArray[np.bool_]
    exact: NDArray[np.uint64]
    alike: NDArray[np.uint64]
    labels: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.usable)


@dataclass(frozen=True)
class Repeats:
    """What repeats in a file; each row counts for its text itself or else for the normalised one, not for both.

    again, near_again        rows whose text stands in an earlier row too
    conflict, near_conflict  rows whose text also stands under another label
    texts, near_texts        distinct texts of the rows in conflict
    """

    again: Tally
    near_again: Tally
    conflict: Tally
    near_conflict: Tally
    texts: int
    near_texts: int


def find_repeats(rows: RowKeys) -> Repeats:
    """Look for equal texts in the usable rows, and for different labels among them."""
    again, near_again = (_again(keys, rows.usable) for keys in (rows.exact, rows.alike))
    labelled = rows.usable & (rows.labels != NO_LABEL)
    conflict, near_conflict = (_conflicts(keys, rows.labels, labelled) for keys in (rows.exact, rows.alike))
    near_conflict &= ~conflict
    return Repeats(
        again=Tally.of(again),
        near_again=Tally.of(near_again & ~again),
        conflict=Tally.of(conflict),
        near_conflict=Tally.of(near_conflict),
        texts=len(np.unique(rows.exact[conflict])),
        near_texts=len(np.unique(rows.alike[near_conflict])),
    )


def find_overlap(rows: RowKeys, others: RowKeys) -> tuple[Tally, Tally]:
    """Usable rows whose text is also one of `others`: as it is, and only when normalised."""
    exact = rows.usable & np.isin(rows.exact, others.exact[others.usable])
    near = rows.usable & np.isin(rows.alike, others.alike[others.usable]) & ~exact
    return Tally.of(exact), Tally.of(near)


def _again(keys: NDArray[np.uint64], usable: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each row (n,) is usable and an earlier usable row has its key."""
    rows = np.flatnonzero(usable)
    again = usable.copy()
    again[rows[np.unique(keys[rows], return_index=True)[1]]] = False
    return again


def _conflicts(keys: NDArray[np.uint64], labels: NDArray[np.uint64], labelled: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each row (n,) is labelled and a labelled row with its key has another label."""
    conflict = np.zeros(len(keys), np.bool_)
    rows = np.flatnonzero(labelled)
    if len(rows):
        ordered = rows[np.argsort(keys[rows], kind="stable")]
        starts = np.flatnonzero(np.concatenate(([True], np.diff(keys[ordered]) != 0)))
        lowest, highest = (extreme.reduceat(labels[ordered], starts) for extreme in (np.minimum, np.maximum))
        conflict[ordered] = np.repeat(lowest != highest, np.diff(np.append(starts, len(ordered))))
    return conflict
