"""Exits that are made of a sample keep their bound on rows that had no say, and their confidence is calibrated."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from scorer.classifier.decision import Decision
from scorer.scoring.flips.calibration import (
    Calibrated,
    Recorded,
    calibrated,
    confident,
    flipped,
    shown,
    suggested,
    work_of,
)

WIDTH, EXITS = 8, 3


def model(decision: Decision) -> Any:
    """What `calibrated` asks of a model."""
    return SimpleNamespace(decision=decision, each_alone=lambda work, items: [work(item) for item in items])


def recorded(rows: int, *, labels: int = 3, seed: int = 0) -> Recorded:
    """Rows whose states say more of the logits from exit to exit."""
    draw = np.random.default_rng(seed)
    known = draw.normal(size=(rows, WIDTH))
    logits = known @ np.random.default_rng(99).normal(size=(WIDTH, labels))
    states = np.stack([known + draw.normal(scale=2.0 / (4**place), size=known.shape) for place in range(EXITS)])
    return Recorded(logits.astype(np.float32), states.astype(np.float32))


def certified(sample: Recorded, model: Any, *, fitting: int, share: float, confidence: float) -> Calibrated | None:
    """The first rows make exits, the others certify them."""
    made = suggested(Recorded(sample.logits[:fitting], sample.states[:, :fitting]), model)
    said = [probe.said(states[fitting:]) for probe, states in zip(made.probes, sample.states, strict=True)]
    certifying = shown(said, sample.logits[fitting:], model.decision)
    return calibrated(made, certifying, model.decision, share=share, confidence=confidence)


@pytest.mark.parametrize(
    "decision", [Decision(), Decision(temperature=(2.0,), exponent=1.2), Decision(thresholds=(0.5, 0.4, 0.6))]
)
def test_the_bound_holds_on_rows_that_had_no_say(decision):
    everything = recorded(12_000)
    sample = Recorded(everything.logits[:3_000], everything.states[:, :3_000])
    found = certified(sample, model(decision), fitting=1_500, share=0.03, confidence=0.99)
    assert found is not None
    assert found.bound <= 0.03
    assert found.outcome.rows == 1_500
    assert found.outcome.work < 0.99
    whole = everything.logits[3_000:]
    said = found.exits.replayed(everything.states[list(found.exits.layers)][:, 3_000:], whole)
    assert 0 < flipped(said, whole, decision).mean() <= 0.03


def test_states_that_say_nothing_make_no_exits():
    sample = recorded(2_000)
    noise = np.random.default_rng(1).normal(size=sample.states.shape).astype(np.float32)
    found = certified(Recorded(sample.logits, noise), model(Decision()), fitting=1_000, share=0.01, confidence=0.95)
    assert found is None or found.outcome.work > 0.95


def test_a_flip_is_another_label_one_more_or_less_or_one_that_is_too_unsure():
    ours = np.array([[2.0, 1.0], [2.0, 1.0], [0.1, 0.0], [5.0, 0.0]])
    theirs = np.array([[3.0, 1.0], [1.0, 2.0], [4.0, 0.0], [4.0, 0.0]])
    assert flipped(ours, theirs, Decision()).tolist() == [False, True, False, False]
    assert flipped(ours, theirs, Decision(abstain_below=0.6)).tolist() == [False, True, True, False]
    several = Decision(thresholds=(0.5, 0.6))
    assert flipped(ours, theirs, several).tolist() == [False, False, False, False]
    assert flipped(np.array([[1.0, -1.0]]), np.array([[1.0, 1.0]]), several).tolist() == [True]


def test_shrunken_logits_are_made_as_sure_as_those_of_the_whole_model():
    whole = np.random.default_rng(2).normal(size=(500, 3)).astype(np.float32) * 3
    for decision in (Decision(), Decision(temperature=(1.5,)), Decision(thresholds=(0.5, 0.5, 0.5))):
        factor = confident(whole / 2, whole, decision)
        assert factor == pytest.approx(2.0, rel=0.08)


def test_work_is_counted_in_layers():
    shares = work_of(6)
    assert shares[0] < 0.05
    assert np.allclose(np.diff(shares), np.diff(shares)[0])
    assert 0.9 < shares[-1] < 1.0
