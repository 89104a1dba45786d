"""How good predictions are: accuracy, F1, confusion, likelihood and calibration.

Pure functions on arrays; knows no model, file or trainer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LabelMetrics:
    """One label against the rest. A ratio without a denominator is 0."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Metrics:
    """Figures of `rows` predictions; `confusion[i][j]` counts rows of class i that were predicted as class j."""

    rows: int
    accuracy: float
    macro_f1: float
    nll: float
    ece: float
    labels: tuple[LabelMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]

    def headline(self) -> dict[str, float]:
        return {"accuracy": self.accuracy, "macro_f1": self.macro_f1, "nll": self.nll, "ece": self.ece}

    def as_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return {
            "rows": self.rows,
            **self.headline(),
            "labels": [vars(label) for label in self.labels],
            "confusion": [list(row) for row in self.confusion],
        }


def measure(logits: NDArray[np.floating[Any]], targets: NDArray[np.int64], *, names: tuple[str, ...]) -> Metrics:
    """The metrics of `logits` (n, labels) against class indices `targets` (n,), n > 0."""
    log_probabilities = log_softmax(logits)
    predicted = log_probabilities.argmax(axis=1)
    confusion = confusion_matrix(targets, predicted, labels=len(names))
    precision, recall, f1 = precision_recall_f1(confusion)
    support = confusion.sum(axis=1)
    return Metrics(
        rows=len(targets),
        accuracy=float(np.trace(confusion) / len(targets)),
        macro_f1=macro_f1(confusion),
        nll=negative_log_likelihood(log_probabilities, targets),
        ece=expected_calibration_error(np.exp(log_probabilities), targets),
        labels=tuple(
            LabelMetrics(name, float(precision[i]), float(recall[i]), float(f1[i]), int(support[i]))
            for i, name in enumerate(names)
        ),
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


def expected_calibration_error(
    probabilities: NDArray[np.float64], targets: NDArray[np.int64], *, bins: int = 15
) -> float:
    """Mean distance of confidence and accuracy over `bins` equally wide bins (Guo et al. 2017, equation 3)."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == targets
    bin_of = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(bin_of, weights=correct - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(targets))


def _ratio(numerator: NDArray[np.int64], denominator: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator > 0)
