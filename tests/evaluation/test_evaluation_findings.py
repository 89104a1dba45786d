"""Confident learning against the definitions, spelt out row by row, and on labels that were flipped on purpose."""

from __future__ import annotations

import numpy as np
import pytest

from scorer.evaluation.evaluation_findings import find_label_errors


def noisy(n: int = 600, labels: int = 3, flipped: float = 0.1, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Probabilities that follow the true labels, the given labels, and which of those were flipped."""
    draw = np.random.default_rng(seed)
    true = draw.integers(0, labels, n)
    flips = draw.random(n) < flipped
    given = np.where(flips, (true + draw.integers(1, labels, n)) % labels, true)
    scores = draw.normal(0, 1, (n, labels)) + 3 * np.eye(labels)[true]
    exponentials = np.exp(scores)
    return exponentials / exponentials.sum(axis=1, keepdims=True), given, flips


def slow_joint(probabilities: np.ndarray, given: np.ndarray) -> np.ndarray:
    labels = probabilities.shape[1]
    thresholds = [probabilities[given == label, label].mean() for label in range(labels)]
    joint = np.zeros((labels, labels), int)
    for row, label in zip(probabilities, given, strict=True):
        enough = [other for other in range(labels) if row[other] >= thresholds[other]]
        if enough:
            best = max(enough, key=lambda other: row[other])
            joint[label, best if row[best] > row[label] else label] += 1
    return joint


def test_the_confident_joint_is_that_of_the_paper() -> None:
    probabilities, given, _ = noisy()
    found = find_label_errors(probabilities, given)
    joint = slow_joint(probabilities, given)
    assert (found.joint == joint).all()
    assert found.suspect.sum() == joint.sum() - np.trace(joint)
    calibrated = joint / joint.sum(axis=1, keepdims=True) * np.bincount(given)[:, None]
    assert found.share == pytest.approx(1 - np.trace(calibrated) / len(given))


def test_flipped_labels_are_found_and_ranked_first() -> None:
    probabilities, given, flips = noisy(flipped=0.1)
    found = find_label_errors(probabilities, given)
    first = found.ranking()[: flips.sum() // 2]
    assert flips[first].mean() > 0.95
    assert found.share == pytest.approx(0.1, abs=0.04)
    assert (np.diff(found.score[found.ranking()]) <= 0).all()


def test_the_score_is_the_normalised_margin() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    found = find_label_errors(probabilities, np.array([0, 1]))
    assert found.score == pytest.approx([(1 - 0.5) / 2, (1 + 0.3) / 2])


def test_a_label_that_no_row_has_is_never_suggested() -> None:
    probabilities = np.array([[0.1, 0.1, 0.8], [0.1, 0.1, 0.8], [0.9, 0.1, 0.0], [0.1, 0.9, 0.0]])
    found = find_label_errors(probabilities, np.array([0, 1, 0, 1]))
    assert not (found.suggested == 2).any()
    assert found.joint is not None
    assert found.joint[2].sum() == 0


def test_a_weak_model_accuses_nobody_of_a_label_that_it_never_gives() -> None:
    draw = np.random.default_rng(5)
    given = (draw.random((500, 4)) < 0.05).astype(np.int8)
    probabilities = draw.uniform(0.01, 0.1, given.shape)
    found = find_label_errors(probabilities, given)
    rows, labels = np.nonzero(found.suggested != given)
    assert (given[rows, labels] == 1).all()
    assert len(set(rows.tolist())) == found.suspect.sum() <= given.any(axis=1).sum()


def test_right_labels_are_no_suspects() -> None:
    given = noisy(flipped=0.0)[1]
    sure = np.where(np.eye(3)[given] == 1, 0.98, 0.01)
    found = find_label_errors(sure, given)
    assert not found.suspect.any()
    assert found.share == 0
    assert len(found.ranking()) == 0


def test_of_several_labels_each_is_judged_on_its_own() -> None:
    draw = np.random.default_rng(4)
    true = (draw.random((400, 3)) < 0.3).astype(np.int8)
    given = true.copy()
    flips = draw.choice(400, 30, replace=False)
    given[flips, 1] = 1 - given[flips, 1]
    probabilities = np.clip(np.where(true == 1, 0.9, 0.1) + draw.normal(0, 0.05, true.shape), 0.01, 0.99)
    found = find_label_errors(probabilities, given)
    first = found.ranking()
    assert len(first) >= 20
    assert set(first.tolist()) <= set(flips.tolist())
    assert (found.suggested[first] == true[first]).all()
    for label in range(3):
        alone = find_label_errors(
            np.stack([1 - probabilities[:, label], probabilities[:, label]], axis=1), given[:, label].astype(int)
        )
        assert ((found.suggested != given)[:, label] == alone.suspect).all()
