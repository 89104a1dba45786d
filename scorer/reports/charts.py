"""Charts as inline SVG (lines, histograms, bars, reliability), and their axes: range, round ticks, spelling of numbers.

They are drawn here and not by a library: inline SVG follows the width, the fonts and the dark mode of the page, and
needs no dependency.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scorer.metrics.reliability import Bin
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
        place = self.at(value, self.y.low)[0]
        return f'<text x="{place}" y="{HEIGHT - _BOTTOM + 18}" text-anchor="middle">{self.x.label(value)}</text>'


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


# More numbers than these would touch each other on the width of a phone.
_MOST_STEPS = 10
# What varies by less than this share of itself is shown as not varying.
_FLAT = 0.001


@dataclass(frozen=True)
class Axis:
    """What an axis is called, and its ends where they do not follow from the data.

    percent  its values are shares, written as percentages
    whole    its values are counts, so that no tick lies between two of them
    steps    ascending numbers that stand at equal distances, however far apart they are
    """

    title: str
    low: float | None = None
    high: float | None = None
    percent: bool = False
    whole: bool = False
    steps: tuple[float, ...] = ()

    def scale(self, values: Sequence[float]) -> Scale:
        """The scale that holds every one of `values`, from tick to tick unless an end is given."""
        if self.steps:
            return self._uneven()
        low = min(values, default=0.0) if self.low is None else self.low
        high = max(values, default=1.0) if self.high is None else self.high
        size = max(abs(low), abs(high))
        if high - low <= size * _FLAT:
            # A flat line has a height too, and the ticks of an almost flat one few digits.
            margin = max(size * 0.1, 1.0 if self.whole else 0.01)
            # Nor does what is never negative become so.
            below = low - margin if low < 0 else max(low - margin, 0.0)
            low = low if self.low is not None else below
            high = high if self.high is not None and high > low else high + margin
        step = round_step((high - low) / 5, whole=self.whole)
        low = low if self.low is not None else math.floor(low / step + 1e-9) * step
        high = high if self.high is not None else math.ceil(high / step - 1e-9) * step
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        ticks = tuple(number * step for number in range(first, last + 1))
        return Scale(self.title, low, high, ticks, step, self.percent)

    def _uneven(self) -> Scale:
        apart = -(-len(self.steps) // _MOST_STEPS)
        return Scale(self.title, self.steps[0], self.steps[-1], self.steps[::apart], 1.0, self.percent, self.steps)


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high` with round `ticks`, `step` apart."""

    title: str
    low: float
    high: float
    ticks: tuple[float, ...]
    step: float
    percent: bool
    steps: tuple[float, ...] = ()

    def share(self, value: float) -> float:
        """How far along the axis `value` lies: 0 at `low`, 1 at `high`."""
        if self.steps:
            place = min(max(bisect_right(self.steps, value) - 1, 0), len(self.steps) - 2)
            within = (value - self.steps[place]) / (self.steps[place + 1] - self.steps[place])
            return (place + within) / (len(self.steps) - 1)
        return (value - self.low) / (self.high - self.low)

    def label(self, value: float) -> str:
        """`value` with the digits that tell ticks apart: 0.25, 40 %, 1,500, 20k, 3M, 2.5e-5."""
        if self.percent:
            return f"{_written(value * 100, self.step * 100)} %"
        largest = max(abs(self.low), abs(self.high))
        if 0 < largest < 1e-3:
            exponent = math.floor(math.log10(largest))
            return f"{_written(value / 10.0**exponent, self.step / 10.0**exponent)}e{exponent}" if value else "0"
        for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
            if largest >= 10 * size or (size > 1e3 and largest >= size):
                return f"{_written(value / size, self.step / size)}{letter}" if value else "0"
        return _written(value, self.step)


def round_step(width: float, *, whole: bool = False) -> float:
    """The smallest of 1, 2, 2.5 and 5 times a power of ten that is at least `width`; `whole` numbers from 1 on."""
    power = 10.0 ** math.floor(math.log10(width))
    factors = (1.0, 2.0, 5.0, 10.0) if whole else (1.0, 2.0, 2.5, 5.0, 10.0)
    step = next(factor * power for factor in factors if factor * power >= width * (1 - 1e-9))
    return max(1.0, step) if whole else step


def _written(value: float, step: float) -> str:
    digits = next((digits for digits in range(7) if abs(round(step, digits) - step) < step * 1e-6), 7)
    text = f"{value:,.{digits}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text
