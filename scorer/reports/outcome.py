"""What came out of a score job, as figures and examples: what the page of `scorer score --report-html` shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

CONFIDENCE_BINS: Final = 20
"""Confidences are counted in so many bins of equal width between 0 and 1."""
GroupKind = Literal["time", "category", "range", "part"]


@dataclass(frozen=True, kw_only=True)
class Example:
    """A scored row: its texts, cut, and where it stands. `value` is its confidence, or its number."""

    texts: tuple[str, ...]
    value: float
    row: int
    part: str = ""


@dataclass(frozen=True, kw_only=True)
class LabelOutcome:
    """The rows that have one label.

    confidences    those rows by their confidence, (CONFIDENCE_BINS,)
    confidence     their mean; None without a row
    training_share share of the validation rows of the fit that were predicted to have it; None where nobody counted
    sure, unsure   rows of the highest and of the lowest confidence, those at the end first
    """

    name: str
    rows: int
    confidences: Sequence[int]
    confidence: float | None = None
    training_share: float | None = None
    sure: Sequence[Example] = ()
    unsure: Sequence[Example] = ()


@dataclass(frozen=True, kw_only=True)
class NumberOutcome:
    """The numbers of rows that have numbers; `some` are evenly spaced ones of all `rows`, highest and lowest those at
    the ends."""

    rows: int
    mean: float
    low: float
    high: float
    some: Sequence[float]
    highest: Sequence[Example] = ()
    lowest: Sequence[Example] = ()


@dataclass(frozen=True, kw_only=True)
class Group:
    """Rows that have one value, or values of one range: how many, how many of them have a score, `counts` by label
    (labels,), and the `mean` confidence or number of those with a score."""

    name: str
    rows: int
    scored: int
    counts: Sequence[int]
    mean: float | None


@dataclass(frozen=True, kw_only=True)
class Breakdown:
    """All rows by the values of `column`. Those of a time are in order and without a gap; `unit` is what each group is,
    such as a day. `notes` say what was left out or put together."""

    column: str
    kind: GroupKind
    groups: Sequence[Group]
    unit: str = ""
    notes: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class DriftFigure:
    """One figure of the rows against the training data: `name` as `Drift` has it, its stability index, what chance
    explains; and where they were counted, both histograms over `edges`, or by `names`."""

    name: str
    psi: float
    chance: float
    ours: Sequence[int] = ()
    theirs: Sequence[int] = ()
    edges: Sequence[float] = ()
    names: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """All that came out.

    rows         in all; `statuses` has them by `score_status`
    labels       in the order of the model; none of a model that gives `numbers`
    ordered      whether the labels are numbers, whose order says more than their frequencies
    several      whether a row may have several labels
    unlabelled   where a row may have several, those with a score and no label
    abstain_below  below which confidence rows are marked
    """

    rows: int
    statuses: Mapping[str, int]
    labels: Sequence[LabelOutcome] = ()
    numbers: NumberOutcome | None = None
    ordered: bool = False
    several: bool = False
    unlabelled: int = 0
    abstain_below: float | None = None
    breakdown: Breakdown | None = None
    drift: Sequence[DriftFigure] = field(default=())

    def listed(self) -> list[LabelOutcome]:
        """The labels as they are shown: numbers in their order, names by their frequency."""
        return list(self.labels) if self.ordered else sorted(self.labels, key=lambda label: -label.rows)
