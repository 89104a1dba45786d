"""What a model must be worth: the least and the most that its metrics may be, and whether they are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scorer.config import EvaluateConfig
from scorer.errors import DataError, UsageError, near


@dataclass(frozen=True)
class Requirement:
    """`metric` is at least `limit`, or at most where it is a `ceiling`."""

    metric: str
    limit: float
    ceiling: bool

    @classmethod
    def all_of(cls, config: EvaluateConfig) -> tuple[Requirement, ...]:
        """Those of --min-metric and --max-metric. UsageError for one that is no NAME=X."""
        floors = (cls._parse(text, flag="--min-metric", ceiling=False) for text in config.min_metric)
        ceilings = (cls._parse(text, flag="--max-metric", ceiling=True) for text in config.max_metric)
        return (*floors, *ceilings)

    @classmethod
    def _parse(cls, text: str, *, flag: str, ceiling: bool) -> Requirement:
        name, _, limit = (part.strip() for part in text.partition("="))
        try:
            number = float(limit)
        except ValueError:
            number = math.nan
        if not name or not math.isfinite(number):
            raise UsageError(f"{flag} {text}: a metric and a number are needed, such as macro_f1=0.85")
        return cls(name, number, ceiling)

    def value(self, metrics: Mapping[str, float]) -> float:
        """What the metric came to; NaN where no row was kept to be right about. UsageError for an unknown name."""
        if self.metric == "selective_accuracy" and metrics.get("coverage") == 0:
            return math.nan
        if self.metric not in metrics:
            close = near(self.metric, metrics)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(metrics)}"
            raise UsageError(f"{self}: no metric of this model is called so; {hint}")
        return metrics[self.metric]

    def met(self, metrics: Mapping[str, float]) -> bool:
        """Whether it is met; what is no number does not meet it."""
        value = self.value(metrics)
        return value <= self.limit if self.ceiling else value >= self.limit

    def __str__(self) -> str:
        return f"--{'max' if self.ceiling else 'min'}-metric {self.metric}={self.limit:g}"


def told(requirements: Sequence[Requirement], metrics: Mapping[str, float], *, unscored: int) -> list[dict[str, Any]]:
    """The requirements and what came of them, as JSON types. While the model failed on rows, which are in no metric
    then, none is met: nobody knows what it is worth."""
    return [
        {
            "metric": one.metric,
            "most" if one.ceiling else "least": one.limit,
            "met": one.met(metrics) and not unscored,
        }
        for one in requirements
    ]


def refuse_unmet(
    requirements: Sequence[Requirement], metrics: Mapping[str, float], *, model: str, unscored: int
) -> None:
    """DataError when one is not met, or `unscored` rows are in no metric, since the model failed on them."""
    if requirements and unscored:
        raise DataError(
            f"{model}: {unscored:,} labelled rows got no score, so the metrics say too little for {requirements[0]}; "
            "try --precision fp32, and keep the model in use"
        )
    for one in requirements:
        if not one.met(metrics):
            raise DataError(
                f"{model}: {one.metric} is {one.value(metrics):.4f}, and {one} is asked for; look at --report, and "
                "keep the model in use"
            )
