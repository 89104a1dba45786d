"""What a peer writes beside every row, and how it is compared with the reference.

Owns the appended columns, which are scorer's: `score`, `confidence` and the struct `probabilities`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray


@dataclass(frozen=True)
class Agreement:
    """How far answers lie from the reference: rows with another label, and the largest difference of a probability."""

    flips: int
    rows: int
    largest_difference: float

    @property
    def flipped_share(self) -> float:
        return self.flips / self.rows


def label_names(config: Any) -> list[str]:
    """The labels of a transformers configuration, by their index."""
    return [str(config.id2label[index]) for index in range(config.num_labels)]


def score_file(
    source: Path,
    target: Path,
    *,
    column: str,
    labels: Sequence[str],
    probabilities: Callable[[list[str]], NDArray[np.float32]],
) -> None:
    """Read `source`, ask for the `probabilities` (n, labels) of its texts, write all columns and the answers."""
    table = pq.read_table(source)
    found = probabilities(table.column(column).to_pylist())
    best = found.argmax(axis=1)
    table = table.append_column("score", pa.array(labels).take(pa.array(best)))
    table = table.append_column("confidence", pa.array(found[np.arange(len(best)), best]))
    children = [pa.array(part) for part in np.ascontiguousarray(found.T)]
    table = table.append_column("probabilities", pa.StructArray.from_arrays(children, list(labels)))
    pq.write_table(table, target)


def read_answers(path: Path) -> tuple[list[str], NDArray[np.float32]]:
    """The labels (n) and the probabilities (n, labels) of a file that was scored."""
    table = pq.read_table(path, columns=["score", "probabilities"])
    parts = table.column("probabilities").combine_chunks().flatten()
    return [str(label) for label in table.column("score").to_pylist()], np.stack([part.to_numpy() for part in parts], 1)


def compare(path: Path, expected: NDArray[np.float32], labels: Sequence[str]) -> Agreement:
    """The answers in the file `path` against the probabilities `expected` (n, labels); every row must have one."""
    found_labels, found = read_answers(path)
    if found.shape != expected.shape:
        raise ValueError(f"{path.name}: answers {found.shape}, expected {expected.shape}")
    should = [labels[index] for index in expected.argmax(axis=1)]
    flips = sum(one != other for one, other in zip(found_labels, should, strict=True))
    return Agreement(flips, len(expected), float(np.abs(found - expected).max()))
