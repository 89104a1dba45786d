"""How good predictions are: accuracy, F1, confusion and likelihood, with calibration beside them.

Pure functions on arrays; knows no file or trainer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet
from scorer.metrics.calibration import Bin, brier_score, expected_calibration_error, reliability


@dataclass(frozen=True)
class LabelMetrics:
    """One label against the rest. A ratio without a denominator is 0."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Figures of `rows` predictions.

    accuracy     share of rows whose labels are all right (multi-label: exact match)
    macro_f1     unweighted mean of F1 over the labels that occur
    nll          negative log-likelihood in nats, mean over rows (multi-label: over rows and labels)
    ece          expected calibration error over 15 bins
    brier        Brier score, mean over rows (multi-label: over rows and labels)
    more         figures that only some kinds of labels have, by their names
    labels       each label against the rest
    reliability  the bins behind `ece`
    confusion    confusion[i][j] counts rows of class i that were predicted as class j; None for multi-label
    """

    rows: int
    accuracy: float
    macro_f1: float
    nll: float
    ece: float
    brier: float
    more: Mapping[str, float]
    labels: tuple[LabelMetrics, ...]
    reliability: tuple[Bin, ...]
    confusion: tuple[tuple[int, ...], ...] | None

    def headline(self) -> dict[str, float]:
        """The figures that are one number for all rows, by their names."""
        return {
            "accuracy": self.accuracy,
            "macro_f1": self.macro_f1,
            **self.more,
            "nll": self.nll,
            "ece": self.ece,
            "brier": self.brier,
        }

    def as_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return {
            "rows": self.rows,
            **self.headline(),
            "labels": [vars(label) for label in self.labels],
            "reliability": [vars(bin_) for bin_ in self.reliability],
            "confusion": [list(row) for row in self.confusion] if self.confusion is not None else None,
        }


def measure(
    logits: NDArray[np.floating[Any]],
    targets: NDArray[np.int64],
    *,
    labels: LabelSet,
    decision: Decision = Decision(),  # noqa: B008 (frozen)
) -> Metrics:
    """The metrics of `logits` (n, labels) under `decision` against class indices `targets` (n,), n > 0."""
    log_probabilities = log_softmax(logits / np.array(decision.temperature))
    predicted = log_probabilities.argmax(axis=1)
    confusion = confusion_matrix(targets, predicted, labels=len(labels))
    precision, recall, f1 = precision_recall_f1(confusion)
    support = confusion.sum(axis=1)
    probabilities = np.exp(log_probabilities)
    bins = reliability(probabilities.max(axis=1), predicted == targets)
    return Metrics(
        rows=len(targets),
        accuracy=float(np.trace(confusion) / len(targets)),
        macro_f1=macro_f1(confusion),
        nll=negative_log_likelihood(log_probabilities, targets),
        ece=expected_calibration_error(bins),
        brier=brier_score(probabilities, np.eye(len(labels))[targets]),
        more={},
        labels=tuple(
            LabelMetrics(name, float(precision[i]), float(recall[i]), float(f1[i]), int(support[i]))
            for i, name in enumerate(labels.names)
        ),
        reliability=bins,
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def log_softmax(logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """log(softmax(logits)) over the last axis, (n, labels) float64."""
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def confusion_matrix(targets: NDArray[np.int64], predicted: NDArray[np.int64], *, labels: int) -> NDArray[np.int64]:
    """(labels, labels) int64: rows are the true class, columns the predicted one."""
    counts = np.bincount(targets * labels + predicted, minlength=labels * labels)
    return counts.reshape(labels, labels).astype(np.int64)


def precision_recall_f1(
    confusion: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Precision, recall and F1 of each label, (labels,) float64 each."""
    hits = np.diag(confusion)
    support, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    return _ratio(hits, predicted), _ratio(hits, support), _ratio(2 * hits, support + predicted)


def macro_f1(confusion: NDArray[np.int64]) -> float:
    """The unweighted mean of F1 over the labels that occur, as true or as predicted ones."""
    occurs = (confusion.sum(axis=0) + confusion.sum(axis=1)) > 0
    return float(precision_recall_f1(confusion)[2][occurs].mean())


def negative_log_likelihood(log_probabilities: NDArray[np.float64], targets: NDArray[np.int64]) -> float:
    """The mean of -log p(true label), in nats."""
    return float(-log_probabilities[np.arange(len(targets)), targets].mean())


def _ratio(numerator: NDArray[np.int64], denominator: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator > 0)
