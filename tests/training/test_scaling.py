"""Temperatures and exponents against a grid search, and where they must stay 1 or near it."""

from __future__ import annotations

import numpy as np
import pytest

from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet
from scorer.metrics.classification import log_softmax, measure, negative_log_likelihood
from scorer.training.scaling import COLDEST, HOTTEST, fit_label_temperatures, fit_scaling, fit_temperature


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
    best = min(loss(logits, targets, float(t)) for t in np.geomspace(COLDEST, HOTTEST, 501))
    # The prior costs next to nothing where there are many rows.
    assert loss(logits, targets, found) <= best + 1e-4
    assert found == pytest.approx(sharpness, rel=0.1)


def test_overconfident_logits_become_calibrated() -> None:
    logits, targets = drawn(4000, 4.0)
    fresh_logits, fresh_targets = drawn(4000, 4.0, seed=1)
    temperature = fit_temperature(logits, targets)
    labels = LabelSet.from_values([1, 2, 3, 4])
    decisions = Decision(), Decision((temperature,))
    before, after = (measure(fresh_logits, fresh_targets, labels=labels, decision=way) for way in decisions)
    assert after.ece < before.ece / 4


@pytest.mark.parametrize("exponent", [0.7, 1.0, 2.0])
def test_logits_that_crowd_at_both_ends_are_drawn_apart(exponent: float) -> None:
    logits, targets = crowded(4000, exponent)
    temperature, found = fit_scaling(logits, targets)
    assert found == pytest.approx(exponent, rel=0.15)
    fresh = crowded(4000, exponent, seed=1)
    decisions = Decision((fit_temperature(logits, targets),)), Decision((temperature,), exponent=found)
    alone, both = (measure(*fresh, labels=LabelSet.from_values([1, 2, 3, 4]), decision=way) for way in decisions)
    assert both.nll <= alone.nll + 1e-6
    assert both.confusion == alone.confusion


def crowded(rows: int, exponent: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits that would be honest if the distance from their mean were raised to `exponent`."""
    honest, targets = drawn(rows, 1.0, seed)
    honest -= honest.mean(axis=1, keepdims=True)
    return np.sign(honest) * np.abs(honest) ** (1 / exponent), targets


@pytest.mark.parametrize("seed", range(8))
def test_few_rows_of_honest_logits_need_no_exponent_or_a_mild_one(seed: int) -> None:
    logits, targets = drawn(60, 1.0, seed)
    temperature, exponent = fit_scaling(logits, targets)
    assert 0.4 < exponent < 2.5
    ways = Decision((fit_temperature(logits, targets),)), Decision((temperature,), exponent=exponent)
    plain, found = (measure(logits, targets, labels=LabelSet.from_values([1, 2, 3, 4]), decision=way) for way in ways)
    assert exponent == 1.0 or 60 * (plain.nll - found.nll) > 1.9


def test_equal_logits_need_no_exponent() -> None:
    assert fit_scaling(np.zeros((10, 3), np.float32), np.zeros(10, np.int64)) == (1.0, 1.0)


def test_a_temperature_that_does_not_help_is_not_kept() -> None:
    assert fit_temperature(np.zeros((10, 3), np.float32), np.zeros(10, np.int64)) == 1.0


def test_a_few_rows_that_are_all_right_do_not_end_in_certainty() -> None:
    logits = np.array([[2.0, -2.0], [-2.0, 2.0]] * 5, np.float32)
    assert 0.5 < fit_temperature(logits, np.array([0, 1] * 5)) < 1.0
    assert fit_temperature(np.tile(logits, (10_000, 1)), np.array([0, 1] * 50_000)) < 0.4
    assert 1.0 < fit_temperature(logits, np.array([1, 0] * 5)) < HOTTEST


def binary_loss(logits: np.ndarray, targets: np.ndarray, temperature: float) -> float:
    probability = 1 / (1 + np.exp(-logits.astype(np.float64) / temperature))
    return float(-np.log(np.where(targets == 1, probability, 1 - probability)).mean())


def events(rows: int, sharpness: tuple[float, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from sigmoid(scores), and logits that are `sharpness` times as sure as they should be."""
    generator = np.random.default_rng(seed)
    scores = generator.normal(-1.0, 1.5, (rows, len(sharpness)))
    targets = (generator.random(scores.shape) < 1 / (1 + np.exp(-scores))).astype(np.int8)
    return (scores * sharpness).astype(np.float32), targets


def test_each_label_has_the_best_temperature_of_a_fine_grid() -> None:
    sharpness = (0.4, 1.0, 3.0)
    logits, targets = events(4000, sharpness)
    found = fit_label_temperatures(logits, targets)
    assert found == pytest.approx(sharpness, rel=0.15)
    for label, temperature in enumerate(found):
        column = logits[:, label], targets[:, label]
        best = min(binary_loss(*column, float(t)) for t in np.geomspace(COLDEST, HOTTEST, 501))
        assert binary_loss(*column, temperature) <= best + 1e-3


def test_a_label_seldom_seen_goes_with_the_others() -> None:
    logits, targets = events(3000, (2.5, 2.5, 2.5))
    few = fit_label_temperatures(
        np.append(logits, logits[:, :1], axis=1)[:40], np.append(targets, targets[:, :1] * 0, 1)[:40]
    )
    assert all(1.3 < temperature < 4.0 for temperature in few[:3])
    assert len(few) == 4


def test_label_temperatures_never_raise_the_loss_of_a_label() -> None:
    for seed in range(5):
        logits, targets = events(30, (0.5, 1.0, 2.0), seed)
        for label, temperature in enumerate(fit_label_temperatures(logits, targets)):
            column = logits[:, label], targets[:, label]
            assert binary_loss(*column, temperature) <= binary_loss(*column, 1.0) + 1e-12
