"""How long texts are: percentiles, a histogram, and how many tokens of them a model should see.

Owns the arithmetic. Does not know what is counted, characters or tokens.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
_BARS = 24
_STEP = 16
# The suggestion covers the first share of the rows unless that costs over twice the tokens of the second.
_SHARES = (0.99, 0.95)


@dataclass(frozen=True)
class Lengths:
    """The distribution of n lengths.

    percentiles  length by percentage of rows that are no longer (method "lower": a length that occurs)
    histogram    rows of each bar; `edges` are its n + 1 limits, a bar holds lengths from the lower one on and below the
                 upper one; the last bar takes in all that is longer
    """

    rows: int
    shortest: int
    mean: float
    longest: int
    percentiles: dict[int, int]
    edges: tuple[int, ...]
    histogram: tuple[int, ...]

    @classmethod
    def of(cls, lengths: NDArray[np.integer]) -> Lengths | None:
        """The distribution of `lengths` (n,); None when there are none."""
        if not len(lengths):
            return None
        found = np.percentile(lengths, _PERCENTILES, method="lower").astype(int).tolist()
        # A few endless texts would press all others into the first bar.
        end = min(int(lengths.max()), 2 * found[-1]) + 1
        width = max(-(-end // _BARS), 1)
        edges = tuple(range(0, end + width, width))
        bars = np.bincount(np.minimum(lengths // width, len(edges) - 2), minlength=len(edges) - 1)
        return cls(
            rows=len(lengths),
            shortest=int(lengths.min()),
            mean=round(float(lengths.mean()), 2),
            longest=int(lengths.max()),
            percentiles=dict(zip(_PERCENTILES, found, strict=True)),
            edges=edges,
            histogram=tuple(bars.tolist()),
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON types only."""
        percentiles = {f"p{share}": length for share, length in self.percentiles.items()}
        return {
            **dataclasses.asdict(self),
            "percentiles": percentiles,
            "edges": list(self.edges),
            "histogram": list(self.histogram),
        }


def suggested_max_length(lengths: NDArray[np.integer], positions: int | None) -> int:
    """The least multiple of 16 that cuts off nothing of 99 % of the rows, or of 95 % when 99 % cost over twice as much.

    `lengths` (n,) are tokens with the special ones; at most the model's `positions`.
    """
    most, fewer = (_covering(lengths, share) for share in _SHARES)
    return _rounded(most if most <= 2 * fewer else fewer, positions)


def longest_max_length(lengths: NDArray[np.integer], positions: int | None) -> int:
    """The least multiple of 16 that cuts off nothing of 99 % of the rows, whatever it costs; at most `positions`."""
    return _rounded(_covering(lengths, _SHARES[0]), positions)


def _covering(lengths: NDArray[np.integer], share: float) -> int:
    """The least of the `lengths` that a `share` of them does not exceed."""
    return int(np.quantile(lengths, share, method="inverted_cdf"))


def _rounded(length: int, positions: int | None) -> int:
    rounded = -(-length // _STEP) * _STEP
    return rounded if positions is None else min(rounded, positions)
