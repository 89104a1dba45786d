"""Bounds on a share, against scipy's."""

from __future__ import annotations

import pytest
from scipy.stats import beta, binom

from scorer.scoring.flips.binomial import at_most, lower_bound, upper_bound


@pytest.mark.parametrize("rows", [1, 7, 300, 5_000])
@pytest.mark.parametrize("confidence", [0.6, 0.95, 0.999])
def test_bounds_are_those_of_clopper_and_pearson(rows, confidence):
    for found in sorted({0, 1, rows // 100, rows // 3, rows - 1, rows}):
        above = beta.ppf(confidence, found + 1, rows - found) if found < rows else 1.0
        below = beta.ppf(1 - confidence, found, rows - found + 1) if found else 0.0
        assert upper_bound(found, rows, confidence=confidence) == pytest.approx(above, rel=1e-9)
        assert lower_bound(found, rows, confidence=confidence) == pytest.approx(below, rel=1e-9, abs=1e-12)


def test_tails_are_those_of_the_binomial_distribution():
    for rows, share in ((10, 0.3), (4_000, 0.01), (4_000, 0.99), (50, 0.0), (50, 1.0)):
        for found in (0, 1, rows // 2, rows - 1, rows):
            assert at_most(found, rows, share) == pytest.approx(binom.cdf(found, rows, share), rel=1e-9, abs=1e-300)


def test_what_one_percent_allows_at_95_percent():
    for rows, most in ((1_000, 4), (5_000, 38), (10_000, 83)):
        assert upper_bound(most, rows, confidence=0.95) <= 0.01 < upper_bound(most + 1, rows, confidence=0.95)
