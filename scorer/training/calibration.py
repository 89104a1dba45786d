"""What held-out rows teach about how logits become answers: the temperatures and the exponent that make confidences
honest, then what depends on calibrated probabilities, which are the thresholds of labels and the confidence to abstain
below. Pure: logits in, numbers out.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.decision import Decision, predicted, scaled
from scorer.classifier.labels import LabelSet, Targets
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
_TOLERANCE = 1e-4
# Two numbers need no more rows than these, spread over all; the search takes hundreds of passes over them.
_MOST_ROWS = 20_000

KEEPS_NONE = 2.0
"""A threshold above every confidence: no row is kept."""

# The normal quantile of 0.7. Of all thresholds the most generous is taken, which is the one that luck favoured most: on
# 872 rows a plain share of 0.95 was 0.947 in the mean and 0.931 in one of ten draws on new rows, this one 0.958 and
# 0.942 (jobs/bench/LOG.md).
_CAUTION = 0.5244

# Thresholds are looked for on the scale of logits, where those of rare labels are not all next to 0.
_GRID = np.linspace(-6.9, 6.9, 277)
# F1 at a threshold is a mean over thresholds around it, so that no peak of a few rows wins: the standard deviation.
_BLUR = 0.5
# So many rows with a label weigh as much as what suits all labels. Both were measured: jobs/bench/LOG.md.
_PRIOR_ROWS = 5


def decide(
    logits: NDArray[np.float32], targets: Targets, *, labels: LabelSet, abstain: float | None = None
) -> Decision:
    """The decision for rows like those with `logits` (n, labels) and `targets`; rows abstain below the confidence from
    which on a share `abstain` is right, if that is asked for."""
    if labels.multi:
        assert abstain is None, "refused when the data was read"
        plain = Decision(fit_label_temperatures(logits, targets), (0.5,) * len(labels))
        return Decision(plain.temperature, best_thresholds(plain.probabilities(logits), targets))
    temperature, exponent = fit_scaling(logits, targets)
    decision = Decision((temperature,), exponent=exponent)
    if abstain is None:
        return decision
    best, confidence = predicted(decision.probabilities(logits))
    least = least_confidence(confidence, best == targets, share=abstain)
    return dataclasses.replace(decision, abstain_below=least)


def in_training(logits: NDArray[np.float32], targets: Targets, *, labels: LabelSet) -> Decision:
    """The decision by which checkpoints are compared: uncalibrated, and with several labels a row under the thresholds
    that a fit would choose if it ended here, since at 0.5 rare labels are never given, whatever was learned."""
    plain = Decision.uncalibrated(labels)
    if not labels.multi:
        return plain
    return Decision(plain.temperature, best_thresholds(plain.probabilities(logits), targets))


def least_confidence(confidence: NDArray[np.float32], correct: NDArray[np.bool_], *, share: float) -> float:
    """The smallest confidence from which on more than a `share` in (0, 1) of the rows is right, in all likelihood.

    `confidence` (n,) of the answers to held-out rows, `correct` (n,) whether they are right. The rows from a confidence
    on pass when so many would be right in fewer than 3 of 10 draws at a chance of `share`: a one-sided binomial test by
    its normal approximation with continuity correction. About 20 rows are needed for 0.95, 100 for 0.99, all of them
    right. KEEPS_NONE where no confidence passes.
    """
    order = np.argsort(-confidence, kind="stable")
    falling, hits = confidence[order], correct[order].cumsum()
    rows = np.arange(1, len(order) + 1)
    passes = hits - rows * share >= 0.5 + _CAUTION * np.sqrt(rows * share * (1 - share))
    # Rows of one confidence are kept or left together.
    passes &= np.append(falling[1:] < falling[:-1], True)
    found = np.flatnonzero(passes)
    return float(falling[found[-1]]) if len(found) else KEEPS_NONE


def best_thresholds(probability: NDArray[np.float32], targets: Targets) -> tuple[float, ...]:
    """For each label the threshold that makes its F1 highest, in (0, 1).

    `probability` (n, labels) of held-out rows, `targets` (n, labels) of 0 and 1. F1 is blurred over neighbouring
    thresholds, and the fewer rows have a label, the more its threshold goes with the one that is best for the mean F1
    of all labels (0.5 where no row has any label).
    """
    support = targets.sum(axis=0, dtype=np.int64)
    if not support.any():
        return (0.5,) * len(support)
    curves = _blurred(_f1_curves(probability, targets))
    common = _peak(curves[:, support > 0].mean(axis=1))
    weight = support / (support + _PRIOR_ROWS)
    own = np.array([_peak(curve) for curve in curves.T])
    thresholds = weight * own + (1 - weight) * common
    return tuple(float(value) for value in 1 / (1 + np.exp(-thresholds)))


def _f1_curves(probability: NDArray[np.float32], targets: Targets) -> NDArray[np.float64]:
    """F1 (grid, labels) of each label at each threshold of the grid."""
    levels = 1 / (1 + np.exp(-_GRID))
    curves = np.zeros((len(levels), targets.shape[1]))
    for label, (scores, true) in enumerate(zip(probability.T, targets.T > 0, strict=True)):
        given, hits = (len(part) - np.searchsorted(np.sort(part), levels) for part in (scores, scores[true]))
        curves[:, label] = 2 * hits / np.maximum(given + true.sum(), 1)
    return curves


def _blurred(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over neighbouring thresholds, weighted by a normal density that is cut off at the ends of the grid."""
    kernel = np.exp(-(((_GRID[:, None] - _GRID) / _BLUR) ** 2) / 2)
    return np.asarray(kernel @ curves / kernel.sum(axis=1, keepdims=True))


