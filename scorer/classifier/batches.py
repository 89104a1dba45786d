"""The plan of batches: which sequences the device sees together.

Owns the order (longest first, so that the largest batch comes first and memory trouble shows at once) and the budget.
Pure: lengths in, row numbers out. Knows no model and no device.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def plan(lengths: NDArray[np.int64], *, budget: int) -> list[NDArray[np.int64]]:
    """Batches of rows, longest first, each at most `budget` tokens after padding to its longest row.

    `lengths` (n,) is tokens a row. Every row is in exactly one batch; a row longer than the budget is a batch of its
    own. Equal lengths keep their input order, so that the plan depends on nothing but its arguments.
    """
    order = np.argsort(-lengths, kind="stable")
    batches = []
    start = 0
    while start < len(order):
        longest = max(int(lengths[order[start]]), 1)
        stop = start + max(budget // longest, 1)
        batches.append(order[start:stop])
        start = stop
    return batches


def padding_share(lengths: NDArray[np.int64], batches: list[NDArray[np.int64]]) -> float:
    """The share of the tokens computed that is padding, between 0 and 1."""
    computed = sum(len(batch) * int(lengths[batch].max()) for batch in batches)
    return 1.0 - float(lengths.sum()) / computed if computed else 0.0
