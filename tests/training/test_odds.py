"""Maps of the confidence's log-odds: what they make of crooked confidences, against scikit-learn and on new rows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from scorer.classifier.decision import mapped
from scorer.training import odds as maps
from scorer.training.odds import fit_bend, fit_line, fit_steps

FITS = (fit_line, fit_bend, fit_steps)


def answers(rows: int, seed: int = 0, *, crooked: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds, and answers that are right as often as `crooked` times the log-odds below 1 say."""
    generator = np.random.default_rng(seed)
    odds = generator.normal(1.5, 1.5, rows)
    honest = np.where(odds < 1, 1 + crooked * (odds - 1), odds)
    return odds, generator.random(rows) < 1 / (1 + np.exp(-honest))


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rows", [2, 100, 900])
def test_every_map_rises(fit, seed: int, rows: int) -> None:
    points = fit(*answers(rows, seed))
    assert all(after[0] > before[0] and after[1] > before[1] for before, after in pairwise(points))


@pytest.mark.parametrize("fit", FITS)
def test_honest_confidences_stay_as_they_are(fit) -> None:
    found = mapped(np.linspace(-1, 4, 20), fit(*answers(50_000)))
    np.testing.assert_allclose(found, np.linspace(-1, 4, 20), atol=0.2)


@pytest.mark.parametrize("fit", [fit_bend, fit_steps])
def test_crooked_ones_are_bent(fit) -> None:
    fresh, right = answers(50_000, 1, crooked=2.5)
    low = fresh < 0
    told = 1 / (1 + np.exp(-mapped(fresh, fit(*answers(4_000, crooked=2.5)))))
    gap = abs(told[low].mean() - right[low].mean())
    assert gap < 0.6 * abs((1 / (1 + np.exp(-fresh[low]))).mean() - right[low].mean())


def test_a_line_is_a_logistic_regression() -> None:
    odds, right = answers(20_000, crooked=2.0)
    model = LogisticRegression(C=1e6).fit(odds[:, None], right)
    (_, offset), (_, end) = fit_line(odds, right)
    assert (end - offset, offset) == pytest.approx((model.coef_[0, 0], model.intercept_[0]), abs=0.01)


def test_pooled_steps_are_those_of_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    shares, rows = generator.random(60), generator.integers(1, 9, 60)
    expected = IsotonicRegression().fit_transform(np.arange(60), shares, sample_weight=rows)
    np.testing.assert_allclose(maps._rising(shares, rows), expected, atol=1e-12)


@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("fit", FITS)
def test_answers_that_are_all_right_or_all_wrong_end_in_no_certainty(fit, right: bool) -> None:
    odds, _ = answers(200)
    found = mapped(odds, fit(odds, np.full(200, right)))
    assert np.isfinite(found).all()
    assert np.abs(found).max() < 25


@pytest.mark.parametrize("fit", FITS)
def test_equal_confidences_are_no_fault(fit) -> None:
    points = fit(np.full(120, 2.0), np.arange(120) % 3 > 0)
    assert np.isfinite(mapped(np.array([2.0]), points)).all()
