"""Maps of the confidence's log-odds, fitted on held-out rows: what one temperature for all rows cannot bend.

Each is given the log-odds that the likeliest label of each row has after scaling, and whether that label is right, and
gives the points of a rising map (see `scorer.classifier.decision.Points`). Pure: arrays in, points out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.decision import Points
from scorer.classifier.metadata import STEEPEST

# How far the coefficients are expected from those that change nothing, as standard deviations.
_SPREAD = 0.5
_MOST_PASSES = 50
# Knots of a bent map: a bend that is smooth is followed to within 0.01 by straight pieces of this length.
_KNOTS = np.arange(-8.0, 16.5, 0.5)
# The width of the kernel that smooths steps, as a share of the log-odds' own standard deviation; and how far the
# log-odds go to what the smoothed steps say. Both were measured: jobs/bench/LOG.md.
_WIDTH, _WAY = 0.4, 0.6
_GROUPS, _STEP_KNOTS = 200, 15
# Least slope of a map: a surer row stays surer.
_LEAST_SLOPE = 0.02


def fit_line(odds: NDArray[np.float64], correct: NDArray[np.bool_]) -> Points:
    """A straight line: Platt scaling (Platt 1999) of the log-odds (n,) of answers of which `correct` (n,) are right."""
    slope, offset = _logistic(np.stack([odds, np.ones_like(odds)], 1), correct, expected=np.array([1.0, 0.0]))
    slope = max(slope, _LEAST_SLOPE)
    return ((0.0, offset), (1.0, offset + slope))


def fit_bend(odds: NDArray[np.float64], correct: NDArray[np.bool_]) -> Points:
    """Beta calibration (Kull et al. 2017): one slope for the unsure, another for the sure, smoothly joined."""
    coefficients = _logistic(_beta(odds), correct, expected=np.array([1.0, 1.0, 0.0]))
    coefficients[:2] = np.maximum(coefficients[:2], _LEAST_SLOPE)
    return _points(_KNOTS, _beta(_KNOTS) @ coefficients)


def fit_steps(odds: NDArray[np.float64], correct: NDArray[np.bool_]) -> Points:
    """Isotonic regression, whose steps are smoothed by a normal kernel over the log-odds; the answer lies between them
    and what the log-odds were, since hundreds of rows bend it by chance, too."""
    order = np.argsort(odds, kind="stable")
    parts = [part for part in np.array_split(order, min(_GROUPS, len(order))) if len(part)]
    where, rows = np.array([odds[part].mean() for part in parts]), np.array([len(part) for part in parts])
    shares = _rising(np.array([correct[part].mean() for part in parts]), rows)
    width = max(_WIDTH * odds.std(), 1e-3)
    knots = np.unique(np.quantile(odds, np.linspace(0.02, 0.98, _STEP_KNOTS)))
    weights = rows * np.exp(-(((knots[:, None] - where) / width) ** 2) / 2)
    weights /= weights.sum(axis=1, keepdims=True)
    # Both are smoothed, so that honest confidences are left alone.
    told = _logit(weights @ (0.5 + 0.5 * np.tanh(0.5 * where)), rows=len(odds))
    return _points(knots, knots + _WAY * (_logit(weights @ shares, rows=len(odds)) - told))


def _logit(shares: NDArray[np.float64], *, rows: int) -> NDArray[np.float64]:
    """The log-odds of `shares`, none of them surer than so many `rows` can make it."""
    some = np.clip(shares, 1 / (rows + 2), 1 - 1 / (rows + 2))
    return np.asarray(np.log(some / (1 - some)))


def _beta(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """log p, -log(1 - p) and 1 of each confidence p, (n, 3)."""
    return np.stack([-np.logaddexp(0, -odds), np.logaddexp(0, odds), np.ones_like(odds)], 1)


def _points(before: NDArray[np.float64], after: NDArray[np.float64]) -> Points:
    """Through these, each piece made as steep or as flat as a map may be at most; a line that changes nothing where
    there is no piece."""
    if len(before) < 2:
        return ((0.0, 0.0), (1.0, 1.0))
    slopes = np.clip(np.diff(after) / np.diff(before), _LEAST_SLOPE, STEEPEST / 2)
    heights = after[0] + np.append(0.0, np.cumsum(slopes * np.diff(before)))
    return tuple((float(x), float(y)) for x, y in zip(before, heights, strict=True))


def _rising(shares: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """The rising sequence nearest to `shares`, weighted by `rows`: pool adjacent violators (Ayer et al. 1955)."""
    blocks: list[list[float]] = []
    for share, weight in zip(shares.tolist(), rows.tolist(), strict=True):
        blocks.append([share, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            (a, n, i), (b, m, j) = blocks[-2:]
            blocks[-2:] = [[(a * n + b * m) / (n + m), n + m, i + j]]
    return np.repeat([block[0] for block in blocks], [int(block[2]) for block in blocks])


def _logistic(
    features: NDArray[np.float64], correct: NDArray[np.bool_], *, expected: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The coefficients of a logistic regression, with a normal prior around the `expected` ones; Newton's method."""
    found, target = expected.copy(), correct.astype(np.float64)
    for _ in range(_MOST_PASSES):
        chance = 0.5 + 0.5 * np.tanh(0.5 * (features @ found))
        slope = features.T @ (chance - target) + (found - expected) / _SPREAD**2
        bend = (features * (chance * (1 - chance))[:, None]).T @ features + np.eye(len(found)) / _SPREAD**2
        step = np.linalg.solve(bend, slope)
        # Far from the answer a whole step may leave the valley.
        found -= step * min(1.0, 1.0 / float(np.abs(step).max() + 1e-12))
        if float(np.abs(step).max()) < 1e-6:
            break
    return found
