"""The charts: points lie where their values say, what cannot be drawn is left out, and numbers on axes are round."""

from __future__ import annotations

import re

import numpy as np
import pytest

from scorer.metrics.reliability import Bin, reliability
from scorer.reports.axes import Axis, Scale, round_step
from scorer.reports.charts import (
    HEIGHT,
    WIDTH,
    Curve,
    Mark,
    bars,
    histogram,
    line_chart,
    reliability_diagram,
)
from tests.reports.markup import checked

X, Y = Axis("epoch"), Axis("loss")


def rectangles(svg: str) -> list[tuple[float, float, float, float]]:
    """x, y, width, height of each bar of the drawing, those of the legend left out."""
    drawing = svg.split('class="chart"')[1]
    found = re.findall(r'<rect [^>]*?x="(.*?)" y="(.*?)" width="(.*?)" height="(.*?)"', drawing)
    return [(float(x), float(y), float(width), float(height)) for x, y, width, height in found]


def test_points_lie_where_their_values_say() -> None:
    curves = [Curve("loss", [(1.0, 2.0), (2.0, 1.0)]), Curve("other", [(1.0, None), (2.0, float("nan"))])]
    svg = line_chart(curves, x=X, y=Y)
    places = re.findall(r'points="([^"]+)"', svg)
    assert len(places) == 1, "a line without a point is not drawn"
    (x1, y1), (x2, y2) = [tuple(map(float, point.split(","))) for point in places[0].split()]
    assert 0 < x1 < x2 < WIDTH
    assert 0 < y1 < y2 < HEIGHT, "a larger value stands higher, which is a smaller y"
    assert svg.count("<circle") == 2


@pytest.mark.parametrize("points", [[(1.0, 0.5)], [(1.0, 0.5), (2.0, 0.5)]])
def test_one_point_and_a_flat_line_are_drawn(points: list[tuple[float, float | None]]) -> None:
    assert line_chart([Curve("x", points)], x=X, y=Y).count("<circle") == len(points)


def test_no_point_is_said() -> None:
    assert "nothing to draw" in line_chart([Curve("x", [])], x=X, y=Y)


def test_bars_of_a_histogram_have_the_heights_of_their_counts() -> None:
    svg = histogram([0, 10, 20, 40], [2, 0, 4], x=Axis("length"), y=Axis("rows", low=0), marks=[Mark(30, "here")])
    (x1, _, width1, height1), (x2, _, width2, height2) = rectangles(svg)
    assert height2 == pytest.approx(2 * height1, abs=0.2)
    assert width2 + 1 == pytest.approx(2 * (width1 + 1), abs=0.3)
    assert x1 < x2
    assert float(re.findall(r'class="mark" d="M(.*?) ', svg.split('class="chart"')[1])[0]) == pytest.approx(
        x2 - 0.5 + (width2 + 1) / 2, abs=0.2
    )


def test_an_honest_bin_has_no_gap() -> None:
    (_, _, _, bar), (_, _, _, gap) = rectangles(reliability_diagram([Bin(0.4, 0.6, 10, 0.5, 0.5)]))
    assert bar > 0
    assert gap == 0
    (_, _, _, bar), (_, _, _, gap) = rectangles(reliability_diagram([Bin(0.4, 0.6, 10, 0.5, 0.25)]))
    assert gap == pytest.approx(bar, abs=0.2)


def test_bins_without_rows_are_not_drawn() -> None:
    bins = reliability(np.array([0.9, 0.95, 0.3]), np.array([True, False, True]))
    assert len(rectangles(reliability_diagram(bins))) == 2 * sum(bin_.rows > 0 for bin_ in bins)


def test_bars_of_names_are_scaled_by_the_largest_of_their_series() -> None:
    html = bars([("a", [10, 1]), ("b<", [5, 4])], series=("training", "validation"))
    assert re.findall('--share:(.*?)"', html) == ["1.0000", "0.2500", "0.5000", "1.0000"]
    assert {"a", "b<", "10 / 1", "5 / 4"} <= set(checked(html).texts)


def test_bars_of_nothing_are_nothing() -> None:
    assert "--share" not in bars([])
    assert "0.0000" in bars([("none", [0])])


def labels(scale: Scale) -> list[str]:
    return [scale.label(tick) for tick in scale.ticks]


@pytest.mark.parametrize(
    ("axis", "values", "expected"),
    [
        (Axis("x", high=1.0, percent=True), [1.0], ["90 %", "92 %", "94 %", "96 %", "98 %", "100 %"]),
        (Axis("x", low=0, high=1), [], ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (Axis("x", low=0, high=1, percent=True), [], ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]),
        (Axis("x", low=0), [3.0], ["0", "1", "2", "3"]),
        (Axis("x"), [0.91, 0.97], ["0.90", "0.92", "0.94", "0.96", "0.98"]),
        (Axis("x", low=0, whole=True), [2], ["0", "1", "2"]),
        (Axis("x", low=0), [1312], ["0", "500", "1,000", "1,500"]),
        (Axis("x", low=0), [2e-5], ["0", "0.5e-5", "1.0e-5", "1.5e-5", "2.0e-5"]),
        (Axis("x", low=0), [52_000], ["0", "20k", "40k", "60k"]),
        (Axis("x", low=0), [2_300_000], ["0", "0.5M", "1.0M", "1.5M", "2.0M", "2.5M"]),
    ],
)
def test_ticks_are_round_and_hold_the_data(axis: Axis, values: list[float], expected: list[str]) -> None:
    assert labels(axis.scale(values)) == expected


@pytest.mark.parametrize("seed", range(50))
def test_every_value_lies_on_its_scale(seed: int) -> None:
    draw = np.random.default_rng(seed)
    values = (draw.normal(size=3) * 10.0 ** draw.integers(-4, 7)).tolist()
    scale = Axis("x").scale(values)
    assert all(-1e-9 <= scale.share(value) <= 1 + 1e-9 for value in values)
    assert 2 <= len(scale.ticks) <= 8
    assert len(set(labels(scale))) == len(scale.ticks), "ticks that read alike tell nothing"


@pytest.mark.parametrize("value", [0.0, 0.5, -3.0, 1e6])
def test_a_flat_line_has_a_height(value: float) -> None:
    scale = Axis("x").scale([value, value])
    assert scale.low < scale.high
    assert scale.low <= value <= scale.high
    assert scale.low >= 0 or value < 0


def test_uneven_steps_stand_at_equal_distances() -> None:
    scale = Axis("x", steps=(0, 4, 8, 64)).scale([])
    assert [scale.share(step) for step in (0, 4, 8, 64)] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert scale.share(36) == pytest.approx(5 / 6)
    assert len(Axis("x", steps=tuple(range(40))).scale([]).ticks) <= 10


@pytest.mark.parametrize(
    ("width", "step"), [(0.013, 0.02), (0.21, 0.25), (0.26, 0.5), (1.0, 1.0), (1.2, 2.0), (7.0, 10.0), (180.0, 200.0)]
)
def test_steps_are_round(width: float, step: float) -> None:
    assert round_step(width) == pytest.approx(step)
    assert round_step(width, whole=True) == int(round_step(width, whole=True)) >= 1
