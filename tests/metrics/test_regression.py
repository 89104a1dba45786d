"""Figures of predicted numbers against scikit-learn, scipy and draws; and what is said of them."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from scorer.metrics.regression import (
    JudgedNumbers,
    Paired,
    Spread,
    describe_numbers,
    intervals,
    measure_numbers,
    number_edges,
    number_slices,
    pearson,
    ranks,
    spearman,
    spelt,
)


def drawn(rows: int, *, seed: int = 0, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Numbers, rounded so that some are equal, and noisy predictions of them."""
    draw = np.random.default_rng(seed)
    targets = np.round(draw.normal(3.0, 2.0, rows), 1)
    return targets, np.round(targets * 0.8 + draw.normal(0, noise, rows), 2)


@pytest.mark.parametrize("rows", [2, 5, 300])
@pytest.mark.parametrize("scale", [1.0, 1e-12, 1e12])
def test_agrees_with_sklearn_and_scipy(rows: int, scale: float) -> None:
    targets, predicted = (values * scale for values in drawn(rows, seed=rows))
    found = measure_numbers(targets, predicted)
    assert found.rmse == pytest.approx(root_mean_squared_error(targets, predicted))
    assert found.mae == pytest.approx(mean_absolute_error(targets, predicted))
    assert found.r2 == pytest.approx(r2_score(targets, predicted))
    assert found.pearson == pytest.approx(stats.pearsonr(targets, predicted).statistic)
    assert found.spearman == pytest.approx(stats.spearmanr(targets, predicted).statistic)
    assert found.mean_residual == pytest.approx((targets - predicted).mean())
    assert found.absolute_error[0.9] == pytest.approx(np.quantile(np.abs(targets - predicted), 0.9))


def test_ranks_are_those_of_scipy() -> None:
    values = drawn(200)[0]
    assert ranks(values).tolist() == stats.rankdata(values).tolist()
    assert ranks(np.zeros(0)).tolist() == []


def test_what_does_not_vary_has_no_correlation() -> None:
    flat, steps = np.full(5, 2.0), np.arange(5.0)
    assert pearson(flat, steps) == spearman(steps, flat) == pearson(flat, flat) == 0.0
    found = measure_numbers(flat, steps)
    assert (found.r2, found.pearson, found.spearman) == (0.0, 0.0, 0.0)
    assert "r2" not in found.intervals
    assert measure_numbers(steps, steps).headline() == {
        "rmse": 0.0,
        "mae": 0.0,
        "r2": 1.0,
        "pearson": 1.0,
        "spearman": 1.0,
    }
    assert measure_numbers(np.array([1.0]), np.array([2.0])).rmse == 1.0


def test_equal_numbers_do_not_vary_whatever_their_mean() -> None:
    """The mean of fifty times 0.1 is another number than 0.1."""
    flat, steps = np.full(50, 0.1), np.arange(50.0)
    assert flat.mean() != 0.1
    assert pearson(flat, steps) == pearson(steps, flat) == pearson(flat, flat) == 0.0
    for predicted in (steps, np.full(50, 0.2)):
        found = measure_numbers(flat, predicted)
        assert (found.r2, found.pearson, found.spearman) == (0.0, 0.0, 0.0)
        assert "r2" not in found.intervals
        assert found.intervals["pearson"][0] < 0 < found.intervals["pearson"][1]


def test_the_largest_numbers_stay_finite() -> None:
    targets, predicted = (values * 1e38 for values in drawn(50))
    found = measure_numbers(targets, predicted)
    assert found.pearson == pytest.approx(stats.pearsonr(targets / 1e38, predicted / 1e38).statistic)
    json.dumps(found.as_dict(), allow_nan=False)


def test_the_intervals_of_correlations_are_those_of_scipy() -> None:
    targets, predicted = drawn(80)
    ends = stats.pearsonr(targets, predicted).confidence_interval(0.95)
    assert intervals(targets, predicted)["pearson"] == pytest.approx((ends.low, ends.high))
    mean = stats.norm.interval(0.95, np.abs(targets - predicted).mean(), stats.sem(np.abs(targets - predicted)))
    assert intervals(targets, predicted)["mae"] == pytest.approx(mean)
    assert intervals(targets[:3], predicted[:3]) == {}
    assert intervals(targets, targets)["pearson"] == (1.0, 1.0)


@pytest.mark.parametrize("name", ["rmse", "mae", "r2", "pearson", "spearman"])
def test_an_interval_holds_the_truth_as_often_as_it_says(name: str) -> None:
    truth = measure_numbers(*drawn(200_000, seed=99)).headline()[name]
    held = [low <= truth <= high for low, high in (intervals(*drawn(120, seed=seed))[name] for seed in range(300))]
    # Of 300 draws at 95 %, a share below 0.91 or above 0.985 comes up once in several hundred times.
    assert 0.91 <= np.mean(held) <= 0.985


