"""How large a share can be that showed itself so often in a sample: exact bounds of Clopper and Pearson (1934)."""

from __future__ import annotations

import math

import numpy as np

# Halvings of an interval of [0, 1]: the bound is then known to the last bit of a float64.
_HALVINGS = 60


def upper_bound(found: int, rows: int, *, confidence: float) -> float:
    """The largest share with which at most `found` of `rows` are found as often as `1 - confidence`. A sample without
    replacement, as one of the rows of a file is, makes it larger than it need be, never smaller."""
    if found >= rows:
        return 1.0
    low, high = found / rows, 1.0
    for _ in range(_HALVINGS):
        share = (low + high) / 2
        if at_most(found, rows, share) > 1 - confidence:
            low = share
        else:
            high = share
    return high


def lower_bound(found: int, rows: int, *, confidence: float) -> float:
    """The smallest share with which at least `found` of `rows` are found as often as `1 - confidence`."""
    return 1.0 - upper_bound(rows - found, rows, confidence=confidence) if rows else 0.0


def at_most(found: int, rows: int, share: float) -> float:
    """The probability that at most `found` of `rows` have what this `share` of all has."""
    if share <= 0.0 or found >= rows:
        return 1.0
    if share >= 1.0:
        return 0.0
    # Of the two tails the one with fewer terms is added up.
    if found > rows // 2:
        return max(1.0 - at_most(rows - found - 1, rows, 1.0 - share), 0.0)
    counts = np.arange(found + 1)
    choices = np.cumsum(np.concatenate(([0.0], np.log(rows - counts[:-1]) - np.log(counts[:-1] + 1))))
    logs = choices + counts * math.log(share) + (rows - counts) * math.log1p(-share)
    highest = float(logs.max())
    return min(math.exp(highest) * float(np.exp(logs - highest).sum()), 1.0)
