"""How good predicted numbers are: errors in the unit of the numbers, correlations, and how far chance may move them.

Where a figure needs a spread that is not there, because all numbers are equal, it is 0: it says nothing. Pure functions
on arrays.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.metrics.judged_rows import FEW_ROWS, parts

_SIGNIFICANCE = 0.05
# The normal quantile of a two-sided level of 95 %.
_Z = NormalDist().inv_cdf(1 - _SIGNIFICANCE / 2)
_ERROR_SHARES = (0.5, 0.9, 0.95)
# Outer fences of Tukey 1977, "Exploratory Data Analysis": so many interquartile ranges beyond the quartiles.
_FENCE = 3.0
_HUGE = 1e150

Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class RegressionMetrics:
    """Figures of `rows` predicted numbers; a residual is the true number minus the predicted one.

    rmse            root of the mean squared residual, in the unit of the numbers
    mae             mean absolute residual, in that unit
    r2              coefficient of determination, 1 - sum of squared residuals / sum of squared distances from the mean
    pearson         correlation of true and predicted numbers (Pearson 1895)
    spearman        correlation of their ranks, equal numbers sharing their mean rank (Spearman 1904)
    mean_residual   how much too low the predictions are on average
    absolute_error  the absolute residual that so large a share of the rows (0.5, 0.9, 0.95) does not exceed
    intervals       of some figures both ends of the 95 % interval, see `intervals`
    """

    rows: int
    rmse: float
    mae: float
    r2: float
    pearson: float
    spearman: float
    mean_residual: float
    absolute_error: Mapping[float, float]
    intervals: Mapping[str, tuple[float, float]]

    def headline(self) -> dict[str, float]:
        """The figures that are one number for all rows, by their names."""
        return {
            "rmse": self.rmse,
            "mae": self.mae,
            "r2": self.r2,
            "pearson": self.pearson,
            "spearman": self.spearman,
        }

    def as_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return {
            "rows": self.rows,
            **self.headline(),
            "mean_residual": self.mean_residual,
            "absolute_error": {str(share): error for share, error in self.absolute_error.items()},
            "intervals": {name: list(ends) for name, ends in self.intervals.items()},
        }


def measure_numbers(targets: Numbers, predicted: Numbers) -> RegressionMetrics:
    """The metrics of `predicted` (n,) against `targets` (n,), n > 0."""
    residual = targets - predicted
    return RegressionMetrics(
        rows=len(targets),
        rmse=float(np.sqrt((residual**2).mean())),
        mae=float(np.abs(residual).mean()),
        r2=r_squared(targets, predicted),
        pearson=pearson(targets, predicted),
        spearman=spearman(targets, predicted),
        mean_residual=float(residual.mean()),
        absolute_error={share: float(np.quantile(np.abs(residual), share)) for share in _ERROR_SHARES},
        intervals=intervals(targets, predicted),
    )


def r_squared(targets: Numbers, predicted: Numbers) -> float:
    """1 - sum((y - f)^2) / sum((y - mean(y))^2) of `targets` y (n,) and `predicted` f (n,): 1 is perfect, 0 what the
    mean of the targets gives, and there is no least. 0 where all targets are equal."""
    total = ((targets - targets.mean()) ** 2).sum()
    return float(1.0 - ((targets - predicted) ** 2).sum() / total) if total > 0 and _vary(targets) else 0.0


def _vary(values: Numbers) -> bool:
    """Whether not all of `values` (n,) are equal. The mean of equal ones may be another number, so no distance from it
    tells that."""
    return bool(values.min() < values.max())


def pearson(first: Numbers, second: Numbers) -> float:
    """The correlation of two series (n,): the mean product of their standardised numbers, from -1 to 1. 0 where one of
    them does not vary."""
    a, b = first - first.mean(), second - second.mean()
    # Scaled first, so that no square leaves the range of a float64.
    size = float(np.abs(a).max()), float(np.abs(b).max())
    if not (all(size) and _vary(first) and _vary(second)):
        return 0.0
    a, b = a / size[0], b / size[1]
    found = float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))
    return min(max(found, -1.0), 1.0)


def spearman(first: Numbers, second: Numbers) -> float:
    """The correlation of the ranks of two series (n,), of which equal numbers have their mean rank."""
    return pearson(ranks(first), ranks(second))


def ranks(values: Numbers) -> Numbers:
    """The rank (n,) of each value from 1 on; equal ones share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[place.reshape(-1)], np.float64)


