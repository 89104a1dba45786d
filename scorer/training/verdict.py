"""What a fitted model is worth: the figures of its validation rows, and the profile of the data behind it, which
scoring compares its rows with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet
from scorer.classifier.profile import (
    CONFIDENCE_EDGES,
    LENGTH_EDGES,
    UNKNOWN_EDGES,
    Profile,
    histogram,
    label_counts,
    unknown_histogram,
)
from scorer.classifier.tokenization import TextEncoder
from scorer.examples.reading import Examples
from scorer.metrics.classification import Metrics, describe, measure
from scorer.metrics.judged_rows import Judged, judge, wilson_interval
from scorer.metrics.regression import JudgedNumbers, Numbers, RegressionMetrics, describe_numbers, number_edges
from scorer.reports.fit_page import Evaluation
from scorer.training.calibration_choice import Calibration

# Texts whose tokens are counted: of a larger file, as many that are evenly spaced. A share of 20,000 rows is known to
# within 0.7 points (two standard errors), and they take about a second to encode.
_MOST_ROWS = 20_000
_NUMBER_BINS = 10


@dataclass(frozen=True)
class MeasuredLabels:
    """How good the labels given to validation rows are: before `calibration` (`raw`), and by the decision that suits
    these rows; each row beside its answer (`judged`). Confidences are out of fold: none is by a calibration that knew
    the row."""

    calibration: Calibration
    raw: Metrics
    metrics: Metrics
    judged: Judged

    @classmethod
    def of(
        cls, logits: NDArray[np.float32], targets: NDArray[Any], *, labels: LabelSet, calibration: Calibration
    ) -> MeasuredLabels:
        """Of the `logits` (n, labels) that `calibration` was fitted on, against their `targets`."""
        decision, unseen = calibration.decision, calibration.out_of_fold
        raw = measure(logits, targets, labels=labels)
        answers = measure(logits, targets, labels=labels, decision=decision)
        confidences = measure(unseen, targets, labels=labels, decision=decision.without_scaling())
        if labels.multi:
            # Thresholds are for probabilities by all rows: which labels a row has is not to be told by others.
            judged = judge(logits, targets, decision=decision)
        else:
            judged = judge(unseen, targets, decision=decision.without_scaling())
        return cls(calibration, raw, answers.with_confidences_of(confidences), judged)

    @property
    def decision(self) -> Decision:
        return self.calibration.decision

    def uncalibrated(self) -> dict[str, float]:
        """The figures before calibration, by their names."""
        return self.raw.headline()

    def calibration_record(self) -> dict[str, Any]:
        """How the calibration was chosen, as JSON types."""
        return {"calibration": self.calibration.as_dict()}

    def lines(self) -> Iterator[str]:
        """The figures in words."""
        return describe(self.metrics, self.raw)

    def accuracy_interval(self) -> list[float] | None:
        """Both ends of the 95 % Wilson interval of the accuracy."""
        hits = round(self.metrics.accuracy * self.metrics.rows)
        return [round(end, 4) for end in wilson_interval(hits, self.metrics.rows, level=0.95)]

    def uncertainty(self) -> str:
        """How far chance may move the figures, for people."""
        low, high = self.accuracy_interval() or (0.0, 1.0)
        return f": the accuracy on rows like them is somewhere between {low:.2f} and {high:.2f} (95 % Wilson interval)"


@dataclass(frozen=True)
class MeasuredNumbers:
    """How good the numbers given to validation rows are; there is no calibration of them."""

    decision: Decision
    metrics: RegressionMetrics
    judged: JudgedNumbers

    def uncalibrated(self) -> dict[str, float]:
        """Nothing."""
        return {}

    def calibration_record(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def lines(self) -> Iterator[str]:
        """The figures in words."""
        return describe_numbers(self.metrics)

    def accuracy_interval(self) -> list[float] | None:
        """None: the metrics have intervals of their own."""
        return None

    def uncertainty(self) -> str:
        """How far chance may move the figures, for people."""
        if "spearman" not in self.metrics.intervals:
            return ""
        low, high = self.metrics.intervals["spearman"]
        return f": the Spearman correlation on rows like them is somewhere between {low:.2f} and {high:.2f} (95 %)"


Measured = MeasuredLabels | MeasuredNumbers


@dataclass(frozen=True)
class Verdict:
    """How good the model is on the validation rows and how it got there, and the `profile` of the data behind it."""

    measured: Measured
    history: Sequence[Evaluation]
    profile: Profile | None = None
    seeds: Sequence[dict[str, Any]] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return {
            **self.measured.metrics.as_dict(),
            **self.measured.calibration_record(),
            "decision": self.measured.decision.as_document(),
            "uncalibrated": self.measured.uncalibrated(),
            "history": [point.as_dict() for point in self.history],
            "seeds": list(self.seeds),
        }


def profile_of(
    train: Examples,
    train_targets: NDArray[Any],
    encoder: TextEncoder,
    *,
    unknown_token: int | None,
    logits: NDArray[np.floating[Any]],
    targets: NDArray[Any],
    decision: Decision,
    most: int = _MOST_ROWS,
) -> Profile:
    """The profile of the training rows `train` as `encoder` shows them to the model, and of the validation rows with
    `logits` (n, labels) under `decision`. Targets are class indices (n,) or a matrix (n, labels) of 0 and 1, or numbers
    (n,) float64. Of a larger file the tokens of `most` texts are counted."""
    some = np.unique(np.linspace(0, len(train) - 1, min(len(train), most)).astype(np.int64))
    inputs = encoder(*train.take(some).texts)
    unknown = inputs.count(unknown_token) if unknown_token is not None else None
    return Profile(
        rows=len(inputs),
        lengths=_counts(histogram(inputs.lengths, LENGTH_EDGES)),
        truncated_share=round(float(inputs.truncated.mean()), 6),
        unknown_token=unknown_token,
        unknown_share=round(int(unknown.sum()) / max(len(inputs.sequences.ids), 1), 6) if unknown is not None else 0.0,
        unknowns=_counts(unknown_histogram(unknown, inputs.lengths, UNKNOWN_EDGES)) if unknown is not None else None,
        validation_rows=len(logits),
        **_answers(train_targets, targets, logits, decision),
    )


def _answers(
    train_targets: NDArray[Any], targets: NDArray[Any], logits: NDArray[np.floating[Any]], decision: Decision
) -> dict[str, Any]:
    """What a profile says of labels and confidences, or of numbers."""
    if decision.activation is not None:
        return _by_number(train_targets, targets, decision.numbers(logits))
    probability = decision.probabilities(logits)
    return {
        "training_labels": _by_label(train_targets, labels=logits.shape[1]),
        "true_labels": _by_label(targets, labels=logits.shape[1]),
        "predicted_labels": _counts(label_counts(decision.chosen(probability))),
        "confidences": _counts(histogram(probability.max(axis=1), CONFIDENCE_EDGES)),
    }


def _by_number(train_targets: Numbers, targets: Numbers, predicted: Numbers) -> dict[str, Any]:
    """Counts in bins that have equally many training rows."""
    edges = number_edges(train_targets, bins=_NUMBER_BINS)
    sides = {"training_labels": train_targets, "true_labels": targets, "predicted_labels": predicted}
    counted = {name: _counts(histogram(values, edges)) for name, values in sides.items()}
    return {"number_edges": edges, **counted, "confidences": (0,) * (len(CONFIDENCE_EDGES) + 1)}


def _by_label(targets: NDArray[Any], *, labels: int) -> tuple[int, ...]:
    if targets.ndim == 2:
        return _counts(label_counts(targets))
    return (*_counts(np.bincount(targets, minlength=labels)), 0)


def _counts(values: NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(int(value) for value in values)
