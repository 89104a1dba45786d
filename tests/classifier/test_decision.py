"""Probabilities and what is told by them, against torch and against sorting."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorer.classifier import decision
from scorer.classifier.decision import Decision
from scorer.classifier.metadata import MOST_EXPONENT, STEEPEST


@pytest.fixture
def logits():
    return np.random.default_rng(0).normal(0, 5, (200, 4)).astype(np.float32)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_probabilities_are_the_softmax_of_the_tempered_logits(logits, temperature):
    expected = torch.softmax(torch.from_numpy(logits).double() / temperature, dim=1).numpy()
    found = decision.probabilities(decision.scaled(logits, temperature=temperature))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-7)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-6)


@pytest.mark.parametrize("exponent", [0.5, 2.0, 4.0])
def test_an_exponent_keeps_the_order_and_draws_sure_rows_apart(logits, exponent):
    found = decision.scaled(logits, temperature=2.0, exponent=exponent)
    assert (found.argsort(axis=1) == logits.argsort(axis=1)).all()
    row = logits[0].astype(np.float64) - logits[0].astype(np.float64).mean()
    slow = [(abs(value) ** exponent if value > 0 else -(abs(value) ** exponent)) / 2.0 for value in row.tolist()]
    np.testing.assert_allclose(found[0], slow)


def test_the_largest_exponent_does_not_overflow():
    huge = np.array([[3e38, -3e38, 0.0]], np.float32)
    assert np.isfinite(decision.probabilities(decision.scaled(huge, temperature=0.25, exponent=MOST_EXPONENT))).all()


def test_huge_logits_do_not_overflow():
    logits = np.array([[3e38, -3e38], [-3e38, -3e38], [88.0, 89.0]], np.float32)
    found = decision.probabilities(decision.scaled(logits, temperature=0.5))
    assert np.isfinite(found).all()
    assert found[:2].tolist() == [[1.0, 0.0], [0.5, 0.5]]


def test_no_rows():
    empty = np.zeros((0, 3), np.float32)
    assert decision.probabilities(decision.scaled(empty, temperature=1.0, exponent=2.0)).shape == (0, 3)
    assert decision.predicted(empty)[0].shape == (0,)


def test_the_predicted_class_is_the_likeliest_and_the_first_of_equals():
    best, certainty = decision.predicted(np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4]], np.float32))
    assert best.tolist() == [1, 0]
    assert certainty.tolist() == [np.float32(0.5), np.float32(0.4)]


def test_top_is_sorted_by_probability_then_by_class():
    rows = np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4]], np.float32)
    for k in (1, 2, 3):
        order, certainty = decision.top(rows, k)
        for row, indices, found in zip(rows.tolist(), order.tolist(), certainty.tolist(), strict=True):
            slow = sorted(range(3), key=lambda index: (-row[index], index))[:k]
            assert indices == slow
            assert found == [row[index] for index in slow]


POINTS = ((-2.0, -3.0), (0.5, 0.0), (3.0, 2.0), (6.0, 9.0))


def test_a_map_of_the_log_odds_makes_of_each_confidence_what_it_says(logits):
    mapped = Decision((2.0,), odds_map=POINTS)
    before, after = (way.probabilities(logits).astype(np.float64) for way in (Decision((2.0,)), mapped))
    assert (after.argmax(axis=1) == before.argmax(axis=1)).all()
    np.testing.assert_allclose(after.sum(axis=1), 1.0, atol=1e-6)
    for old, new in zip(before, after, strict=True):
        best = int(old.argmax())
        odds = np.log(old[best] / np.delete(old, best).sum())
        piece = next((n for n in range(2) if odds <= POINTS[n + 1][0]), 2)
        (x, y), (x_end, y_end) = POINTS[piece], POINTS[piece + 1]
        wanted = 1 / (1 + np.exp(-(y + (y_end - y) * (odds - x) / (x_end - x))))
        shares = [np.delete(row, best) / np.delete(row, best).sum() for row in (old, new)]
        tie = shares[0].max() / (1 + shares[0].max())
        # Where the map says less, the likeliest label is as likely as the second.
        assert new[best] == pytest.approx(max(wanted, tie), rel=2e-3, abs=1e-6)
        np.testing.assert_allclose(shares[1], shares[0], rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("labels", [2, 3, 10])
def test_no_map_turns_a_label(labels):
    rows = np.random.default_rng(1).normal(0, 1, (500, labels)).astype(np.float32)
    rows[:50] = rows[:50, :1]
    for points in (((0.0, -50.0), (1.0, -49.0)), ((0.0, 50.0), (1.0, 51.0)), ((0.0, -5.0), (0.1, 5.0))):
        found = Decision(odds_map=points)
        assert (found.probabilities(rows).argmax(axis=1) == rows.argmax(axis=1)).all()
        assert (found.chosen(found.probabilities(rows)).argmax(axis=1) == rows.argmax(axis=1)).all()
        assert (found.scaled(rows).argmax(axis=1) == rows.argmax(axis=1)).all()


def test_a_map_that_changes_nothing_changes_next_to_nothing(logits):
    same = Decision(odds_map=((-1.0, -1.0), (1.0, 1.0)))
    np.testing.assert_allclose(same.scaled(logits), Decision().scaled(logits), atol=1e-9)


def test_a_map_of_huge_logits_and_of_no_rows():
    huge = np.array([[3e38, -3e38, 0.0], [0.0, 0.0, 0.0]], np.float32)
    steep = Decision((0.25,), exponent=MOST_EXPONENT, odds_map=((0.0, 0.0), (1.0, STEEPEST)))
    assert np.isfinite(steep.probabilities(huge)).all()
    assert steep.probabilities(huge[:0]).shape == (0, 3)


def test_a_decision_without_a_map_is_described_as_ever():
    assert Decision((2.0,)).as_document().keys() == {"temperature", "thresholds", "abstain_below", "exponent"}
    assert Decision(odds_map=POINTS).as_document()["odds_map"] == [list(point) for point in POINTS]


def test_expected_is_the_weighted_mean(logits):
    probability = decision.probabilities(logits.astype(np.float64))
    values = np.array([1.0, 2.0, 3.0, 4.0])
    slow = [sum(p * v for p, v in zip(row, values.tolist(), strict=True)) for row in probability.tolist()]
    np.testing.assert_allclose(decision.expected(probability, values), slow, atol=1e-12)


@pytest.mark.parametrize("exponent", [1.0, 2.0, 4.0])
def test_rounding_does_not_change_the_likeliest_label(exponent):
    """An exponent draws two labels that are nearly equal so close that their float32 is the same."""
    logits = np.array([[-0.001, 0.001], [0.001, -0.001], [0.0, 0.0], [2.0, 2.00001]], np.float32)
    probability = Decision((1.5,), exponent=exponent).probabilities(logits)
    assert probability.argmax(axis=1).tolist() == [1, 0, 0, 1]
    np.testing.assert_allclose(probability.sum(axis=1), 1, atol=1e-6)