def test_slices_and_which_of_them_are_worse() -> None:
    targets, predicted = drawn(400, noise=0.2)
    kinds = np.array(["a"] * 300 + ["b"] * 80 + [None] * 20, dtype=object)
    predicted[300:] += 2.0
    judged = JudgedNumbers(targets, predicted)
    found = {part.value: part for part in number_slices("kind", kinds.tolist(), judged)}
    assert {value: part.rows for value, part in found.items()} == {"a": 300, "b": 80, "null": 20}
    assert [part.worse for part in found.values()] == [False, True, False], "20 rows are too few to tell"
    rows = kinds == "b"
    assert found["b"].mae == pytest.approx(mean_absolute_error(targets[rows], predicted[rows]))
    assert found["b"].rmse == pytest.approx(root_mean_squared_error(targets[rows], predicted[rows]))
    assert found["b"].mean_residual == pytest.approx((targets - predicted)[rows].mean())
    hardest = judged.hardest()
    assert (np.diff(np.abs(targets - predicted)[hardest]) <= 0).all()


def test_paired_errors_of_two_models() -> None:
    targets, predicted = drawn(200)
    better = targets + (predicted - targets) * 0.9
    found = Paired.of(targets - predicted, targets - better)
    expected = stats.ttest_rel((targets - better) ** 2, (targets - predicted) ** 2)
    z = expected.statistic
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(z)))
    assert found.difference < 0
    assert found.interval[0] < found.difference < found.interval[1] < 0
    same = Paired.of(targets - predicted, targets - predicted)
    assert (same.difference, same.p_value) == (0.0, 1.0)
    alone = Paired.of(np.array([1.0]), np.array([2.0]))
    assert (alone.difference, alone.p_value) == (3.0, 1.0)


def test_how_numbers_lie() -> None:
    values = np.array([*np.arange(100.0), 1e6])
    spread = Spread.of(values)
    assert spread is not None
    assert (spread.least, spread.greatest, spread.distinct) == (0.0, 1e6, 101)
    assert spread.quartiles == (25.0, 50.0, 75.0)
    assert np.flatnonzero(spread.outliers).tolist() == [100]
    assert spread.as_dict()["outliers"] == 1
    mostly = Spread.of(np.array([2.0] * 9 + [5.0]))
    assert mostly is not None
    assert not mostly.outliers.any(), "where most numbers are equal, any other would be one"
    assert Spread.of(np.zeros(0)) is None


def test_bins_with_equally_many_numbers() -> None:
    edges = number_edges(np.arange(100.0), bins=4)
    assert edges == (24.0, 49.0, 74.0)
    assert number_edges(np.full(9, 3.0), bins=4) == ()
    assert number_edges(np.array([1.0, 1.0, 1.0, 1.0, 9.0]), bins=4) == (1.0,)
    assert number_edges(np.array([1.0, 2.0, *[9.0] * 20]), bins=4) == (2.0,)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.785, "0.7850"),
        (168.04, "168.0"),
        (12345.6, "12,346"),
        (-0.00012346, "-0.0001235"),
        (0.0, "0.000"),
        (1e-7, "1.000e-07"),
        (1e20, "1.000e+20"),
    ],
)
def test_numbers_as_people_read_them(value: float, expected: str) -> None:
    assert spelt(value) == expected
    assert spelt(abs(value), sign=True) == "+" + expected.removeprefix("-")


def test_what_is_said() -> None:
    lines = list(describe_numbers(measure_numbers(*drawn(50))))
    assert lines[0].startswith("RMSE ")
    assert lines[0].endswith(" on 50 rows")
    assert " to " in lines[1]
    assert list(describe_numbers(measure_numbers(*drawn(2))))[1].count("(") == 0


@pytest.mark.parametrize(
    "values", [[1.0, 2.0, 3.0, sys.float_info.max], [-sys.float_info.max, sys.float_info.max], [1e200, 2e200, 1e-200]]
)
def test_the_spread_of_huge_numbers_can_be_written(values: list[float]) -> None:
    found = Spread.of(np.array(values))
    json.dumps(found.as_dict(), allow_nan=False)
    assert found.least <= found.mean <= found.greatest
    assert 0 < found.deviation <= sys.float_info.max


def test_the_spread_of_ordinary_numbers_is_numpys() -> None:
    values = np.random.default_rng(0).normal(50, 20, 1000)
    found = Spread.of(values)
    assert found.mean == pytest.approx(values.mean(), rel=1e-12)
    assert found.deviation == pytest.approx(values.std(), rel=1e-12)
