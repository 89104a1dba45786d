"""Small multiples: the same small drawing for each of many labels, side by side, where one chart would be crowded.

Each has its own name and its own height, which is written in it; the horizontal axes are the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from scorer.metrics.reliability import Bin
from scorer.reports.axes import Axis, Scale
from scorer.reports.page import Html, joined, more, quoted, safe

MANY: Final = 6
"""With more labels than these, each has a drawing of its own."""
_SHOWN, _MOST = 12, 120
_WIDTH, _HEIGHT = 168, 96
_LEFT, _RIGHT, _TOP, _BOTTOM = 4, 4, 20, 18


@dataclass(frozen=True)
class Panel:
    """A small drawing with its `name` above it and a short `note` below."""

    name: str
    drawing: Html
    note: str = ""


def multiples(panels: Sequence[Panel], *, of: str = "labels") -> Html:
    """The panels in a grid, those beyond the first 12 folded away, and beyond 120 left out; `of` says what there is one
    of each for."""
    grid, rest = _grid(panels[:_SHOWN]), panels[_SHOWN:_MOST]
    if not rest:
        return grid
    left = f", of {len(panels) - _SHOWN:,}" if len(panels) > _MOST else ""
    return joined([grid, more(f"{len(rest)} more {of}{left}", _grid(rest))])


def small_histogram(counts: Sequence[int], *, mark: float | None = None) -> Html:
    """Bars of `counts` in bins of equal width between 0 and 1, and a line at `mark`."""
    most = max(counts, default=0) or 1
    box = _Box(0.0, 1.0, most)
    width = 1 / max(len(counts), 1)
    bars = "".join(
        box.bar(place * width, (place + 1) * width, count, "one faint") for place, count in enumerate(counts) if count
    )
    line = f'<path class="mark" d="M{box.across(mark)} {_TOP}V{_HEIGHT - _BOTTOM}"/>' if mark is not None else ""
    return box.svg(bars + line, ends=("0", "1"), most=f"{most:,}", what="rows by confidence")


def small_reliability(bins: Sequence[Bin]) -> Html:
    """Accuracy by confidence, with the diagonal of honest ones; the more rows a bin has, the stronger it is drawn."""
    box = _Box(0.0, 1.0, 1.0)
    most = max((bin_.rows for bin_ in bins), default=0) or 1
    drawn = "".join(
        f'<g opacity="{0.4 + 0.6 * bin_.rows / most:.2f}"><title>{bin_.rows:,} rows, confidence {bin_.confidence:.3f}, '
        f"accuracy {bin_.accuracy:.3f}</title>{box.bar(bin_.low, bin_.high, bin_.accuracy, 'one faint')}</g>"
        for bin_ in bins
        if bin_.rows
    )
    diagonal = f'<path class="diagonal" fill="none" d="M{_LEFT} {_HEIGHT - _BOTTOM}L{_WIDTH - _RIGHT} {_TOP}"/>'
    return box.svg(drawn + diagonal, ends=("0", "1"), most="100 %", what="accuracy by confidence")


def small_line(values: Sequence[float | None], *, ends: tuple[str, str], percent: bool = True) -> Html:
    """A line through `values` at equal distances, from 0 on; nothing is drawn where there is none. `ends` name the
    first and the last of them."""
    known = [value for value in values if value is not None]
    scale: Scale = Axis("", low=0.0, percent=percent).scale(known or [0.0])
    box = _Box(0.0, max(len(values) - 1, 1), scale.high)
    points = [(box.across(place), box.up(value)) for place, value in enumerate(values) if value is not None]
    path = " ".join(f"{across},{up}" for across, up in points)
    dots = "".join(f'<circle class="one fill" cx="{across}" cy="{up}" r="2"/>' for across, up in points)
    line = f'<polyline class="one stroke" points="{path}"/>' + (dots if len(points) <= _SHOWN else "")
    return box.svg(line if points else "", ends=ends, most=scale.label(scale.high), what="share over time")


@dataclass(frozen=True)
class _Box:
    """Where the drawing lies between `low` and `high`, and 0 and `most`."""

    low: float
    high: float
    most: float

    def across(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * min(max(share, 0.0), 1.0), 1)

    def up(self, value: float) -> float:
        share = value / self.most if self.most and math.isfinite(value) else 0.0
        return round(_HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share, 1)

    def bar(self, low: float, high: float, value: float, colour: str) -> str:
        left, right, top = self.across(low), self.across(high), self.up(value)
        width, height = max(right - left - 1, 0.5), _HEIGHT - _BOTTOM - top
        return f'<rect class="{colour}" x="{left + 0.5:.1f}" y="{top}" width="{width:.1f}" height="{height:.1f}"/>'

    def svg(self, drawn: str, *, ends: tuple[str, str], most: str, what: str) -> Html:
        floor = _HEIGHT - _BOTTOM
        begin, end = (safe(name) for name in ends)
        return Html(
            f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{safe(what)}">'
            f'<path class="grid" d="M{_LEFT} {_TOP}H{_WIDTH - _RIGHT}"/>'
            f'<path class="axis" fill="none" d="M{_LEFT} {floor}H{_WIDTH - _RIGHT}"/>{drawn}'
            f'<text x="{_LEFT}" y="{_TOP - 6}">{safe(most)}</text>'
            f'<text x="{_LEFT}" y="{_HEIGHT - 4}">{begin}</text>'
            f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 4}" text-anchor="end">{end}</text></svg>'
        )


def _grid(panels: Sequence[Panel]) -> Html:
    drawn = "".join(
        f"<figure><h3>{quoted(panel.name, 40)}</h3>{panel.drawing}"
        f"{f'<figcaption>{safe(panel.note)}</figcaption>' if panel.note else ''}</figure>\n"
        for panel in panels
    )
    return Html(f'<div class="multiples">\n{drawn}</div>')
