"""Successive halving: all ways are tried on few rows, the better half of them on more, until one is left.

After Jamieson and Talwalkar 2016. Decisions alone; who trains stands elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Way = TypeVar("Way")

FEWEST_ROWS = 64


@dataclass(frozen=True)
class Cost:
    """What a trial takes: `fixed` seconds, and so many `a_row` that is learned from."""

    fixed: float
    a_row: float

    def of(self, rows: int) -> float:
        """The seconds of a trial on `rows` rows."""
        return self.fixed + self.a_row * rows


@dataclass(frozen=True)
class Worth:
    """What a way is worth, more is better, and the standard `error` of that."""

    value: float
    error: float


@dataclass(frozen=True)
class Standing(Generic[Way]):
    """How a way did on the most `rows` that it was tried on. `rung` counts from 1."""

    way: Way
    worth: Worth
    rows: int
    rung: int


def rungs_of(ways: int) -> int:
    """How many times there are trials until one of `ways` is left; once for a single one."""
    return max(math.ceil(math.log2(ways)), 1)


def rows_within(seconds: float, costs: Sequence[Cost], *, available: int) -> int:
    """On how many rows all ways with these `costs` can be tried in `seconds` together: `FEWEST_ROWS` at least."""
    left = seconds - sum(cost.fixed for cost in costs)
    rows = int(left / max(sum(cost.a_row for cost in costs), 1e-9))
    return min(max(rows, FEWEST_ROWS), available)


def halve(
    ways: Sequence[Way],
    costs: Mapping[Way, Cost],
    attempt: Callable[[Way, int], Worth | None],
    *,
    seconds: float,
    available: int,
    clock: Callable[[], float],
) -> list[Standing[Way]]:
    """Where each of `ways` stands when about so many `seconds` are over, the best first.

    `attempt` tries one on a number of rows, of which there are so many `available`, and tells what it is worth; None
    where that cannot be done, and the way is out, whatever it was worth before.

    Each round has an equal share of the time that is left. Ways that are less than a standard error behind the best are
    taken for equal, and the first named of them is better: what chance may have done decides nothing. The best goes on
    in any case. A round that cannot be afforded any more, on more rows than the one before, is left out.
    """
    began, alive = clock(), list(ways)
    found: dict[Way, Standing[Way]] = {}
    rows = 0
    for rung in range(1, rungs_of(len(ways)) + 1):
        left = seconds - (clock() - began)
        share = left / (rungs_of(len(ways)) - rung + 1)
        more = rows_within(share, [costs[way] for way in alive], available=available)
        if rung > 1 and (len(alive) < 2 or more <= rows or left <= 0):
            break
        rows = more
        for way in alive:
            found.pop(way, None)
            if (worth := attempt(way, rows)) is not None:
                found[way] = Standing(way, worth, rows, rung)
        alive = _staying([way for way in alive if way in found], found)
    rungs = range(rungs_of(len(ways)), 0, -1)
    by_rung = [[way for way in ways if way in found and found[way].rung == rung] for rung in rungs]
    return [found[way] for equals in by_rung for way in _best_first(equals, found)]


def _staying(ways: Sequence[Way], found: Mapping[Way, Standing[Way]]) -> list[Way]:
    """The half of `ways` that goes on, as they were named: the best in any case, and its equals before others."""
    if not ways:
        return []
    best = max(ways, key=lambda way: found[way].worth.value)
    order = list(dict.fromkeys([best, *_best_first(ways, found)]))
    chosen = order[: max(math.ceil(len(ways) / 2), 1)]
    return [way for way in ways if way in chosen]


def _best_first(ways: Sequence[Way], found: Mapping[Way, Standing[Way]]) -> list[Way]:
    """`ways` of one round: the best and its equals as they were named, then the others by what they are worth."""
    if not ways:
        return []
    best = max((found[way].worth for way in ways), key=lambda worth: worth.value)
    equals = [way for way in ways if found[way].worth.value >= best.value - best.error]
    others = sorted((way for way in ways if way not in equals), key=lambda way: -found[way].worth.value)
    return [*equals, *others]
