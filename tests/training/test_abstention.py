"""The confidence to abstain below: against a slow search, and what it leaves of new rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from scorer.training.abstention import KEEPS_NONE, least_confidence


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
