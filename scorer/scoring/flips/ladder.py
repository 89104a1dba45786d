"""How sure an exit must be: a ladder of thresholds, of which the boldest is taken that a sample shows to be good.

A *flip* is a row that gets another answer than the whole model gives it. The ladder is made of some rows, and tried on
others: from the most careful step up, each is tested at the same confidence, and the first that fails ends the tests.
So the probability that the step taken breaks its promise is at most one minus the confidence, however many steps there
are (fixed-sequence testing; Angelopoulos et al. 2021, "Learn then Test", section 4). Pure: arrays in, numbers out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scorer.scoring.flips.binomial import upper_bound

Thresholds = tuple[float, ...]
"""How clear each exit must be for a row to leave there; infinite where none leaves."""

# Steps of the ladder: prices of a flip, from the most careful to the boldest.
_PRICES = np.geomspace(0.002, 0.8, 96)
# An exit is no use where fewer rows leave.
_LEAST_SHARE = 0.01
_NEWTON_STEPS = 30


@dataclass(frozen=True)
class Shown:
    """What exits show of rows.

    clear  (exits, n) how clear each exit is of each row; NaN where it has nothing to say
    flips  (exits, n) bool, whether the row would get another answer there
    work   (exits,) the share of the whole model's work that is done when a row leaves there
    """

    clear: NDArray[np.float64]
    flips: NDArray[np.bool_]
    work: NDArray[np.float64]

    @property
    def rows(self) -> int:
        return len(self.clear[0])

    @classmethod
    def of_all(cls, pieces: Sequence[Shown]) -> Shown:
        """What the same exits show of the rows of all `pieces`, one at least."""
        clear = np.concatenate([piece.clear for piece in pieces], axis=1)
        return cls(clear, np.concatenate([piece.flips for piece in pieces], axis=1), pieces[0].work)


@dataclass(frozen=True)
class Outcome:
    """What `thresholds` come to: so many `flips` among so many `rows`, and the share of the `work` that is done."""

    thresholds: Thresholds
    flips: int
    rows: int
    work: float


@dataclass(frozen=True)
class Drawn:
    """A file of so many `rows`, of which so many made the exits, `fitting`, and others certify them: these are scored
    exactly, and do not flip, whatever they show."""

    rows: int
    fitting: int

    def bounded(self, bound: float, *, flips: int) -> float:
        """The bound on the share of the file that flips, of the `bound` on that of the rows that made no exits: the
        certifying rows, which showed so many `flips`, do not flip in the end."""
        return max(bound * (self.rows - self.fitting) - flips, 0.0) / self.rows


def tried(shown: Shown, thresholds: Thresholds) -> Outcome:
    """What becomes of the rows when each leaves at the first exit that is clear enough."""
    leaves = shown.clear >= np.array(thresholds)[:, None]
    anywhere = leaves.any(axis=0)
    place = leaves.argmax(axis=0)
    flips = shown.flips[place, np.arange(shown.rows)] & anywhere
    work = np.where(anywhere, shown.work[place], 1.0)
    return Outcome(thresholds, int(flips.sum()), shown.rows, float(work.mean()) if shown.rows else 1.0)


def ladder(shown: Shown) -> list[Thresholds]:
    """Thresholds from the most careful to the boldest.

    A row leaves where its risk of a flip is at most a price times the work that this saves: for each price this is what
    saves most work for the flips that it costs.
    """
    curves = [_risk(clear, flips) for clear, flips in zip(shown.clear, shown.flips, strict=True)]
    steps: list[Thresholds] = []
    for price in _PRICES:
        asked = [_clear_at(curve, price * (1 - work)) for curve, work in zip(curves, shown.work.tolist(), strict=True)]
        thresholds = _without_idle(shown, asked)
        if not steps or thresholds != steps[-1]:
            steps.append(thresholds)
    return steps


def certified(
    steps: Sequence[Thresholds], shown: Shown, *, share: float, confidence: float, file: Drawn | None = None
) -> tuple[Outcome, float] | None:
    """The boldest of the `steps` of which `shown`, rows that had no say in them, tell at this `confidence` that at most
    a `share` of rows flip; None where even the most careful one fails. With it the bound on that share: of
    all rows there ever are, or of the `file` that these were drawn from."""
    best = None
    for thresholds in steps:
        outcome = tried(shown, thresholds)
        bound = upper_bound(outcome.flips, outcome.rows, confidence=confidence)
        if file is not None:
            bound = file.bounded(bound, flips=outcome.flips)
        if bound > share:
            break
        best = outcome, bound
    return best


def _risk(clear: NDArray[np.float64], flips: NDArray[np.bool_]) -> tuple[float, float]:
    """a and b of the risk 1 / (1 + exp(-(a - b clear))) of a flip, by maximum likelihood with a little shrinkage."""
    said = np.isfinite(clear)
    x, y = np.log1p(clear[said]), flips[said].astype(np.float64)
    design = np.stack([np.ones_like(x), -x], axis=1)
    weights = np.zeros(2)
    for _ in range(_NEWTON_STEPS):
        risk = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        slope = design.T @ (y - risk) - 1e-2 * weights
        curve = (design * (risk * (1 - risk))[:, None]).T @ design + 1e-2 * np.eye(2)
        step = np.linalg.solve(curve, slope)
        weights += step
        if float(np.abs(step).max()) < 1e-9:
            break
    return float(weights[0]), float(weights[1])


def _clear_at(curve: tuple[float, float], risk: float) -> float:
    """How clear an exit must be for its `risk` to be no higher."""
    a, b = curve
    if b <= 0:
        return math.inf
    if risk <= 0:
        return math.inf
    odds = math.log(risk / (1 - risk)) if risk < 1 else math.inf
    log1p = max((a - odds) / b, 0.0)
    return math.expm1(log1p) if log1p < 50 else math.inf


def _without_idle(shown: Shown, asked: Sequence[float]) -> Thresholds:
    """The thresholds `asked` for; infinite at exits where hardly a row would leave."""
    left = np.ones(shown.rows, np.bool_)
    kept = []
    for clear, least in zip(shown.clear, asked, strict=True):
        leaves = left & (clear >= least)
        idle = leaves.mean() < _LEAST_SHARE
        kept.append(math.inf if idle else least)
        left &= ~leaves | idle
    return tuple(kept)
