"""McNemar's test against scipy's binomial test, and the approximation against the exact sum."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from scorer.metrics.mcnemar import mcnemar_p_value


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 0), (5, 5), (3, 12), (30, 12), (480, 520)])
def test_it_is_the_binomial_test_of_the_rows_that_one_model_alone_has_right(first, second):
    expected = binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar_p_value(first, second) == pytest.approx(expected)
    assert mcnemar_p_value(second, first) == mcnemar_p_value(first, second)


@pytest.mark.parametrize(("first", "second"), [(600, 600), (2000, 2100), (700, 560)])
def test_many_rows_are_approximated(first, second):
    assert mcnemar_p_value(first, second) == pytest.approx(binomtest(first, first + second).pvalue, rel=0.02, abs=1e-3)
