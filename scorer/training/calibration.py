"""The temperature that makes confidences honest.

Owns the search. Does not know the model: logits in, one number out.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet, Targets
from scorer.metrics.classification import log_softmax, negative_log_likelihood

COLDEST, HOTTEST = 0.25, 20.0

_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
_TOLERANCE = 1e-5


def fit_temperature(logits: NDArray[np.floating[Any]], targets: Targets) -> float:
    """The T that minimises the NLL of softmax(logits / T) on held-out rows; 1.0 when no T lowers it.

    `logits` (n, labels), `targets` (n,) class indices. Temperature scaling of Guo et al. 2017, section 4.2. The NLL is
    convex in 1/T, so it has one valley over log T, which a golden-section search finds. T stays within
    [COLDEST, HOTTEST]: a few rows that are all right would otherwise drive it to 0, and every confidence to 1.
    """
    scores = logits.astype(np.float64)

    def loss(log_temperature: float) -> float:
        return negative_log_likelihood(log_softmax(scores / math.exp(log_temperature)), targets)

    low, high = math.log(COLDEST), math.log(HOTTEST)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    loss_left, loss_right = loss(left), loss(right)
    while high - low > _TOLERANCE:
        if loss_left < loss_right:
            high, right, loss_right = right, left, loss_left
            left = high - _GOLDEN * (high - low)
            loss_left = loss(left)
        else:
            low, left, loss_left = left, right, loss_right
            right = low + _GOLDEN * (high - low)
            loss_right = loss(right)
    best = (low + high) / 2
    return math.exp(best) if loss(best) < loss(0.0) else 1.0


def decide(logits: NDArray[np.float32], targets: Targets, *, labels: LabelSet) -> Decision:
    """The decision that held-out rows with `logits` (n, labels) and `targets` teach."""
    if labels.multi:
        return Decision.uncalibrated(labels)
    return Decision((fit_temperature(logits, targets),))
