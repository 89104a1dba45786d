"""The learning curve: its points, and its picture as an inline SVG.

Owns the drawing. Does not know where the points come from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 320, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 28, 26
_CLASSES = ("one", "two")

Series = Sequence[tuple[float, float | None]]


@dataclass(frozen=True)
class Evaluation:
    """One evaluation during training; `train_loss` is the mean since the last one (None where it was not logged)."""

    epoch: float
    step: int
    train_loss: float | None
    valid_loss: float
    accuracy: float
    macro_f1: float


def chart(series: Mapping[str, Series]) -> str:
    """An `<svg>` of up to two named lines of (epoch, value); points without a finite value are left out."""
    assert len(series) <= len(_CLASSES)
    lines = {name: [(x, y) for x, y in points if y is not None and math.isfinite(y)] for name, points in series.items()}
    points = [point for line in lines.values() for point in line]
    if not points:
        return "<p>No evaluation was recorded.</p>"
    lowest, highest = _range([y for _, y in points])
    last = max(x for x, _ in points)

    def at(x: float, y: float) -> tuple[float, float]:
        across = _LEFT + (_WIDTH - _LEFT - _RIGHT) * x / last
        up = (y - lowest) / (highest - lowest)
        return round(across, 1), round(_HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * up, 1)

    drawn = [_line([at(x, y) for x, y in line], name, position) for position, (name, line) in enumerate(lines.items())]
    label = escape(" and ".join(series), quote=True)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label} by epoch">'
        f"{_axes(lowest, highest, last)}{''.join(drawn)}</svg>"
    )


def _range(values: Sequence[float]) -> tuple[float, float]:
    """The lowest and highest value with a margin, so that a flat line has a height too."""
    margin = max((max(values) - min(values)) * 0.1, 0.01)
    return min(values) - margin, max(values) + margin


def _axes(lowest: float, highest: float, last: float) -> str:
    floor, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    return (
        f'<path class="axis" fill="none" d="M{_LEFT} {_TOP}V{floor}H{right}"/>'
        f'<text x="{_LEFT - 4}" y="{_TOP + 4}" text-anchor="end">{highest:.2f}</text>'
        f'<text x="{_LEFT - 4}" y="{floor}" text-anchor="end">{lowest:.2f}</text>'
        f'<text x="{_LEFT}" y="{_HEIGHT - 8}">epoch 0</text>'
        f'<text x="{right}" y="{_HEIGHT - 8}" text-anchor="end">{last:.4g}</text>'
    )


def _line(points: Sequence[tuple[float, float]], name: str, position: int) -> str:
    colour = _CLASSES[position]
    dots = "".join(f'<circle class="{colour}" cx="{x}" cy="{y}" r="3"/>' for x, y in points)
    path = " ".join(f"{x},{y}" for x, y in points)
    title = f'<text class="{colour}" x="{_LEFT + 4 + 130 * position}" y="16">{escape(name)}</text>'
    return f'<polyline class="{colour}" points="{path}"/>{dots}{title}'
