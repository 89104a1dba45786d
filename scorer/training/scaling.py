"""Temperatures and the exponent that make held-out rows likeliest. Pure: logits in, numbers out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.decision import scaled
from scorer.classifier.labels import Targets
from scorer.classifier.metadata import MOST_EXPONENT
from scorer.metrics.classification import binary_nll, log_softmax, negative_log_likelihood

COLDEST, HOTTEST = 0.25, 20.0
LEAST_EXPONENT = 0.5
# By so many nats a parameter that means nothing raises the likelihood of all rows once in twenty times (Wilks 1938).
_WORTH_A_PARAMETER = 1.92

# How far a temperature is expected from 1, and a label's from that of all labels, as standard deviations of its
# logarithm. Hundreds of rows overrule them; ten that happen to be all right do not make every confidence 1.
_SPREAD, _LABEL_SPREAD = 0.5, 0.25
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
TOLERANCE = 1e-4
# Two numbers need no more rows than these, spread over all; the search takes hundreds of passes over them.
_MOST_ROWS = 20_000


def fit_temperature(logits: NDArray[np.floating[Any]], targets: Targets) -> float:
    """The T that makes softmax(logits / T) likeliest on held-out rows; 1.0 when no T lowers their NLL.

    `logits` (n, labels), `targets` (n,) class indices. Temperature scaling of Guo et al. 2017, section 4.2, with a
    normal prior around 1 on log T, so that a few rows do not decide alone. T stays within [COLDEST, HOTTEST].
    """
    scores = logits.astype(np.float64)

    def loss(temperature: float) -> float:
        return len(scores) * negative_log_likelihood(log_softmax(scores / temperature), targets)

    return _likeliest(loss, expected=1.0, spread=_SPREAD)


def fit_scaling(
    logits: NDArray[np.floating[Any]], targets: Targets, *, tolerance: float = TOLERANCE
) -> tuple[float, float]:
    """The temperature and the exponent (see `scorer.classifier.decision.scaled`) that make held-out rows likeliest.

    `logits` (n, labels), `targets` (n,) class indices. The exponent is 1 unless another one makes the rows likelier by
    more than a second parameter does by chance; it stays within [LEAST_EXPONENT, MOST_EXPONENT]. `tolerance` is how
    near the logarithms of both are to the best ones.
    """
    some = np.linspace(0, len(logits) - 1, min(len(logits), _MOST_ROWS)).astype(np.int64)
    logits, targets = logits[some], targets[some]
    plain = fit_temperature(logits, targets)
    size = float(np.abs(logits - logits.mean(axis=1, keepdims=True)).mean())
    if size == 0.0:
        return plain, 1.0

    def loss(temperature: float, exponent: float) -> float:
        scores = scaled(logits, temperature=temperature, exponent=exponent)
        return len(scores) * negative_log_likelihood(log_softmax(scores), targets)

    def temperature_for(exponent: float) -> float:
        # A logit of usual size would stay as it is with this one.
        usual = float(np.clip(plain * size ** (exponent - 1.0), COLDEST, HOTTEST))
        return _cheapest(
            lambda temperature: loss(temperature, exponent), expected=usual, spread=_SPREAD, tolerance=tolerance
        )

    def cost(exponent: float) -> float:
        return loss(temperature_for(exponent), exponent)

    ends = LEAST_EXPONENT, MOST_EXPONENT
    exponent = _cheapest(cost, expected=1.0, spread=_SPREAD, ends=ends, tolerance=tolerance)
    if cost(exponent) > loss(plain, 1.0) - _WORTH_A_PARAMETER:
        return plain, 1.0
    return temperature_for(exponent), exponent


def fit_label_temperatures(logits: NDArray[np.floating[Any]], targets: Targets) -> tuple[float, ...]:
    """For each label the T that makes sigmoid(logit / T) likeliest on held-out rows; 1.0 where no T lowers the NLL.

    `logits` (n, labels), `targets` (n, labels) of 0 and 1. The prior of a label's T is around the T that suits all
    labels together, so that a rare label goes with the others.
    """
    scores = logits.astype(np.float64)

    def loss(column: slice) -> Callable[[float], float]:
        return lambda temperature: float(binary_nll(scores[:, column] / temperature, targets[:, column]).sum())

    common = _likeliest(loss(slice(None)), expected=1.0, spread=_SPREAD)
    columns = (slice(label, label + 1) for label in range(scores.shape[1]))
    return tuple(_likeliest(loss(column), expected=common, spread=_LABEL_SPREAD) for column in columns)


def _likeliest(loss: Callable[[float], float], *, expected: float, spread: float) -> float:
    """The T with the least sum of `loss`, an NLL summed over rows, and of its distance from the `expected` one; 1.0 if
    its NLL is no lower than that of 1.0."""
    best = _cheapest(loss, expected=expected, spread=spread)
    return best if loss(best) < loss(1.0) else 1.0


def _cheapest(
    loss: Callable[[float], float],
    *,
    expected: float,
    spread: float,
    ends: tuple[float, float] = (COLDEST, HOTTEST),
    tolerance: float = TOLERANCE,
) -> float:
    """The number between `ends` with the least sum of `loss`, an NLL summed over rows, and of the distance of its
    logarithm from the `expected` one's.

    An NLL is convex in 1/T, so it has one valley over log T, as in practice its sum with the prior has, and a
    golden-section search finds it.
    """

    def cost(log_temperature: float) -> float:
        distance = (log_temperature - math.log(expected)) / spread
        return loss(math.exp(log_temperature)) + distance**2 / 2

    low, high = map(math.log, ends)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    cost_left, cost_right = cost(left), cost(right)
    while high - low > tolerance:
        if cost_left < cost_right:
            high, right, cost_right = right, left, cost_left
            left = high - _GOLDEN * (high - low)
            cost_left = cost(left)
        else:
            low, left, cost_left = left, right, cost_right
            right = low + _GOLDEN * (high - low)
            cost_right = cost(right)
    return math.exp((low + high) / 2)
