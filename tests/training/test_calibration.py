"""The temperature against a grid search, and where it must stay 1."""

from __future__ import annotations

import numpy as np
import pytest

from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet
from scorer.metrics.classification import log_softmax, measure, negative_log_likelihood
from scorer.training.calibration import COLDEST, HOTTEST, fit_temperature


def drawn(rows: int, sharpness: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Targets drawn from softmax(scores), and logits that are `sharpness` times as sure as they should be."""
    generator = np.random.default_rng(seed)
    scores = generator.normal(0.0, 1.5, (rows, 4))
    probabilities = np.exp(log_softmax(scores))
    targets = np.array([generator.choice(4, p=row / row.sum()) for row in probabilities])
    return (scores * sharpness).astype(np.float32), targets


def loss(logits: np.ndarray, targets: np.ndarray, temperature: float) -> float:
    return negative_log_likelihood(log_softmax(logits / temperature), targets)


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 2.5, 6.0])
def test_finds_the_best_of_a_fine_grid(sharpness: float) -> None:
    logits, targets = drawn(2000, sharpness)
    found = fit_temperature(logits, targets)
    best = min(loss(logits, targets, float(t)) for t in np.geomspace(COLDEST, HOTTEST, 2001))
    assert loss(logits, targets, found) <= best + 1e-7
    assert found == pytest.approx(sharpness, rel=0.1)


def test_overconfident_logits_become_calibrated() -> None:
    logits, targets = drawn(4000, 4.0)
    fresh_logits, fresh_targets = drawn(4000, 4.0, seed=1)
    temperature = fit_temperature(logits, targets)
    labels = LabelSet.from_values([1, 2, 3, 4])
    decisions = Decision(), Decision((temperature,))
    before, after = (measure(fresh_logits, fresh_targets, labels=labels, decision=way) for way in decisions)
    assert after.ece < before.ece / 4


def test_a_temperature_that_does_not_help_is_not_kept() -> None:
    assert fit_temperature(np.zeros((10, 3), np.float32), np.zeros(10, np.int64)) == 1.0


def test_perfectly_separated_rows_do_not_end_in_zero() -> None:
    logits = np.array([[0.3, -0.3], [-0.3, 0.3]], np.float32)
    assert fit_temperature(logits, np.array([0, 1])) == pytest.approx(COLDEST, rel=1e-3)
    assert fit_temperature(logits, np.array([1, 0])) == pytest.approx(HOTTEST, rel=1e-3)
