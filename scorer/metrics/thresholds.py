"""What answering only the sure rows would give, and what each threshold of a label's probability would give.

Pure functions on arrays; knows no model or file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONFIDENCES = (*(round(0.05 * step, 2) for step in range(20)), 0.97, 0.99)
TARGETS = (0.9, 0.95, 0.99)
# The few rows at the very top may all be right by chance.
LEAST_ROWS = 30


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
