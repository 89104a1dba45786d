"""How far confidences can be relied on: reliability bins, calibration error, Brier score, and what a threshold keeps.

A threshold answers only the sure rows, or of several labels a row gives only the probable ones. Pure functions on
arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 15
CONFIDENCES = (*(round(0.05 * step, 2) for step in range(20)), 0.97, 0.99)
TARGETS = (0.9, 0.95, 0.99)
# The few rows at the very top may all be right by chance.
LEAST_ROWS = 30


@dataclass(frozen=True)
class Bin:
    """Answers whose confidence is in (low, high]: how many, their mean confidence, and the share that was right.

    Without answers, `confidence` and `accuracy` are 0.
    """

    low: float
    high: float
    rows: int
    confidence: float
    accuracy: float


def reliability(
    confidence: NDArray[np.floating[Any]], correct: NDArray[np.bool_], *, bins: int = BINS
) -> tuple[Bin, ...]:
    """The reliability diagram of answers with `confidence` (n,) of which `correct` (n,) were right, in `bins` equally
    wide bins (Guo et al. 2017, section 2)."""
    bin_of = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    rows = np.bincount(bin_of, minlength=bins)
    sums = [np.bincount(bin_of, weights=values, minlength=bins) for values in (confidence, correct.astype(np.float64))]
    mean_confidence, accuracy = (values / np.maximum(rows, 1) for values in sums)
    return tuple(
        Bin(i / bins, (i + 1) / bins, int(rows[i]), float(mean_confidence[i]), float(accuracy[i])) for i in range(bins)
    )


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """The mean distance of confidence and accuracy over the answers in `bins` (Guo et al. 2017, equation 3)."""
    rows = sum(bin_.rows for bin_ in bins)
    return sum(bin_.rows * abs(bin_.accuracy - bin_.confidence) for bin_ in bins) / rows


def brier_score(probabilities: NDArray[np.floating[Any]], outcomes: NDArray[np.floating[Any]]) -> float:
    """The mean over rows of the squared distance of `probabilities` (n, labels) from `outcomes` (n, labels) of 0 and 1
    (Brier 1950)."""
    return float(((probabilities - outcomes) ** 2).sum(axis=1).mean())


@dataclass(frozen=True)
class Threshold:
    """The rows with a confidence of at least `confidence`: their share of all, their number, and how many are right.

    Without rows, `accuracy` is 0.
    """

    confidence: float
    coverage: float
    rows: int
    accuracy: float


@dataclass(frozen=True)
class LabelThreshold:
    """Giving a row every label whose probability is at least `threshold`: precision, recall and F1 over all rows and
    labels (micro averages). A ratio without a denominator is 0."""

    threshold: float
    precision: float
    recall: float
    f1: float


def coverage_table(
    confidence: NDArray[np.floating[Any]],
    correct: NDArray[np.bool_],
    *,
    at: Sequence[float] = CONFIDENCES,
) -> tuple[Threshold, ...]:
    """What is left of answers with `confidence` (n,), of which `correct` (n,) were right, at each level of `at`."""
    return tuple(_threshold(level, confidence >= level, correct) for level in at)


def reaching(
    confidence: NDArray[np.floating[Any]], correct: NDArray[np.bool_], *, accuracy: float, least: int = LEAST_ROWS
) -> Threshold | None:
    """The most rows that reach `accuracy`: the smallest confidence at and above which that share is right and `least`
    rows or more are; None when there is none."""
    order = np.argsort(-confidence, kind="stable")
    shares = correct[order].cumsum() / np.arange(1, len(order) + 1)
    # Rows of equal confidence are kept or left out together.
    last_of_equals = np.append(confidence[order][1:] != confidence[order][:-1], True)
    places = np.flatnonzero((shares >= accuracy) & last_of_equals)
    places = places[places >= least - 1]
    if not len(places):
        return None
    level = confidence[order][places[-1]]
    return _threshold(float(level), confidence >= level, correct)


def label_threshold_table(
    probabilities: NDArray[np.floating[Any]], targets: NDArray[np.integer[Any]], *, at: Sequence[float] = CONFIDENCES
) -> tuple[LabelThreshold, ...]:
    """What each threshold of `at` makes of `probabilities` (n, labels) against `targets` (n, labels) of 0 and 1."""
    return tuple(_label_threshold(level, probabilities >= level, targets == 1) for level in at)


def _threshold(level: float, kept: NDArray[np.bool_], correct: NDArray[np.bool_]) -> Threshold:
    rows = int(kept.sum())
    return Threshold(level, rows / len(kept), rows, float(correct[kept].mean()) if rows else 0.0)


def _label_threshold(level: float, given: NDArray[np.bool_], true: NDArray[np.bool_]) -> LabelThreshold:
    hits, answers, positives = int((given & true).sum()), int(given.sum()), int(true.sum())
    return LabelThreshold(
        level,
        hits / answers if answers else 0.0,
        hits / positives if positives else 0.0,
        2 * hits / (answers + positives) if answers + positives else 0.0,
    )
