"""The plan of batches: which sequences the device sees together.

Owns the order (longest first, so that the largest batch comes first and memory trouble shows at once), the budget and
how much padding is worth a fuller batch. Pure: lengths in, row numbers out. Knows no model and no device.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# A batch that has a quarter of its budget ends before padding would be more than this share of it.
_MOST_PADDING = 0.025
_FULL_ENOUGH = 0.25


def plan(lengths: NDArray[np.int64], *, budget: int) -> list[NDArray[np.int64]]:
    """Batches of rows, longest first, each at most `budget` tokens after padding to its longest row.

    `lengths` (n,) is tokens a row. Every row is in exactly one batch; a row longer than the budget is a batch of its
    own. Equal lengths keep their input order, so that the plan depends on nothing but its arguments.
    """
    order = np.argsort(-lengths, kind="stable")
    descending = np.maximum(lengths[order], 1)
    batches = []
    start = 0
    while start < len(order):
        stop = start + _rows(descending[start : start + max(budget // int(descending[start]), 1)], budget=budget)
        batches.append(order[start:stop])
        start = stop
    return batches


def _rows(lengths: NDArray[np.int64], *, budget: int) -> int:
    """How many of the rows with `lengths` (n,), longest first, which fit the budget together, to take."""
    computed = lengths[0] * np.arange(1, len(lengths) + 1)
    padding = 1.0 - np.cumsum(lengths) / computed
    allowed = (padding <= _MOST_PADDING) | (computed <= budget * _FULL_ENOUGH)
    return int(np.flatnonzero(allowed)[-1]) + 1
