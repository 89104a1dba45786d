"""Logits to answers: calibrated probabilities, the predicted label and what else a row can be told.

Pure: arrays in, arrays out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def scaled(
    logits: NDArray[np.floating[Any]], *, temperature: float | NDArray[np.float64], exponent: float = 1.0
) -> NDArray[np.float64]:
    """logits / temperature, (n, labels) float64: temperature scaling after Guo et al. 2017, section 4.2.

    With an `exponent`, each logit's distance from its row's mean is raised to that power first, keeping its sign. A
    model that knows its training rows by heart has logits that crowd at both ends, where one temperature cannot tell
    the sure from the very sure; an exponent above 1 draws them apart. The order of a row's logits stays.
    """
    scores = logits.astype(np.float64)
    if exponent != 1.0:
        scores -= scores.mean(axis=1, keepdims=True)
        scores = np.sign(scores) * np.abs(scores) ** exponent
    return np.asarray(scores / temperature)


def probabilities(scaled: NDArray[np.float64]) -> NDArray[np.float32]:
    """softmax of `scaled` logits (n, labels), (n, labels) float32; the likeliest label has the highest one, if only by
    the smallest step, where float32 would make it equal to another's."""
    exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    result: NDArray[np.float32] = (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)
    best = scaled.argmax(axis=1)
    equal = np.flatnonzero(result.argmax(axis=1) != best)
    result[equal, best[equal]] = np.nextafter(result[equal, best[equal]], np.float32(2))
    return result


def independent_probabilities(scaled: NDArray[np.float64]) -> NDArray[np.float32]:
    """sigmoid of `scaled` logits (n, labels), (n, labels) float32: each label's probability, whatever the others'."""
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
