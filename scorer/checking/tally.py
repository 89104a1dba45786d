"""How many rows have something, and the first few of them.

Owns row numbers: they count from 1, without a header. Does not know what the rows have.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scorer.checking.findings import MOST_ROWS


class Tally:
    """`count` rows of the `seen` ones, and the numbers of the first five."""

    def __init__(self) -> None:
        self.seen = self.count = 0
        self.rows: tuple[int, ...] = ()

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> Tally:
        """The tally of all rows at once: those where `mask` (rows,) is true."""
        tally = cls()
        tally.add(mask)
        return tally

    def add(self, mask: NDArray[np.bool_]) -> None:
        """The next rows: those where `mask` (n,) is true have it."""
        found = np.flatnonzero(mask)
        more = found[: MOST_ROWS - len(self.rows)] + self.seen + 1
        self.rows += tuple(more.tolist())
        self.count += len(found)
        self.seen += len(mask)

    @property
    def share(self) -> float:
        """`count` of all rows seen; 0 when there are none."""
        return self.count / self.seen if self.seen else 0.0
