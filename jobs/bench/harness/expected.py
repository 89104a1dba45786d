"""The right answers for a workload, and whether token ids are the right ones. What travels between processes.

Knows no model: `reference` computes the answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Expected:
    """The right answers for a workload: `probabilities` (n, labels) and how many tokens each row has, (n,)."""

    labels: list[str]
    probabilities: NDArray[np.float32]
    lengths: NDArray[np.int64]
    flop_per_token: float
    file: Path

    @property
    def tokens(self) -> int:
        return int(self.lengths.sum())


def expected_ids(file: Path, rows: Sequence[int]) -> list[list[int]]:
    """The token ids of `rows`, as `Reference` kept them in `file`."""
    kept = np.load(file)
    ids, offsets = kept["ids"], kept["offsets"]
    return [ids[offsets[row] : offsets[row + 1]].tolist() for row in rows]


def check_ids(found: Sequence[Sequence[int]], expected: Sequence[Sequence[int]]) -> None:
    """ValueError unless both are the same token ids, row by row."""
    if len(found) != len(expected):
        raise ValueError(f"{len(found)} rows of token ids, {len(expected)} expected")
    different = [row for row, (one, other) in enumerate(zip(found, expected, strict=True)) if list(one) != list(other)]
    if different:
        row = different[0]
        raise ValueError(
            f"other token ids than the model's tokenizer in {len(different)} rows of {len(found)}; "
            f"row {row} has {len(found[row])} tokens, expected {len(expected[row])}"
        )
