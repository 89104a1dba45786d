"""What a fitted model is worth: the figures of its validation rows, and the profile of the data behind it, which
scoring compares its rows with.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.decision import Decision
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
from scorer.metrics.classification import Metrics
from scorer.metrics.judged_rows import Judged
from scorer.reports.fit_page import Evaluation

# Texts whose tokens are counted: of a larger file, as many that are evenly spaced. A share of 20,000 rows is known to
# within 0.7 points (two standard errors), and they take about a second to encode.
_MOST_ROWS = 20_000


@dataclass(frozen=True)
class Verdict:
    """How good the model is on the validation rows, before (`raw`) and after calibration, and how it got there; what
    became of each row (`judged`), and the `profile` of the data behind it."""

    raw: Metrics
    metrics: Metrics
    decision: Decision
    judged: Judged
    history: Sequence[Evaluation]
    profile: Profile | None = None
    seeds: Sequence[dict[str, Any]] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return {
            **self.metrics.as_dict(),
            "decision": self.decision.as_document(),
            "uncalibrated": self.raw.headline(),
            "history": [dataclasses.asdict(point) for point in self.history],
            "seeds": list(self.seeds),
        }


def profile_of(
    train: Examples,
    train_targets: NDArray[Any],
    encoder: TextEncoder,
    *,
    unknown_token: int | None,
    logits: NDArray[np.float32],
    targets: NDArray[Any],
    decision: Decision,
    most: int = _MOST_ROWS,
) -> Profile:
    """The profile of the training rows `train` as `encoder` shows them to the model, and of the validation rows with
    `logits` (n, labels) under `decision`. Targets are class indices (n,) or a matrix (n, labels) of 0 and 1. Of a
    larger file the tokens of `most` texts are counted."""
    some = np.unique(np.linspace(0, len(train) - 1, min(len(train), most)).astype(np.int64))
    inputs = encoder(*train.take(some).texts)
    probability = decision.probabilities(logits)
    unknown = inputs.count(unknown_token) if unknown_token is not None else None
    return Profile(
        training_labels=_by_label(train_targets, labels=logits.shape[1]),
        rows=len(inputs),
        lengths=_counts(histogram(inputs.lengths, LENGTH_EDGES)),
        truncated_share=round(float(inputs.truncated.mean()), 6),
        unknown_token=unknown_token,
        unknown_share=round(int(unknown.sum()) / max(len(inputs.sequences.ids), 1), 6) if unknown is not None else 0.0,
        unknowns=_counts(unknown_histogram(unknown, inputs.lengths, UNKNOWN_EDGES)) if unknown is not None else None,
        validation_rows=len(logits),
        true_labels=_by_label(targets, labels=logits.shape[1]),
        predicted_labels=_counts(label_counts(decision.chosen(probability))),
        confidences=_counts(histogram(probability.max(axis=1), CONFIDENCE_EDGES)),
    )


def _by_label(targets: NDArray[Any], *, labels: int) -> tuple[int, ...]:
    if targets.ndim == 2:
        return _counts(label_counts(targets))
    return (*_counts(np.bincount(targets, minlength=labels)), 0)


def _counts(values: NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(int(value) for value in values)
