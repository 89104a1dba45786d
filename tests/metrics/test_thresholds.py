"""Threshold tables against plain counting and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from scorer.metrics.thresholds import coverage_table, label_threshold_table, reaching


def test_the_table_is_that_of_counting() -> None:
    confidence = np.array([0.5, 0.9, 0.9, 0.7, 0.99])
    correct = np.array([False, True, False, True, True])
    table = coverage_table(confidence, correct, at=(0.0, 0.7, 0.9, 1.0))
    assert [(row.rows, row.coverage, row.accuracy) for row in table] == [
        (5, 1.0, 0.6),
        (4, 0.8, 0.75),
        (3, 0.6, pytest.approx(2 / 3)),
        (0, 0.0, 0.0),
    ]


def test_the_smallest_confidence_that_reaches_an_accuracy() -> None:
    draw = np.random.default_rng(0)
    confidence = np.round(draw.uniform(0.5, 1, 300), 2)
    correct = draw.uniform(0, 1, 300) < confidence
    for accuracy in (0.7, 0.8, 0.9, 0.95):
        levels = [level for level in np.unique(confidence) if (confidence >= level).sum() >= 20]
        good = [level for level in levels if correct[confidence >= level].mean() >= accuracy]
        found = reaching(confidence, correct, accuracy=accuracy, least=20)
        if not good:
            assert found is None
            continue
        assert found is not None
        assert found.confidence == min(good)
        assert found.rows == (confidence >= min(good)).sum()
        assert found.accuracy >= accuracy


def test_what_cannot_be_reached_is_none() -> None:
    assert reaching(np.array([0.9, 0.8]), np.array([False, False]), accuracy=0.5, least=1) is None


def test_a_few_sure_rows_prove_nothing() -> None:
    confidence, correct = np.linspace(1, 0.5, 100), np.arange(100) < 10
    assert reaching(confidence, correct, accuracy=0.9) is None
    found = reaching(confidence, correct, accuracy=0.9, least=10)
    assert found is not None
    assert found.rows == 11


def test_label_thresholds_are_micro_averages() -> None:
    draw = np.random.default_rng(1)
    probabilities = draw.uniform(0, 1, (50, 4))
    targets = (draw.uniform(0, 1, (50, 4)) < probabilities).astype(np.int8)
    for row in label_threshold_table(probabilities, targets, at=(0.2, 0.5, 0.8)):
        expected = precision_recall_fscore_support(targets, probabilities >= row.threshold, average="micro")[:3]
        assert (row.precision, row.recall, row.f1) == pytest.approx(expected)
    (never,) = label_threshold_table(probabilities, targets, at=(1.1,))
    assert (never.precision, never.recall, never.f1) == (0.0, 0.0, 0.0)
