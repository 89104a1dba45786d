"""Charts as inline SVG: lines, histograms, bars, reliability.

They are drawn here and not by a library: inline SVG follows the width, the fonts and the dark mode of the page, and
needs no dependency.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scorer.metrics.reliability import Bin
from scorer.reports.axes import Axis, Scale
from scorer.reports.page import Html, quoted, safe

# In units of the drawing, which is shown at about one pixel each.
WIDTH, HEIGHT = 380, 236
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 22, 24, 42
# The widest digit of the usual fonts at the size of the tick labels.
_DIGIT = 7.7
COLOURS = ("one", "two", "three", "four")

Points = Sequence[tuple[float, float | None]]


@dataclass(frozen=True)
class Curve:
    """A named line of (x, y); points without a finite y are left out."""

    name: str
    points: Points


@dataclass(frozen=True)
class Mark:
    """A vertical line at `x` with what it stands for; a chart has up to two that look different."""

    x: float
    name: str


def line_chart(curves: Sequence[Curve], *, x: Axis, y: Axis, marks: Sequence[Mark] = ()) -> Html:
    """Up to four lines over one pair of axes, with a legend; says so where there is nothing to draw."""
    assert len(curves) <= len(COLOURS)
    lines = [[(across, up) for across, up in curve.points if up is not None and math.isfinite(up)] for curve in curves]
    points = [point for line in lines for point in line]
    if not points:
        return Html("<p>There is nothing to draw yet.</p>")
    frame = _Frame.around([across for across, _ in points] + [mark.x for mark in marks], [up for _, up in points], x, y)
    drawn = "".join(_line(frame, line, COLOURS[position]) for position, line in enumerate(lines) if line)
    keys = [(f"{COLOURS[position]} stroke", curve.name) for position, curve in enumerate(curves)]
    return Html(_legend(keys, marks) + frame.svg(drawn + frame.marks(marks)))


def histogram(edges: Sequence[float], counts: Sequence[float], *, x: Axis, y: Axis, marks: Sequence[Mark] = ()) -> Html:
    """Bars of `counts` (bins,) between `edges` (bins + 1,) ascending, with a legend for `marks`."""
    assert len(edges) == len(counts) + 1
    frame = _Frame.around([edges[0], edges[-1], *(mark.x for mark in marks)], [0.0, max(counts)], x, y)
    bars = "".join(
        frame.bar(low, high, 0.0, count, "one faint")
        for low, high, count in zip(edges, edges[1:], counts, strict=False)
        if count
    )
    return Html(_legend([], marks) + frame.svg(bars + frame.marks(marks)))


def paired_histogram(
    edges: Sequence[float], ours: tuple[str, Sequence[int]], theirs: tuple[str, Sequence[int]], *, x: Axis, y: str
) -> Html:
    """Bars of the shares that `ours` (name, counts (bins,)) have in the bins between `edges` (bins + 1,), and the
    outline of those of `theirs`; both have rows."""
    shares = [[count / (sum(counts) or 1) for count in counts] for _, counts in (ours, theirs)]
    assert len(edges) == len(shares[0]) + 1 == len(shares[1]) + 1
    frame = _Frame.around([edges[0], edges[-1]], [0.0, *shares[0], *shares[1]], x, Axis(y, low=0.0, percent=True))
    bins = list(zip(edges, edges[1:], *shares, strict=False))
    drawn = "".join(frame.bar(low, high, 0.0, share, "one faint") for low, high, share, _ in bins if share)
    corners = [frame.at(place, share) for low, high, _, share in bins for place in (low, high)]
    path = " ".join(f"{across},{up}" for across, up in corners)
    outline = f'<polyline class="two stroke" points="{path}"/>'
    keys = [("one faint", ours[0]), ("two stroke", theirs[0])]
    return Html(_legend(keys, ()) + frame.svg(drawn + outline))


def scatter(points: Sequence[tuple[float, float]], *, x: str, y: str) -> Html:
    """A dot for each of the `points` (true, predicted), n > 0, on two axes with the same range, and the line of equal
    numbers."""
    values = [value for point in points for value in point]
    frame = _Frame(Axis(x).scale(values), Axis(y).scale(values))
    dots = "".join(
        f'<circle class="one faint" cx="{across}" cy="{up}" r="2.5"/>' for across, up in (frame.at(*p) for p in points)
    )
    start, end = (frame.at(value, value) for value in (frame.x.low, frame.x.high))
    diagonal = f'<path class="diagonal" fill="none" d="M{start[0]} {start[1]}L{end[0]} {end[1]}"/>'
    keys = [("one faint", "a row"), ("diagonal", "right")]
    return Html(_legend(keys, ()) + frame.svg(dots + diagonal))


def reliability_diagram(bins: Sequence[Bin], *, x: str = "confidence", y: str = "accuracy") -> Html:
    """Accuracy over confidence, bin by bin, with its gap to the diagonal of honest ones (Guo et al. 2017, figure 4).

    The more rows a bin has, the stronger it is drawn.
    """
    frame = _Frame(Axis(x, low=0.0, high=1.0).scale([]), Axis(y, low=0.0, high=1.0).scale([]))
    most = max((bin_.rows for bin_ in bins), default=0) or 1
    parts = [_reliability_bin(frame, bin_, most) for bin_ in bins if bin_.rows]
    start, end = frame.at(0.0, 0.0), frame.at(1.0, 1.0)
    diagonal = f'<path class="diagonal" fill="none" d="M{start[0]} {start[1]}L{end[0]} {end[1]}"/>'
    keys = [("one faint", y), ("gap", f"gap to the {x}"), ("diagonal", "honest")]
    return Html(_legend(keys, ()) + frame.svg("".join(parts) + diagonal))


def bars(
    rows: Iterable[tuple[str, Sequence[float]]],
    *,
    series: Sequence[str] = (),
    unit: str = "",
    longest: Sequence[float] | None = None,
) -> Html:
    """A bar with its count for each named row, or one for each of up to four `series`.

    Bars are as long as their value's share of the largest of its series, or of `longest`. They are made of boxes, so
    that names of any length and any number of rows keep their place.
    """
    listed = list(rows)
    columns = list(zip(*(values for _, values in listed), strict=True))
    most = longest or [max(column) for column in columns]
    shown = [" / ".join(f"{value:,}{unit}" for value in values) for _, values in listed]
    lines = "".join(
        _bar_row(name, [value / (of or 1) for value, of in zip(values, most, strict=True)], text)
        for (name, values), text in zip(listed, shown, strict=True)
    )
    keys = [(f"{COLOURS[position]} fill", name) for position, name in enumerate(series)]
    # Each row is a grid of its own, so that many rows can stand in two columns; these widths make them one table.
    widths = max((len(name) for name, _ in listed), default=0), max(map(len, shown), default=0)
    style = f"--name:{min(max(widths[0], 4), 20) + 1}ch;--value:{widths[1] + 1}ch"
    many = " many" if len(listed) > 12 else ""
    return Html(f'{_legend(keys, ())}<div class="bars{many}" style="{style}">\n{lines}</div>')


@dataclass(frozen=True)
class _Frame:
    """The rectangle between the axes, and what is drawn on it."""

    x: Scale
    y: Scale

    @classmethod
    def around(cls, across: Sequence[float], up: Sequence[float], x: Axis, y: Axis) -> _Frame:
        return cls(x.scale(across), y.scale(up))

    @property
    def left(self) -> float:
        """Where the drawing begins, beside the numbers of its vertical axis."""
        return round(max(_LEFT, 8 + _DIGIT * max(len(self.y.label(value)) for value in self.y.ticks)), 1)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point lies in the drawing; larger y are higher, so nearer to 0."""
        across = self.left + (WIDTH - self.left - _RIGHT) * self.x.share(x)
        return round(across, 1), round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * self.y.share(y), 1)

    def bar(self, left: float, right: float, bottom: float, top: float, colour: str) -> str:
        (x1, y1), (x2, y2) = self.at(left, top), self.at(right, bottom)
        width, height = max(x2 - x1 - 1, 0.5), max(y2 - y1, 0.0)
        return f'<rect class="{colour}" x="{x1 + 0.5:.1f}" y="{y1}" width="{width:.1f}" height="{height:.1f}"/>'

    def marks(self, marks: Sequence[Mark]) -> str:
        places = [self.at(mark.x, self.y.low)[0] for mark in marks]
        return "".join(
            f'<path class="{_mark_look(number)}" d="M{place} {_TOP}V{HEIGHT - _BOTTOM}"/>'
            for number, place in enumerate(places)
        )

    def svg(self, drawn: str) -> str:
        label = f"{self.y.title} by {self.x.title}"
        return (
            f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{safe(label)}">'
            f"{self._axes()}{drawn}</svg>"
        )

    def _axes(self) -> str:
        floor, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
        rows = "".join(self._row(value) for value in self.y.ticks)
        columns = "".join(self._column(value) for value in self.x.ticks)
        return (
            f'{rows}<path class="axis" fill="none" d="M{self.left} {floor}H{right}"/>{columns}'
            f'<text x="2" y="12">{safe(self.y.title)}</text>'
            f'<text x="{(self.left + right) / 2}" y="{HEIGHT - 4}" text-anchor="middle">{safe(self.x.title)}</text>'
        )

    def _row(self, value: float) -> str:
        height = self.at(self.x.low, value)[1]
        return (
            f'<path class="grid" d="M{self.left} {height}H{WIDTH - _RIGHT}"/>'
            f'<text x="{self.left - 6}" y="{height + 4}" text-anchor="end">{self.y.label(value)}</text>'
        )

    def _column(self, value: float) -> str:
        place, label = self.at(value, self.y.low)[0], self.x.label(value)
        # What is longer than a number must not stand out of the drawing.
        half = _DIGIT * len(label) / 2
        place = round(min(max(place, half), WIDTH - half), 1)
        return f'<text x="{place}" y="{HEIGHT - _BOTTOM + 18}" text-anchor="middle">{safe(label)}</text>'


