"""Calibration measures against loops and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from scorer.metrics.calibration import brier_score, expected_calibration_error, reliability


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
