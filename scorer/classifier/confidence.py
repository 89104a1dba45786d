"""Logits to answers: calibrated probabilities, the predicted label and what else a row can be told.

Pure functions on arrays; knows no model, file or device.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def probabilities(
    logits: NDArray[np.floating[Any]], *, temperature: float | NDArray[np.float64]
) -> NDArray[np.float32]:
    """softmax(logits / temperature), (n, labels) float32; temperature scaling after Guo et al. 2017, section 4.2."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    exponentials = np.exp(scaled)
    result: NDArray[np.float32] = (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)
    return result


def independent_probabilities(
    logits: NDArray[np.floating[Any]], *, temperature: float | NDArray[np.float64]
) -> NDArray[np.float32]:
    """sigmoid(logits / temperature), (n, labels) float32: each label's probability, whatever the others'."""
    scaled = logits.astype(np.float64) / temperature
    # tanh does not overflow, exp would.
    result: NDArray[np.float32] = (0.5 + 0.5 * np.tanh(0.5 * scaled)).astype(np.float32)
    return result


def predicted(probability: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The likeliest class of each row (n,) int64 and its probability (n,) float32; the lowest index wins a tie."""
    best = probability.argmax(axis=1)
    return best, probability[np.arange(len(best)), best]


def top(probability: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The `k` likeliest classes of each row (n, k) int64, likeliest first, and their probabilities (n, k) float32."""
    order = np.argsort(-probability, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(probability, order, axis=1)


def expected(probability: NDArray[np.float32], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probability-weighted mean (n,) float64 of the labels' numeric `values` (labels,)."""
    return probability.astype(np.float64) @ values