def intervals(targets: Numbers, predicted: Numbers) -> dict[str, tuple[float, float]]:
    """Both ends of the 95 % intervals of figures on rows like these; none with fewer than 4 rows.

    rmse, mae  the mean of squared or absolute residuals plus and minus 1.96 standard errors (central limit theorem); of
               the squares, the root
    r2         the same of the ratio of two means, its error linearised (Cochran 1977, section 6.3)
    pearson    Fisher's transformation, tanh(artanh(r) +- 1.96 / sqrt(n - 3)) (Fisher 1921)
    spearman   the same with sqrt((1 + r^2 / 2) / (n - 3)) (Bonett and Wright 2000)
    """
    rows = len(targets)
    if rows < 4:
        return {}
    residual = targets - predicted
    squares, distances = residual**2, (targets - targets.mean()) ** 2
    low, high = _of_mean(squares)
    found = {"rmse": (math.sqrt(max(low, 0.0)), math.sqrt(high)), "mae": _of_mean(np.abs(residual), least=0.0)}
    if (variance := float(distances.mean())) > 0 and _vary(targets):
        ratio = float(squares.mean()) / variance
        low, high = _of_mean(1.0 - ratio - (squares - ratio * distances) / variance)
        found["r2"] = (low, min(high, 1.0))
    for name, correlate, extra in (("pearson", pearson, 0.0), ("spearman", spearman, 0.5)):
        r = correlate(targets, predicted)
        found[name] = _of_correlation(r, math.sqrt((1.0 + extra * r * r) / (rows - 3)))
    return found


def null_correlation(rows: int) -> float:
    """The correlation that chance alone gives at most, 19 times of 20, to so many rows without any (Fisher 1921)."""
    return math.tanh(_Z / math.sqrt(rows - 3)) if rows > 3 else 1.0


def _of_mean(values: Numbers, *, least: float = -math.inf) -> tuple[float, float]:
    mean, error = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values))
    return max(mean - _Z * error, least), mean + _Z * error


def _of_correlation(r: float, error: float) -> tuple[float, float]:
    if abs(r) >= 1.0:
        return r, r
    middle = math.atanh(r)
    return math.tanh(middle - _Z * error), math.tanh(middle + _Z * error)


@dataclass(frozen=True)
class JudgedNumbers:
    """n rows beside their answers: `targets` (n,) and `predicted` (n,), both float64."""

    targets: Numbers
    predicted: Numbers

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def residual(self) -> Numbers:
        """(n,), true minus predicted."""
        return self.targets - self.predicted

    def hardest(self) -> NDArray[np.int64]:
        """The rows (n,) by their absolute residual, largest first."""
        return np.argsort(-np.abs(self.residual), kind="stable")

    def take(self, rows: NDArray[np.int64]) -> JudgedNumbers:
        """The rows at the places `rows`."""
        return JudgedNumbers(self.targets[rows], self.predicted[rows])


@dataclass(frozen=True)
class NumberSlice:
    """The rows whose `column` is `value`; figures as in `RegressionMetrics`. `worse` says whether their mean absolute
    residual is significantly above that of all rows."""

    column: str
    value: str
    rows: int
    rmse: float
    mae: float
    mean_residual: float
    worse: bool


def number_slices(column: str, values: Sequence[Any], judged: JudgedNumbers) -> tuple[NumberSlice, ...]:
    """The slices of `judged` by `values` (n,), cut as by `scorer.metrics.judged_rows.slices`.

    A slice of 30 rows or more is `worse` when the lower end of the interval of its mean absolute residual lies above
    that of all rows; its level is 95 % for all slices of the column together (Bonferroni).
    """
    found = parts(values)
    z = NormalDist().inv_cdf(1 - _SIGNIFICANCE / 2 / max(len(found), 1))
    overall = float(np.abs(judged.residual).mean())
    return tuple(_slice(column, value, judged.residual[rows], overall=overall, z=z) for value, rows in found)


def _slice(column: str, value: str, residual: Numbers, *, overall: float, z: float) -> NumberSlice:
    absolute, rows = np.abs(residual), len(residual)
    mae = float(absolute.mean())
    enough = rows >= FEW_ROWS
    return NumberSlice(
        column=column,
        value=value,
        rows=rows,
        rmse=float(np.sqrt((residual**2).mean())),
        mae=mae,
        mean_residual=float(residual.mean()),
        worse=enough and mae - z * float(absolute.std(ddof=1)) / math.sqrt(rows) > overall,
    )


