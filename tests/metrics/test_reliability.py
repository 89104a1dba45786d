"""Calibration measures and thresholds against loops and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, precision_recall_fscore_support

from scorer.metrics.reliability import (
    brier_score,
    coverage_table,
    expected_calibration_error,
    label_threshold_table,
    reaching,
    reliability,
)


def test_agrees_with_a_loop() -> None:
    generator = np.random.default_rng(7)
    confidence = generator.uniform(0.2, 1.0, 500)
    correct = generator.random(500) < confidence**2
    expected = 0.0
    for bin_ in range(15):
        rows = [i for i, value in enumerate(confidence) if bin_ / 15 < value <= (bin_ + 1) / 15]
        if rows:
            expected += len(rows) / 500 * abs(np.mean(correct[rows]) - np.mean(confidence[rows]))
    bins = reliability(confidence, correct)
    assert expected_calibration_error(bins) == pytest.approx(expected)
    assert sum(bin_.rows for bin_ in bins) == 500


def test_sure_and_right_is_perfectly_calibrated() -> None:
    sure = np.ones(3)
    assert expected_calibration_error(reliability(sure, np.ones(3, np.bool_))) == 0.0
    assert expected_calibration_error(reliability(sure, np.zeros(3, np.bool_))) == 1.0


def test_the_edges_of_a_bin_belong_to_it_from_above() -> None:
    bins = reliability(np.array([0.0, 1 / 15, 1 / 15 + 1e-9, 1.0]), np.ones(4, np.bool_))
    assert [bin_.rows for bin_ in bins] == [2, 1, *[0] * 12, 1]


def test_brier_score_of_two_labels_is_twice_that_of_one() -> None:
    generator = np.random.default_rng(0)
    positive, true = generator.random(50), generator.integers(0, 2, 50)
    both = np.stack([1 - positive, positive], axis=1)
    assert brier_score(both, np.eye(2)[true]) == pytest.approx(2 * brier_score_loss(true, positive))


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
