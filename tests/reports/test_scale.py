"""Numbers on axes."""

from __future__ import annotations

import numpy as np
import pytest

from scorer.reports.scale import Axis, Scale, round_step


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