@dataclass(frozen=True, kw_only=True)
class Paired:
    """Whether the squared residuals of a new model are smaller than those of an old one on the same `rows`.

    difference  mean of new minus old: below 0 the new model is better
    interval    both ends of its 95 % interval
    p_value     two-sided: how probable a mean difference as large is when both models are equally good
    """

    rows: int
    difference: float
    interval: tuple[float, float]
    p_value: float

    @classmethod
    def of(cls, old: Numbers, new: Numbers) -> Paired:
        """By the residuals (n,) of both models, n > 0: the mean difference of their squares over its standard error is
        taken for standard normal (Diebold and Mariano 1995, of rows that do not depend on each other)."""
        differences = new**2 - old**2
        mean, rows = float(differences.mean()), len(differences)
        error = float(differences.std(ddof=1)) / math.sqrt(rows) if rows > 1 else math.inf
        if error == 0.0:
            return cls(rows=rows, difference=mean, interval=(mean, mean), p_value=float(mean == 0.0))
        if rows == 1:
            return cls(rows=rows, difference=mean, interval=(mean, mean), p_value=1.0)
        p_value = math.erfc(abs(mean) / error / math.sqrt(2.0))
        return cls(rows=rows, difference=mean, interval=(mean - _Z * error, mean + _Z * error), p_value=p_value)

    def as_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return asdict(self) | {"interval": list(self.interval)}


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How the numbers of `rows` rows lie: the least, the quartiles, the greatest, mean and standard deviation (of the
    population), and how many different ones there are. `outliers` (n,) bool lie far out: more than 3 interquartile
    ranges beyond the quartiles (Tukey 1977); none where the quartiles are equal."""

    rows: int
    distinct: int
    least: float
    quartiles: tuple[float, float, float]
    greatest: float
    mean: float
    deviation: float
    outliers: NDArray[np.bool_]

    @classmethod
    def of(cls, values: Numbers) -> Spread | None:
        """Of those of `values` (n,) that are finite; None without any."""
        known = values[np.isfinite(values)]
        if not len(known):
            return None
        most = float(np.abs(known).max())
        # So that no difference and no square is beyond a float64.
        scale = most if most > _HUGE else 1.0
        scaled = known / scale
        first, middle, third = (float(value) * scale for value in np.quantile(scaled, (0.25, 0.5, 0.75)))
        reach = _FENCE * (third - first)
        outliers = (values < first - reach) | (values > third + reach) if reach > 0 else np.zeros(len(values), np.bool_)
        return cls(
            rows=len(known),
            distinct=len(np.unique(known)),
            least=float(known.min()),
            quartiles=(first, middle, third),
            greatest=float(known.max()),
            mean=float(scaled.mean()) * scale,
            deviation=float(scaled.std()) * scale,
            outliers=np.asarray(outliers & np.isfinite(values)),
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return asdict(self) | {"quartiles": list(self.quartiles), "outliers": int(self.outliers.sum())}


def number_edges(values: Numbers, *, bins: int) -> tuple[float, ...]:
    """Ascending inner edges of at most so many `bins` with about equally many of `values` (n,) each; a value that is an
    edge belongs to the bin below it. One at least, unless the values are all equal."""
    edges = np.unique(np.quantile(values, np.arange(1, bins) / bins, method="inverted_cdf"))
    inner = edges[edges < values.max()]
    if not len(inner) and values.min() < values.max():
        # Most values are the largest one: the next smaller one ends the bin of the others.
        inner = values[values < values.max()].max(keepdims=True)
    return tuple(inner.tolist())


def spelt(value: float, *, digits: int = 4, sign: bool = False) -> str:
    """`value` for people, with so many significant digits and more before the point: 0.7850, 168.0, 12,345."""
    size, plus = abs(value), "+" if sign else ""
    if size >= 1e15 or 0 < size < 1e-4:
        return f"{value:{plus}.{digits - 1}e}"
    places = digits - 1 - math.floor(math.log10(size)) if size else digits - 1
    return f"{value:{plus},.{max(places, 0)}f}"


def describe_numbers(metrics: RegressionMetrics) -> Iterator[str]:
    """The figures in words: errors, then correlations, each with its interval where it has one."""
    errors = ", ".join(f"{label} {_with_interval(metrics, name)}" for name, label in (("rmse", "RMSE"), ("mae", "MAE")))
    yield f"{errors} on {metrics.rows} rows"
    named = (("r2", "R2"), ("pearson", "Pearson"), ("spearman", "Spearman"))
    yield ", ".join(f"{label} {_with_interval(metrics, name)}" for name, label in named)
    half, most, _ = metrics.absolute_error.values()
    yield f"half of the rows are off by up to {spelt(half)}, 90 % by up to {spelt(most)}"


def _with_interval(metrics: RegressionMetrics, name: str) -> str:
    value = spelt(metrics.headline()[name])
    if name not in metrics.intervals:
        return value
    low, high = metrics.intervals[name]
    return f"{value} ({spelt(low)} to {spelt(high)})"
