"""The axes of charts: their range, round ticks, the spelling of numbers, positions that have names."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

# More numbers than these would touch each other on the width of a phone.
_MOST_STEPS = 10
# What varies by less than this share of itself is shown as not varying.
_FLAT = 0.001
# So many characters of all names together fit beneath an axis.
_NAMES_WIDTH = 38


@dataclass(frozen=True)
class Axis:
    """What an axis is called, and its ends where they do not follow from the data.

    percent  its values are shares, written as percentages
    whole    its values are counts, so that no tick lies between two of them
    steps    ascending numbers that stand at equal distances, however far apart they are
    names    what stands at 0, 1, 2 and so on, such as days; as many as fit are written
    """

    title: str
    low: float | None = None
    high: float | None = None
    percent: bool = False
    whole: bool = False
    steps: tuple[float, ...] = ()
    names: tuple[str, ...] = ()

    def scale(self, values: Sequence[float]) -> Scale:
        """The scale that holds every one of `values`, from tick to tick unless an end is given."""
        if self.steps:
            return self._uneven()
        if self.names:
            return self._named()
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
        low, high = self.steps[0], self.steps[-1]
        whole = all(float(value).is_integer() for value in self.steps)
        step = 1.0 if whole else 10.0 ** math.floor(math.log10(high - low)) / 100
        scale = Scale(self.title, low, high, self.steps, step, self.percent, self.steps)
        widest = max(len(scale.label(value)) for value in self.steps)
        apart = -(-len(self.steps) // min(_MOST_STEPS, _NAMES_WIDTH // (widest + 1)))
        return replace(scale, ticks=self.steps[::apart])

    def _named(self) -> Scale:
        fitting = max(_NAMES_WIDTH // (max(map(len, self.names)) + 2), 1)
        ticks = tuple(map(float, range(0, len(self.names), -(-len(self.names) // fitting))))
        return Scale(self.title, -0.5, len(self.names) - 0.5, ticks, 1.0, self.percent, names=self.names)


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
    names: tuple[str, ...] = ()

    def share(self, value: float) -> float:
        """How far along the axis `value` lies: 0 at `low`, 1 at `high`."""
        if self.steps:
            place = min(max(bisect_right(self.steps, value) - 1, 0), len(self.steps) - 2)
            within = (value - self.steps[place]) / (self.steps[place + 1] - self.steps[place])
            return (place + within) / (len(self.steps) - 1)
        return (value - self.low) / (self.high - self.low)

    def label(self, value: float) -> str:
        """`value` with the digits that tell ticks apart: 0.25, 40 %, 1,500, 20k, 3M, 2.5e-5; or its name."""
        if self.names:
            return self.names[int(value)]
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
