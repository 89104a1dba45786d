"""What became of each labelled row, and which parts of the rows fare worse than the whole.

Rows are cut into slices by length or by what a column says. Pure functions on arrays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.decision import Decision
from scorer.metrics.classification import log_softmax, macro_f1
from scorer.metrics.reliability import expected_calibration_error, reliability

# Below it a probability in fp32 is 0, whose logarithm would hide everything else.
_LEAST = 1e-12
MOST_VALUES = 20
QUANTILES = 4
_SIGNIFICANCE = 0.05
_MISSING = "null"


@dataclass(frozen=True)
class Judged:
    """n labelled rows beside their answers.

    targets        class indices (n,) int64, or (n, labels) int8 of 0 and 1 where a row may have several labels
    predicted      the same for the answers
    probabilities  (n, labels) float32, calibrated
    confidence     (n,) float64: probability of the predicted label; of several labels, that all of them are right if
                   they are independent of each other
    correct        (n,) bool: whether all labels are right
    loss           (n,) float64: -log p(true label) in nats; of several labels, the mean over the labels
    """

    targets: NDArray[np.integer[Any]]
    predicted: NDArray[np.integer[Any]]
    probabilities: NDArray[np.float32]
    confidence: NDArray[np.float64]
    correct: NDArray[np.bool_]
    loss: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def multi(self) -> bool:
        return self.targets.ndim == 2


def judge(logits: NDArray[np.floating[Any]], targets: NDArray[np.integer[Any]], *, decision: Decision) -> Judged:
    """Compare the answers that `decision` gives to `logits` (n, labels) with `targets`, as in `Judged`."""
    probabilities = decision.probabilities(logits)
    if not decision.multi:
        rows = np.arange(len(targets))
        predicted = probabilities.argmax(axis=1)
        loss = -log_softmax(decision.scaled(logits))[rows, targets]
        confidence = probabilities[rows, predicted].astype(np.float64)
        return Judged(targets, predicted, probabilities, confidence, predicted == targets, loss)
    chosen = decision.chosen(probabilities)
    exact = probabilities.astype(np.float64)
    confidence = np.where(chosen, exact, 1 - exact).prod(axis=1)
    likelihood = np.where(targets == 1, exact, 1 - exact)
    loss = -np.log(np.maximum(likelihood, _LEAST)).mean(axis=1)
    correct = (chosen == (targets == 1)).all(axis=1)
    return Judged(targets, chosen.astype(np.int8), probabilities, confidence, correct, loss)


@dataclass(frozen=True)
class Slice:
    """The rows whose `column` is `value` (a name, a number, or a range of numbers).

    accuracy, macro_f1  of these rows; macro F1 is the mean over the labels that occur among them
    confidence          mean over the rows
    ece                 expected calibration error over 15 bins
    worse               whether the accuracy is significantly below that of all rows
    """

    column: str
    value: str
    rows: int
    accuracy: float
    macro_f1: float
    confidence: float
    ece: float
    worse: bool


def slices(column: str, values: Sequence[Any], judged: Judged) -> tuple[Slice, ...]:
    """The slices of `judged` by `values` (n,), numbers, times or names with None among them.

    Numbers, dates and times of more than 10 distinct values are cut at their quartiles, lowest first; of anything else
    the 20 values with the most rows come out, most rows first, and one slice of all the others. A slice is `worse` when
    the upper end of the Wilson interval of its accuracy (Wilson 1927) lies below the accuracy of all rows; its level is
    95 % for all slices of the column together (Bonferroni).
    """
    found = parts(values)
    level = 1 - _SIGNIFICANCE / 2 / max(len(found), 1)
    overall = float(judged.correct.mean())
    return tuple(_slice(column, value, rows, judged, overall, level) for value, rows in found)


# With fewer rows an accuracy is uncertain by 18 points and more to either side.
FEW_ROWS = 30


def wilson_interval(hits: int, rows: int, *, level: float) -> tuple[float, float]:
    """Both ends of the Wilson score interval of `hits` of `rows` > 0 at the two-sided `level` (Wilson 1927)."""
    one_sided = (1 + level) / 2
    low = 1.0 - wilson_upper(rows - hits, rows, level=one_sided)
    return max(low, 0.0), min(wilson_upper(hits, rows, level=one_sided), 1.0)


def wilson_upper(hits: int, rows: int, *, level: float) -> float:
    """The upper end of the Wilson score interval of `hits` of `rows` > 0 at the one-sided `level` (Wilson 1927)."""
    z = NormalDist().inv_cdf(level)
    share = hits / rows
    centre = share + z * z / (2 * rows)
    spread = z * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return min((centre + spread) / (1 + z * z / rows), 1.0) if hits < rows else 1.0


def _slice(column: str, value: str, rows: NDArray[np.int64], judged: Judged, overall: float, level: float) -> Slice:
    correct, confidence = judged.correct[rows], judged.confidence[rows]
    return Slice(
        column=column,
        value=value,
        rows=len(rows),
        accuracy=float(correct.mean()),
        macro_f1=_macro_f1(judged.targets[rows], judged.predicted[rows], labels=judged.probabilities.shape[1]),
        confidence=float(confidence.mean()),
        ece=expected_calibration_error(reliability(confidence, correct)),
        worse=wilson_upper(int(correct.sum()), len(rows), level=level) < overall,
    )


def _macro_f1(targets: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]], *, labels: int) -> float:
    if targets.ndim == 1:
        hits, said, support = (
            np.bincount(rows, minlength=labels) for rows in (targets[targets == predicted], predicted, targets)
        )
    else:
        hits, said, support = (rows.sum(axis=0) for rows in (targets & predicted, predicted, targets))
    return macro_f1(hits, predicted=said, support=support)


def parts(values: Sequence[Any]) -> list[tuple[str, NDArray[np.int64]]]:
    """Rows by the name of their slice, in the order in which slices are shown."""
    missing = np.array([value is None or value != value for value in values])
    present = np.flatnonzero(~missing)
    found = [values[row] for row in present.tolist()]
    cut = _by_quantile if _ordered(found) and len(set(found)) > 10 else _by_value
    groups = cut(found, present)
    return [*groups, (_MISSING, np.flatnonzero(missing))] if missing.any() else groups


def _ordered(values: Sequence[Any]) -> bool:
    """Whether all `values` are numbers, or all are dates, times or durations."""
    numbers = all(isinstance(value, int | float | Decimal) and not isinstance(value, bool) for value in values)
    return numbers or (isinstance(values[0], date | time | timedelta) and len({type(value) for value in values}) == 1)


def _by_quantile(values: Sequence[Any], rows: NDArray[np.int64]) -> list[tuple[str, NDArray[np.int64]]]:
    distinct = sorted(set(values))
    rank = {value: place for place, value in enumerate(distinct)}
    ranks = np.array([rank[value] for value in values])
    edges = np.unique(np.quantile(ranks, np.arange(1, QUANTILES) / QUANTILES, method="inverted_cdf"))
    place = np.searchsorted(edges, ranks)
    groups = [(ranks[place == index], rows[place == index]) for index in range(len(edges) + 1)]
    return [
        (f"{_written(distinct[part.min()])} to {_written(distinct[part.max()])}", members)
        for part, members in groups
        if len(part)
    ]


def _written(value: Any) -> str:
    """Of a number six digits, or all before the point: dates and times as numbers have more, and begin alike."""
    if isinstance(value, date | time | timedelta):
        return str(value)
    number = float(value)
    return f"{number:.0f}" if 1e5 <= abs(number) < 1e15 else f"{number:.6g}"


def _by_value(values: Sequence[Any], rows: NDArray[np.int64]) -> list[tuple[str, NDArray[np.int64]]]:
    groups: dict[str, list[int]] = {}
    for value, row in zip(values, rows.tolist(), strict=True):
        groups.setdefault(str(value), []).append(row)
    largest = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    parts = [(value, np.array(members)) for value, members in largest[:MOST_VALUES]]
    others = [row for _, members in largest[MOST_VALUES:] for row in members]
    return [*parts, (f"{len(largest) - MOST_VALUES} other values", np.array(others))] if others else parts
