"""Probes against numpy and against fits without a row; how clear an answer is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorer.classifier.decision import Decision
from scorer.classifier.exits import Exit, Exits, Probe, clarity


def rows(count: int, *, width: int = 6, labels: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """States, and logits that mostly follow from them."""
    draw = np.random.default_rng(seed)
    states = draw.normal(3.0, [1, 5, 0.1, 1, 1, 2], (count, width)).astype(np.float32)
    logits = states @ draw.normal(size=(width, labels)) + draw.normal(size=(count, labels))
    return states, logits.astype(np.float32)


def test_a_probe_is_a_ridge_regression_of_centered_logits():
    states, logits = rows(80)
    probe, _ = Probe.fit(states, logits)
    aim = logits - logits.mean(axis=1, keepdims=True)
    x = (states - states.mean(axis=0)) / states.std(axis=0, ddof=1)
    weight = np.linalg.solve(x.T @ x + 0.1 * len(x) * np.eye(6), x.T @ (aim - aim.mean(axis=0)))
    np.testing.assert_allclose(probe.said(states), x @ weight + aim.mean(axis=0), atol=1e-3)


def test_leaving_one_out_is_a_fit_without_the_row():
    states, logits = rows(60)
    _, without = Probe.fit(states, logits)
    # The ridge and the scaling hardly change with one row of many.
    for row in (0, 17, 59):
        others = np.arange(60) != row
        probe, _ = Probe.fit(states[others], logits[others])
        np.testing.assert_allclose(without[row], probe.said(states[row : row + 1])[0], atol=0.15)
    inside = Probe.fit(states, logits)[0].said(states)
    aim = logits - logits.mean(axis=1, keepdims=True)
    assert np.abs(without - aim).mean() > np.abs(inside - aim).mean()


def test_states_that_never_differ_are_no_harm():
    states, logits = rows(50)
    states[:, 0] = 1.0
    probe, without = Probe.fit(states, logits)
    assert np.isfinite(probe.said(states)).all()
    assert np.isfinite(without).all()


def test_clarity_is_the_distance_to_another_answer():
    logits = np.array([[1.0, 3.0, 2.5], [0.0, -4.0, 4.0]], np.float32)
    assert clarity(logits, Decision()) == pytest.approx([0.5, 4.0])
    several = Decision(temperature=(2.0,), thresholds=(0.5, 0.5, 0.9))
    assert clarity(logits, several) == pytest.approx([0.5, 0.0 + min(0.0, 2.0, abs(2.0 - np.log(9)))])


def test_rows_leave_at_the_first_exit_that_is_clear():
    near, far = Probe(torch.eye(2), torch.zeros(2)), Probe(10 * torch.eye(2), torch.zeros(2))
    exits = Exits((Exit(0, near, 1.5), Exit(2, far, 15.0)), Decision())
    states = np.array([[[2.0, 0.0], [1.0, 0.0], [1.0, 0.0]], [[0.0, 9.0], [0.0, 2.0], [0.0, 1.0]]], np.float32)
    whole = np.full((3, 2), 7.0, np.float32)
    assert exits.layers == (0, 2)
    assert exits.replayed(states, whole).tolist() == [[2.0, 0.0], [0.0, 20.0], [7.0, 7.0]]
    logits, leaves = exits(2, torch.from_numpy(states[1]))
    assert leaves.tolist() == [True, True, False]
    assert logits[0].tolist() == [0.0, 90.0]


def test_where_a_row_may_have_several_labels_each_logit_is_for_itself():
    """What all of them have in common decides there: how far they are from their thresholds."""
    states, _ = rows(400, labels=12)
    weight = np.random.default_rng(5).normal(size=(6, 12))
    logits = (states @ weight - 4.0).astype(np.float32)
    probe, without = Probe.fit(states, logits, multi=True)
    bound = np.log(0.3) - np.log(0.7)
    for said in (probe.said(states), without):
        assert ((said > bound) != (logits > bound)).any(axis=1).mean() < 0.2
    alike, _ = Probe.fit(states, logits)
    assert ((alike.said(states) > bound) != (logits > bound)).any(axis=1).mean() > 0.5
