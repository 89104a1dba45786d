"""Batches for the peers: which rows go together, by the number of their tokens.

Written apart from scorer's own plan, so that a fault there cannot flatter or hurt the peers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

Batching = Callable[[Sequence[int], int], list[list[int]]]


def padded_batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Rows sorted by their length, longest first, cut into batches of `budget` tokens, padding counted."""
    batches: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= budget:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches


def equal_length_batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Batches of rows of one length, `budget` tokens at most, so that nothing is padded."""
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    batches = []
    for length, group in groupby(order, key=lambda row: lengths[row]):
        rows = list(group)
        size = max(budget // max(length, 1), 1)
        batches += [rows[start : start + size] for start in range(0, len(rows), size)]
    return batches


def rectangle(ids: Sequence[Sequence[int]], pad_id: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Token ids padded on the right and their attention mask, both (rows, longest) int64."""
    longest = max(map(len, ids))
    padded = np.full((len(ids), longest), pad_id, np.int64)
    mask = np.zeros((len(ids), longest), np.int64)
    for row, sequence in enumerate(ids):
        padded[row, : len(sequence)] = sequence
        mask[row, : len(sequence)] = 1
    return padded, mask


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: NDArray[np.float32] = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities
