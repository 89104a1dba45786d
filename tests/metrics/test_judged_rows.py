"""Slices against plain counting and scikit-learn."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from scorer.classifier.decision import Decision
from scorer.metrics.judged_rows import Judged, judge, slices, wilson_interval, wilson_upper


def judged(n: int = 400, labels: int = 3, seed: int = 0) -> Judged:
    draw = np.random.default_rng(seed)
    targets = draw.integers(0, labels, n)
    logits = draw.normal(0, 1, (n, labels)) + 1.5 * np.eye(labels)[targets]
    return judge(logits.astype(np.float32), targets, decision=Decision())


def test_slices_by_name_are_those_of_counting() -> None:
    rows = judged()
    names = np.random.default_rng(1).choice(["a", "b", "c"], len(rows), p=[0.5, 0.3, 0.2]).tolist()
    found = slices("shop", names, rows)
    assert [part.value for part in found] == ["a", "b", "c"]
    for part in found:
        members = np.array([name == part.value for name in names])
        assert part.rows == members.sum()
        assert part.accuracy == pytest.approx(rows.correct[members].mean())
        assert part.macro_f1 == pytest.approx(f1_score(rows.targets[members], rows.predicted[members], average="macro"))
        assert part.confidence == pytest.approx(rows.confidence[members].mean())


def test_numbers_are_cut_at_their_quartiles_and_nulls_stand_apart() -> None:
    rows = judged(404)
    numbers: list[float | None] = [*range(400), None, float("nan"), None, None]
    found = slices("length", numbers, rows)
    assert [(part.value, part.rows) for part in found] == [
        ("0 to 99", 100),
        ("100 to 199", 100),
        ("200 to 299", 100),
        ("300 to 399", 100),
        ("null", 4),
    ]


def test_numbers_of_many_digits_are_told_apart() -> None:
    rows = judged(400)
    for first in (20_240_000, 1_700_000_000, -1_700_000_000.25):
        found = slices("posted", [first + number for number in range(400)], rows)
        assert len({part.value for part in found}) == 4
    assert found[0].value == "-1700000000 to -1699999901"
    assert slices("share", [number / 399 for number in range(400)], rows)[0].value == "0 to 0.24812"


def test_few_numbers_are_values_and_many_names_are_cut_at_twenty() -> None:
    rows = judged()
    assert {part.value for part in slices("year", [2019, 2020] * 200, rows)} == {"2019", "2020"}
    found = slices("user", [f"u{row % 30:02}" for row in range(400)], rows)
    assert (len(found), found[0].value, found[-1].value) == (21, "u00", "10 other values")
    assert sum(part.rows for part in found) == 400


@pytest.mark.parametrize(
    ("values", "first"),
    [
        ([Decimal(row) / 4 for row in range(400)], "0 to 24.75"),
        ([date(2024, 1, 1) + timedelta(days=row) for row in range(400)], "2024-01-01 to 2024-04-09"),
        (
            [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=row) for row in range(400)],
            "2024-01-01 00:00:00+00:00 to 2024-01-05 03:00:00+00:00",
        ),
    ],
    ids=["decimal", "date", "time"],
)
def test_what_has_an_order_is_cut_at_its_quartiles(values: list[Any], first: str) -> None:
    found = slices("column", values, judged())
    assert [part.rows for part in found] == [100] * 4
    assert found[0].value == first


def test_a_number_that_most_rows_share_makes_fewer_quantiles() -> None:
    rows = judged()
    found = slices("n", [5] * 350 + list(range(50)), rows)
    assert sum(part.rows for part in found) == 400
    assert len({part.value for part in found}) == len(found)


def test_a_slice_where_everything_is_wrong_is_worse_and_others_are_not() -> None:
    draw = np.random.default_rng(3)
    targets = draw.integers(0, 2, 500)
    logits = np.eye(2, dtype=np.float32)[targets] * 4
    logits[:60] = logits[:60, ::-1]
    found = slices("part", ["bad"] * 60 + ["good"] * 440, judge(logits, targets, decision=Decision()))
    assert {part.value: part.worse for part in found} == {"bad": True, "good": False}


def test_rows_of_several_labels_go_by_exact_match() -> None:
    targets = np.array([[1, 0], [1, 1], [0, 0], [0, 1]], np.int8)
    logits = np.array([[3, -3], [3, -3], [-3, -3], [-3, 3]], np.float32)
    rows = judge(logits, targets, decision=Decision(thresholds=(0.5, 0.5)))
    (part,) = slices("x", ["a"] * 4, rows)
    assert part.accuracy == 0.75
    assert part.macro_f1 == pytest.approx(f1_score(targets, rows.predicted, average="macro"))
    sure = 1 / (1 + np.exp(-3.0))
    assert rows.confidence == pytest.approx([sure**2] * 4)
    wrong = -(np.log(sure) + np.log(1 - sure)) / 2
    assert rows.loss == pytest.approx([-np.log(sure), wrong, -np.log(sure), -np.log(sure)])


@pytest.mark.parametrize(("hits", "rows"), [(0, 5), (3, 10), (50, 60), (7, 7)])
def test_the_wilson_bound_solves_its_equation(hits: int, rows: int) -> None:
    upper = wilson_upper(hits, rows, level=0.975)
    z = 1.959963984540054
    assert (upper - hits / rows) ** 2 == pytest.approx(z * z * upper * (1 - upper) / rows, abs=1e-12)
    assert upper >= hits / rows


@pytest.mark.parametrize(
    ("hits", "rows", "low", "high"), [(2, 2, 0.342, 1.0), (0, 10, 0.0, 0.278), (15, 20, 0.531, 0.888)]
)
def test_the_wilson_interval_has_the_ends_that_tables_give(hits: int, rows: int, low: float, high: float) -> None:
    """Two-sided, 95 %: Newcombe 1998, method 3, without continuity correction."""
    assert wilson_interval(hits, rows, level=0.95) == pytest.approx((low, high), abs=5e-4)
