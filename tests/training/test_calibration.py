"""What held-out rows decide: thresholds that are near the best where there are many rows and near each other where
there are few, and the confidence to abstain below, against a slow search and on new rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.metrics import f1_score

from scorer.training.calibration import KEEPS_NONE, best_thresholds, least_confidence

CENTRES = (0.0, -2.0, -3.5)


def calibrated_events(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated probabilities, those of the last label small, and labels drawn from them."""
    generator = np.random.default_rng(seed)
    probability = 1 / (1 + np.exp(-generator.normal(CENTRES, 1.5, (rows, len(CENTRES)))))
    return probability.astype(np.float32), (generator.random(probability.shape) < probability).astype(np.int8)


def macro_f1(probability: np.ndarray, targets: np.ndarray, thresholds: tuple[float, ...]) -> float:
    return float(f1_score(targets, probability >= np.array(thresholds), average="macro", zero_division=0))


def test_each_threshold_is_nearly_the_best_one() -> None:
    probability, targets = calibrated_events(8000, 0)
    found = best_thresholds(probability, targets)
    for label, threshold in enumerate(found):
        scores = [f1_score(targets[:, label], probability[:, label] >= t) for t in np.linspace(0.05, 0.75, 29)]
        assert f1_score(targets[:, label], probability[:, label] >= threshold) > max(scores) - 0.01
    assert found[2] < found[1] < found[0] < 0.5


@pytest.mark.parametrize("rows", [60, 300, 3000])
def test_new_rows_gain_over_one_half_even_from_a_few(rows: int) -> None:
    fresh, truth = calibrated_events(5000, 99)
    gains = []
    for seed in range(5):
        found = best_thresholds(*calibrated_events(rows, seed))
        gains.append(macro_f1(fresh, truth, found) - macro_f1(fresh, truth, (0.5,) * 3))
    assert np.mean(gains) > 0.08


def test_a_label_without_rows_has_the_threshold_of_the_others() -> None:
    probability, targets = calibrated_events(2000, 1)
    targets[:, 2] = 0
    both = best_thresholds(probability[:, :2], targets[:, :2])
    assert min(both) < best_thresholds(probability, targets)[2] < max(both)


def test_without_any_label_it_is_one_half() -> None:
    assert best_thresholds(np.full((4, 2), 0.9, np.float32), np.zeros((4, 2), np.int8)) == (0.5, 0.5)


def test_certain_probabilities_are_parted_in_the_middle() -> None:
    targets = np.array([[1, 0], [0, 1], [1, 1], [0, 0]] * 10, np.int8)
    assert best_thresholds(targets.astype(np.float32), targets) == pytest.approx((0.5, 0.5), abs=0.02)


def answers(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Confidences that are a little too high, and whether answers of such a confidence are right."""
    generator = np.random.default_rng(seed)
    sure = np.abs(generator.normal(0, 2.2, rows) + generator.choice([-1.6, 1.6], rows))
    right = generator.random(rows) < 1 / (1 + np.exp(-0.75 * sure))
    return (1 / (1 + np.exp(-sure))).astype(np.float32), right


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("share", [0.8, 0.9, 0.95])
def test_it_is_the_lowest_confidence_that_passes_the_exact_binomial_test(seed: int, share: float) -> None:
    confidence, correct = answers(600, seed)

    def chance(level: float) -> float:
        """That at least so many of the rows from `level` on would be right, if each were with a chance of `share`."""
        kept = correct[confidence >= level]
        return float(binom.sf(kept.sum() - 1, len(kept), share))

    found = least_confidence(confidence, correct, share=share)
    assert found in confidence
    # The normal approximation of the test is off by a little.
    assert chance(found) <= 0.33
    assert all(chance(level) > 0.27 for level in np.unique(confidence[confidence < found]))


def test_new_rows_reach_the_share() -> None:
    fresh, right = answers(100_000, 999)
    reached = []
    for seed in range(20):
        kept = fresh >= least_confidence(*answers(900, seed), share=0.9)
        assert kept.mean() > 0.3
        reached.append(right[kept].mean())
    assert np.mean(reached) >= 0.9
    assert min(reached) > 0.87


def test_rows_of_one_confidence_stay_together() -> None:
    confidence = np.array([0.9] * 40 + [0.8] * 40, np.float32)
    correct = np.array([True] * 60 + [False] * 20)
    assert least_confidence(confidence, correct, share=0.9) == np.float32(0.9)


def test_few_rows_prove_nothing() -> None:
    for rows, found in ((15, KEEPS_NONE), (30, np.float32(0.99))):
        assert least_confidence(np.full(rows, 0.99, np.float32), np.ones(rows, np.bool_), share=0.95) == found


def test_no_confidence_may_be_enough() -> None:
    confidence, correct = answers(500, 0)
    assert least_confidence(confidence, np.zeros_like(correct), share=0.5) == KEEPS_NONE


def test_where_all_is_well_all_is_kept() -> None:
    confidence = np.linspace(0.5, 1.0, 200, dtype=np.float32)
    assert least_confidence(confidence, np.ones(200, np.bool_), share=0.95) == np.float32(0.5)