def _line(frame: _Frame, line: Sequence[tuple[float, float]], colour: str) -> str:
    places = [frame.at(across, up) for across, up in line]
    path = " ".join(f"{across},{up}" for across, up in places)
    # Dots tell few measurements apart; many would hide the line.
    dots = places if len(places) <= 12 else []
    drawn = "".join(f'<circle class="{colour} fill" cx="{across}" cy="{up}" r="3"/>' for across, up in dots)
    return f'<polyline class="{colour} stroke" points="{path}"/>{drawn}'


def _reliability_bin(frame: _Frame, bin_: Bin, most: int) -> str:
    low, high = sorted((bin_.accuracy, bin_.confidence))
    weight = 0.4 + 0.6 * bin_.rows / most
    tip = f"{bin_.rows:,} rows, confidence {bin_.confidence:.3f}, accuracy {bin_.accuracy:.3f}"
    accuracy = frame.bar(bin_.low, bin_.high, 0.0, bin_.accuracy, "one faint")
    gap = frame.bar(bin_.low, bin_.high, low, high, "gap")
    return f'<g opacity="{weight:.2f}"><title>{tip}</title>{accuracy}{gap}</g>'


def _bar_row(name: str, shares: Sequence[float], text: str) -> str:
    tracks = "".join(
        f'<i class="{COLOURS[position]}" style="--share:{share:.4f}"></i>' for position, share in enumerate(shares)
    )
    return (
        f'<div><span class="name">{quoted(name, 40)}</span><span class="track">{tracks}</span>'
        f'<span class="value">{safe(text)}</span></div>\n'
    )


def _legend(keys: Sequence[tuple[str, str]], marks: Sequence[Mark]) -> str:
    """What each mark means; a single line needs no legend beside the title of its axis."""
    entries = [
        *(keys if len(keys) > 1 else ()),
        *((_mark_look(number), mark.name) for number, mark in enumerate(marks)),
    ]
    if not entries:
        return ""
    items = "".join(f"<li>{_swatch(look)}{safe(name)}</li>" for look, name in entries)
    return f'<ul class="legend">{items}</ul>\n'


def _mark_look(number: int) -> str:
    return "mark" if number == 0 else "mark other"


def _swatch(look: str) -> str:
    lines = "stroke" in look or look.startswith(("mark", "diagonal"))
    shape = '<path class="{}" d="M1 6H23"/>' if lines else '<rect class="{}" x="4" y="1" width="16" height="10"/>'
    return f'<svg viewBox="0 0 24 12" aria-hidden="true">{shape.format(look)}</svg>'
