"""The threshold of each label's probability, where a row may have several labels.

Owns the choice by held-out rows. Does not know logits or temperatures: calibrated probabilities come in.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.labels import Targets

# Thresholds are looked for on the scale of logits, where those of rare labels are not all next to 0.
_GRID = np.linspace(-6.9, 6.9, 277)
# F1 at a threshold is a mean over thresholds around it, so that no peak of a few rows wins: the standard deviation.
_BLUR = 0.5
# So many rows with a label weigh as much as what suits all labels. Both were measured: jobs/bench/LOG.md.
_PRIOR_ROWS = 5


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
