"""What held-out rows teach about how logits become answers: the calibration that makes confidences honest, then what
depends on calibrated probabilities, which are the thresholds of labels and the confidence to abstain below. Pure:
logits in, numbers out.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.decision import Decision, predicted
from scorer.classifier.labels import LabelSet, Targets
from scorer.training.calibration_choice import Calibration, calibrate

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
) -> Calibration:
    """The calibration for rows like those with `logits` (n, labels) and `targets`, its decision with thresholds; rows
    abstain below the confidence from which on a share `abstain` is right, if that is asked for."""
    calibration = calibrate(logits, targets, labels=labels)
    decision = calibration.decision
    if labels.multi:
        assert abstain is None, "refused when the data was read"
        thresholds = best_thresholds(decision.probabilities(logits), targets)
        return replace(calibration, decision=replace(decision, thresholds=thresholds))
    if abstain is None:
        return calibration
    best, confidence = predicted(decision.probabilities(logits))
    least = least_confidence(confidence, best == targets, share=abstain)
    return replace(calibration, decision=replace(decision, abstain_below=least))


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
