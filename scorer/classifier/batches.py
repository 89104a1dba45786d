"""The plan of batches: which sequences the device sees together.

The longest come first: the largest batch is then the first one, and trouble with memory shows at once. A batch stays
within its budget, has only rows that may be together, and takes more padding only where a fuller batch is worth it.
Pure: lengths in, row numbers out.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, assert_never

import numpy as np
from numpy.typing import NDArray

Shapes = Literal["any", "equal lengths", "alone"]
"""Rows of any lengths together, padded on the right; rows of one length; one row a batch."""

# What a batch costs beside its tokens, as a share of the budget: one more is made where it saves more padding.
_COST_OF_A_BATCH = 0.025


def plan(
    lengths: NDArray[np.int64], *, budget: int, most_squares: int | None = None, shapes: Shapes = "any"
) -> list[NDArray[np.int64]]:
    """Batches of rows, longest first, each at most `budget` tokens after padding to its longest row.

    `lengths` (n,) is tokens a row, `shapes` says which rows may be together. The rows times the square of the longest
    are at most `most_squares`, if that is given. Every row is in exactly one batch; a row that exceeds what a batch may
    have is a batch of its own. Equal lengths keep their input order, so that the plan depends on nothing but its
    arguments.
    """
    order = np.argsort(-lengths, kind="stable")
    if shapes == "alone":
        return [order[row : row + 1] for row in range(len(order))]
    descending = np.maximum(lengths[order], 1)
    if shapes == "any":
        runs = _neighbours(descending, budget=budget, most_squares=most_squares)
    elif shapes == "equal lengths":
        runs = _equal(lengths[order])
    else:
        assert_never(shapes)
    batches = []
    for start, stop in runs:
        count = -(-(stop - start) // _most_rows(descending[start], budget=budget, most_squares=most_squares))
        rows = -(-(stop - start) // count)
        batches += [order[first : min(first + rows, stop)] for first in range(start, stop, rows)]
    return batches


def _equal(descending: NDArray[np.int64]) -> list[tuple[int, int]]:
    """The runs (start, stop) of rows of one length."""
    bounds = np.flatnonzero(np.diff(descending, prepend=-1, append=-1)).tolist()
    return list(pairwise(bounds))


def _neighbours(descending: NDArray[np.int64], *, budget: int, most_squares: int | None) -> list[tuple[int, int]]:
    """Cut rows, longest first, into the runs (start, stop) that cost least when each is padded to its longest.

    Equal lengths stay together, so dynamic programming over the distinct ones finds the cheapest cuts: from the
    shortest up, `cost[i]` is that of all rows from `starts[i]` on, if the first run of them ends at `starts[end[i]]`.
    """
    starts = np.append(np.flatnonzero(np.diff(descending, prepend=0)), len(descending))
    cost = np.zeros(len(starts))
    end = np.zeros(len(starts), np.int64)
    for i in reversed(range(len(starts) - 1)):
        longest = descending[starts[i]]
        rows = starts[i + 1 :] - starts[i]
        batches = -(-rows // _most_rows(longest, budget=budget, most_squares=most_squares))
        costs = rows * longest + batches * (_COST_OF_A_BATCH * budget) + cost[i + 1 :]
        best = int(costs.argmin())
        cost[i], end[i] = costs[best], i + 1 + best
    runs = []
    i = 0
    while i < len(starts) - 1:
        runs.append((int(starts[i]), int(starts[end[i]])))
        i = int(end[i])
    return runs


def _most_rows(longest: np.int64, *, budget: int, most_squares: int | None) -> int:
    length = int(longest)
    most = budget // length
    return max(most if most_squares is None else min(most, most_squares // length**2), 1)
