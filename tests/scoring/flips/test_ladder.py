"""Thresholds that a sample certifies: the bound holds in nineteen of twenty samples, and work is saved within it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from scorer.scoring.flips.binomial import upper_bound
from scorer.scoring.flips.ladder import Drawn, Shown, certified, ladder, tried

WORK = np.array([0.1, 0.4, 0.7])


def population(draw: np.random.Generator, rows: int, *, flips: float = 0.5) -> Shown:
    """Rows at three exits: the later an exit and the clearer a row, the rarer are flips."""
    clear = draw.exponential([[1.0], [2.0], [3.0]], (3, rows))
    return Shown(clear, draw.random(clear.shape) < flips * np.exp(-clear), WORK)


def some(shown: Shown, rows: np.ndarray) -> Shown:
    return Shown(shown.clear[:, rows], shown.flips[:, rows], shown.work)


def test_the_bound_is_broken_in_no_more_samples_than_the_confidence_allows():
    draw = np.random.default_rng(0)
    everything = population(draw, 20_000)
    broken = taken = 0
    for _ in range(50):
        rows = draw.permutation(everything.rows)[:2_000]
        found = certified(
            ladder(some(everything, rows[:1_000])), some(everything, rows[1_000:]), share=0.05, confidence=0.9
        )
        if found is not None:
            taken += 1
            outcome = tried(everything, found[0].thresholds)
            broken += outcome.flips > 0.05 * outcome.rows
    assert taken > 45
    # Of 50 samples a tenth may break it: more than 11 would be a chance of one in a hundred.
    assert broken <= 11


def test_the_bound_is_that_of_a_small_file_whose_sample_is_exact():
    """The sample is a third of the file, so that the others may flip more often, and just so much more."""
    broken = taken = 0
    draw = np.random.default_rng(5)
    for _ in range(80):
        everything = population(draw, 4_000)
        rows = draw.permutation(everything.rows)
        fitting, certifying, others = rows[:600], rows[600:1_200], rows[1_200:]
        found = certified(
            ladder(some(everything, fitting)),
            some(everything, certifying),
            share=0.05,
            confidence=0.9,
            file=Drawn(4_000, 600),
        )
        if found is not None:
            taken += 1
            assert found[1] <= 0.05
            broken += tried(some(everything, others), found[0].thresholds).flips > 0.05 * 4_000
    assert taken > 60
    # A tenth of 80 is 8; more than 16 would be a chance of one in a few hundred.
    assert broken <= 16


def test_steps_grow_bolder_and_save_more_work():
    shown = population(np.random.default_rng(1), 20_000)
    outcomes = [tried(shown, thresholds) for thresholds in ladder(shown)]
    assert len(outcomes) > 10
    work = [outcome.work for outcome in outcomes]
    assert work[0] > 0.9
    assert work[-1] < 0.5
    assert all(later <= earlier + 0.02 for earlier, later in pairwise(work))


def test_the_step_taken_is_the_last_before_the_first_that_fails():
    shown = population(np.random.default_rng(2), 4_000)
    steps = ladder(shown)
    found = certified(steps, shown, share=0.02, confidence=0.95)
    assert found is not None
    outcome, bound = found
    place = steps.index(outcome.thresholds)
    assert bound == upper_bound(outcome.flips, outcome.rows, confidence=0.95) <= 0.02
    bolder = tried(shown, steps[place + 1])
    assert upper_bound(bolder.flips, bolder.rows, confidence=0.95) > 0.02


@pytest.mark.parametrize("rows", [10, 200])
def test_few_rows_certify_nothing(rows):
    shown = population(np.random.default_rng(3), rows, flips=0.0)
    assert certified(ladder(shown), shown, share=0.01, confidence=0.95) is None


def test_exits_that_know_nothing_let_nobody_leave():
    draw = np.random.default_rng(4)
    clear = draw.exponential(1.0, (3, 2_000))
    shown = Shown(clear, draw.random(clear.shape) < 0.5, WORK)
    found = certified(ladder(shown), shown, share=0.01, confidence=0.95)
    assert found is None or found[0].work > 0.97


def test_a_row_leaves_at_the_first_exit_that_is_clear_enough():
    shown = Shown(
        np.array([[3.0, 1.0, 0.0, np.nan], [9.0, 9.0, 0.0, np.nan], [9.0, 9.0, 9.0, np.nan]]),
        np.array([[True, False, False, False], [False, True, False, False], [False, False, False, True]]),
        WORK,
    )
    outcome = tried(shown, (2.0, 2.0, 2.0))
    assert (outcome.flips, outcome.rows) == (2, 4)
    assert outcome.work == pytest.approx((0.1 + 0.4 + 0.7 + 1.0) / 4)