def _peak(curve: NDArray[np.float64]) -> float:
    """Where `curve` (grid,) is highest; the middle of a plateau."""
    return float(_GRID[curve >= curve.max() - 1e-9].mean())


def fit_temperature(logits: NDArray[np.floating[Any]], targets: Targets) -> float:
    """The T that makes softmax(logits / T) likeliest on held-out rows; 1.0 when no T lowers their NLL.

    `logits` (n, labels), `targets` (n,) class indices. Temperature scaling of Guo et al. 2017, section 4.2, with a
    normal prior around 1 on log T, so that a few rows do not decide alone. T stays within [COLDEST, HOTTEST].
    """
    scores = logits.astype(np.float64)

    def loss(temperature: float) -> float:
        return len(scores) * negative_log_likelihood(log_softmax(scores / temperature), targets)

    return _likeliest(loss, expected=1.0, spread=_SPREAD)


def fit_scaling(logits: NDArray[np.floating[Any]], targets: Targets) -> tuple[float, float]:
    """The temperature and the exponent (see `scorer.classifier.decision.scaled`) that make held-out rows likeliest.

    `logits` (n, labels), `targets` (n,) class indices. The exponent is 1 unless another one makes the rows likelier by
    more than a second parameter does by chance; it stays within [LEAST_EXPONENT, MOST_EXPONENT].
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
        return _cheapest(lambda temperature: loss(temperature, exponent), expected=usual, spread=_SPREAD)

    def cost(exponent: float) -> float:
        return loss(temperature_for(exponent), exponent)

    exponent = _cheapest(cost, expected=1.0, spread=_SPREAD, ends=(LEAST_EXPONENT, MOST_EXPONENT))
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
    loss: Callable[[float], float], *, expected: float, spread: float, ends: tuple[float, float] = (COLDEST, HOTTEST)
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
    while high - low > _TOLERANCE:
        if cost_left < cost_right:
            high, right, cost_right = right, left, cost_left
            left = high - _GOLDEN * (high - low)
            cost_left = cost(left)
        else:
            low, left, cost_left = left, right, cost_right
            right = low + _GOLDEN * (high - low)
            cost_right = cost(right)
    return math.exp((low + high) / 2)
