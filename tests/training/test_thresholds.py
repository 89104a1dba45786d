"""Thresholds of labels: near the best where there are many rows, near each other where there are few."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from scorer.training.thresholds import best_thresholds

CENTRES = (0.0, -2.0, -3.5)


def events(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated probabilities, those of the last label small, and labels drawn from them."""
    generator = np.random.default_rng(seed)
    probability = 1 / (1 + np.exp(-generator.normal(CENTRES, 1.5, (rows, len(CENTRES)))))
    return probability.astype(np.float32), (generator.random(probability.shape) < probability).astype(np.int8)


def macro_f1(probability: np.ndarray, targets: np.ndarray, thresholds: tuple[float, ...]) -> float:
    return float(f1_score(targets, probability >= np.array(thresholds), average="macro", zero_division=0))


def test_each_threshold_is_nearly_the_best_one() -> None:
    probability, targets = events(8000, 0)
    found = best_thresholds(probability, targets)
    for label, threshold in enumerate(found):
        scores = [f1_score(targets[:, label], probability[:, label] >= t) for t in np.linspace(0.05, 0.75, 29)]
        assert f1_score(targets[:, label], probability[:, label] >= threshold) > max(scores) - 0.01
    assert found[2] < found[1] < found[0] < 0.5


@pytest.mark.parametrize("rows", [60, 300, 3000])
def test_new_rows_gain_over_one_half_even_from_a_few(rows: int) -> None:
    fresh, truth = events(5000, 99)
    gains = []
    for seed in range(5):
        found = best_thresholds(*events(rows, seed))
        gains.append(macro_f1(fresh, truth, found) - macro_f1(fresh, truth, (0.5,) * 3))
    assert np.mean(gains) > 0.08


def test_a_label_without_rows_has_the_threshold_of_the_others() -> None:
    probability, targets = events(2000, 1)
    targets[:, 2] = 0
    both = best_thresholds(probability[:, :2], targets[:, :2])
    assert min(both) < best_thresholds(probability, targets)[2] < max(both)


def test_without_any_label_it_is_one_half() -> None:
    assert best_thresholds(np.full((4, 2), 0.9, np.float32), np.zeros((4, 2), np.int8)) == (0.5, 0.5)


def test_certain_probabilities_are_parted_in_the_middle() -> None:
    targets = np.array([[1, 0], [0, 1], [1, 1], [0, 0]] * 10, np.int8)
    assert best_thresholds(targets.astype(np.float32), targets) == pytest.approx((0.5, 0.5), abs=0.02)
