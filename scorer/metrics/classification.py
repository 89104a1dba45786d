"""How good predictions are, as figures and in words: accuracy, F1, confusion, likelihood, with calibration beside them.

Of rows that may have several labels each (row, label) is an event, and each row a set. Of labels that are numbers there
is also how far off an answer is. Pure functions on arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet, Targets
from scorer.metrics.reliability import Bin, brier_score, expected_calibration_error, reliability

_MOST_LABELS_TOLD = 30


@dataclass(frozen=True)
class LabelMetrics:
    """One label against the rest: `support` rows have it, `predicted` rows are said to have it, `true_positives` both.
    A ratio without a denominator is 0."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int
    predicted: int
    true_positives: int

    @property
    def occurs(self) -> bool:
        """Whether any row has it or is said to have it; else its figures say nothing."""
        return bool(self.support or self.predicted)

    @property
    def false_positives(self) -> int:
        """Rows that are said to have it and do not."""
        return self.predicted - self.true_positives

    @property
    def false_negatives(self) -> int:
        """Rows that have it and are not said to."""
        return self.support - self.true_positives


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Figures of `rows` predictions.

    accuracy     share of rows whose labels are all right (multi-label: exact match)
    macro_f1     unweighted mean of F1 over the labels that occur
    nll          negative log-likelihood in nats, mean over rows (multi-label: over rows and labels)
    ece          expected calibration error over 15 bins (multi-label: of every label's probability)
    brier        Brier score, mean over rows (multi-label: over rows and labels)
    more         figures that only some kinds of labels have, by their names: `micro_f1` (multi-label), those of
                 `ordinal_figures` (numbers), `coverage` and `selective_accuracy` (a decision that abstains)
    labels       each label against the rest
    reliability  the bins behind `ece`
    by_label     the same of each label, for people: of the rows that are predicted to have it (multi-label: of its
                 probability, over all rows)
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
    by_label: tuple[tuple[Bin, ...], ...]
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

    def with_confidences_of(self, other: Metrics) -> Metrics:
        """These answers, with how honest confidences are from `other`, which is of the same rows."""
        return replace(
            self,
            nll=other.nll,
            ece=other.ece,
            brier=other.brier,
            reliability=other.reliability,
            by_label=other.by_label,
        )

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
    logits: NDArray[np.floating[Any]], targets: Targets, *, labels: LabelSet, decision: Decision | None = None
) -> Metrics:
    """The metrics of `logits` (n, labels) under `decision`, by default the uncalibrated one, n > 0.

    `targets` are class indices (n,), or where a row may have several labels (n, labels) of 0 and 1.
    """
    decision = decision or Decision.uncalibrated(labels)
    if labels.multi:
        return _measure_multi(logits, targets, labels=labels, decision=decision)
    log_probabilities = log_softmax(decision.scaled(logits))
    answered = decision.probabilities(logits)
    predicted = answered.argmax(axis=1)
    confusion = confusion_matrix(targets, predicted, labels=len(labels))
    hits, said, support = np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1)
    probabilities = np.exp(log_probabilities)
    numbers = labels.numbers()
    more = ordinal_figures(confusion, numbers) if labels.ordinal and numbers is not None else {}
    if decision.abstain_below is not None:
        more |= selective_figures(predicted == targets, ~decision.abstains(answered))
    confidence, correct = probabilities.max(axis=1), predicted == targets
    bins = reliability(confidence, correct)
    return Metrics(
        rows=len(targets),
        accuracy=float(np.trace(confusion) / len(targets)),
        macro_f1=macro_f1(hits, predicted=said, support=support),
        nll=negative_log_likelihood(log_probabilities, targets),
        ece=expected_calibration_error(bins),
        brier=brier_score(probabilities, np.eye(len(labels))[targets]),
        more=more,
        labels=_label_metrics(labels, hits, predicted=said, support=support),
        reliability=bins,
        by_label=tuple(
            reliability(confidence[predicted == label], correct[predicted == label]) for label in range(len(labels))
        ),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def _measure_multi(
    logits: NDArray[np.floating[Any]], targets: Targets, *, labels: LabelSet, decision: Decision
) -> Metrics:
    """`measure` where each (row, label) is an event: its probability and whether the label is there."""
    probabilities = decision.probabilities(logits)
    chosen = decision.chosen(probabilities)
    hits, alarms, misses = counts = binary_counts(targets, chosen)
    measured = _label_metrics(labels, hits, predicted=hits + alarms, support=hits + misses)
    bins = reliability(probabilities.ravel(), targets.ravel() > 0)
    return Metrics(
        rows=len(targets),
        accuracy=exact_match(targets, chosen),
        macro_f1=macro_f1(hits, predicted=hits + alarms, support=hits + misses),
        nll=float(binary_nll(decision.scaled(logits), targets).mean()),
        ece=expected_calibration_error(bins),
        brier=float(((probabilities - targets) ** 2).mean()),
        more={"micro_f1": micro_f1(counts)},
        labels=measured,
        reliability=bins,
        by_label=tuple(map(reliability, probabilities.T, targets.T > 0)),
        confusion=None,
    )


def _label_metrics(
    labels: LabelSet, hits: NDArray[np.int64], *, predicted: NDArray[np.int64], support: NDArray[np.int64]
) -> tuple[LabelMetrics, ...]:
    precision, recall, f1 = _ratios(hits, predicted=predicted, support=support)
    return tuple(
        LabelMetrics(
            name,
            float(precision[i]),
            float(recall[i]),
            float(f1[i]),
            support=int(support[i]),
            predicted=int(predicted[i]),
            true_positives=int(hits[i]),
        )
        for i, name in enumerate(labels.names)
    )


def selective_figures(correct: NDArray[np.bool_], kept: NDArray[np.bool_]) -> dict[str, float]:
    """The share of rows that are `kept` (n,), and the share of those that are `correct` (n,): the coverage and the
    selective accuracy of El-Yaniv and Wiener 2010. Where no row is kept there is only the coverage."""
    figures = {"coverage": float(kept.mean())}
    return figures | ({"selective_accuracy": float(correct[kept].mean())} if kept.any() else {})


def log_softmax(logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """log(softmax(logits)) over the last axis, (n, labels) float64."""
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def confusion_matrix(targets: Targets, predicted: NDArray[np.int64], *, labels: int) -> NDArray[np.int64]:
    """(labels, labels) int64: rows are the true class, columns the predicted one."""
    counts = np.bincount(targets * labels + predicted, minlength=labels * labels)
    return counts.reshape(labels, labels).astype(np.int64)


def macro_f1(hits: NDArray[np.int64], *, predicted: NDArray[np.int64], support: NDArray[np.int64]) -> float:
    """The unweighted mean of F1 over the labels that occur, as true or as predicted ones; 0 where none does.

    Of each label (labels,): how often it is rightly `predicted` (`hits`), `predicted` at all, and there (`support`).
    """
    occurs = (predicted + support) > 0
    return float(_ratios(hits, predicted=predicted, support=support)[2][occurs].mean()) if occurs.any() else 0.0


def negative_log_likelihood(log_probabilities: NDArray[np.float64], targets: Targets) -> float:
    """The mean of -log p(true label), in nats."""
    return float(-log_probabilities[np.arange(len(targets)), targets].mean())


def _ratios(
    hits: NDArray[np.int64], *, predicted: NDArray[np.int64], support: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    return _ratio(hits, predicted), _ratio(hits, support), _ratio(2 * hits, support + predicted)


def _ratio(numerator: NDArray[np.int64], denominator: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator > 0)


def binary_nll(logits: NDArray[np.floating[Any]], targets: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """The negative log-likelihood in nats of each event, (n, labels) float64: -log sigmoid(logit) where the label is
    there, -log(1 - sigmoid(logit)) where it is not."""
    # log(1 + exp(-x)) without overflow, x being the logit turned towards the truth.
    return np.asarray(np.logaddexp(0.0, -np.where(targets > 0, 1.0, -1.0) * logits.astype(np.float64)))


def binary_counts(targets: NDArray[np.integer[Any]], chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Hits, false alarms and misses of each label, (3, labels) int64, of `chosen` (n, labels) against `targets`."""
    true = targets > 0
    counts = [(true & chosen).sum(axis=0), (~true & chosen).sum(axis=0), (true & ~chosen).sum(axis=0)]
    return np.array(counts, np.int64)


def exact_match(targets: NDArray[np.integer[Any]], chosen: NDArray[np.bool_]) -> float:
    """The share of rows whose labels are all right."""
    return float(((targets > 0) == chosen).all(axis=1).mean())


def micro_f1(counts: NDArray[np.int64]) -> float:
    """F1 of all events together, by the `counts` (3, labels) of `binary_counts`; 0 without any label."""
    hits, alarms, misses = (int(count) for count in counts.sum(axis=1))
    return 2 * hits / max(2 * hits + alarms + misses, 1)


def ordinal_figures(confusion: NDArray[np.int64], values: NDArray[np.float64]) -> dict[str, float]:
    """Figures by name, of `confusion` (labels, labels) counts of (true, predicted) and the labels' numbers `values`.

    mean_absolute_error       mean distance of the answer's number from the true one
    quadratic_weighted_kappa  agreement beyond chance, by squared distance: see `quadratic_weighted_kappa`
    within_one                share of answers at most one place of the ordered labels away
    """
    total = confusion.sum()
    rank = values.argsort().argsort()
    distances = np.abs(values[:, None] - values)
    near = np.abs(rank[:, None] - rank) <= 1
    return {
        "mean_absolute_error": float((confusion * distances).sum() / total),
        "quadratic_weighted_kappa": quadratic_weighted_kappa(confusion, values),
        "within_one": float(confusion[near].sum() / total),
    }


def quadratic_weighted_kappa(confusion: NDArray[np.int64], values: NDArray[np.float64]) -> float:
    """1 - observed / expected disagreement, where a disagreement weighs the squared distance of the numbers `values`
    (Cohen 1968, "Weighted kappa"); 1 is agreement, 0 what chance gives with the same marginals.

    Where all rows are and are called one label, no disagreement was possible: 1.
    """
    weights = (values[:, None] - values) ** 2
    expected = np.outer(confusion.sum(axis=1), confusion.sum(axis=0)) / confusion.sum()
    possible = (weights * expected).sum()
    return float(1.0 - (weights * confusion).sum() / possible) if possible else 1.0


def describe(metrics: Metrics, raw: Metrics) -> Iterator[str]:
    """A line a label, the weakest first, then all rows, then how honest confidences are after (`metrics`) and before
    calibration (`raw`)."""
    met = [label for label in metrics.labels if label.occurs]
    for label in sorted(met, key=lambda label: label.f1)[:_MOST_LABELS_TOLD]:
        yield (
            f"label {label.name}: precision {label.precision:.3f}, recall {label.recall:.3f}, F1 {label.f1:.3f}, "
            f"{label.support} rows"
        )
    if (hidden := len(met) - _MOST_LABELS_TOLD) > 0:
        yield f"and {hidden} labels with a higher F1"
    if absent := len(metrics.labels) - len(met):
        yield f"and {absent} labels that no row has and the model never gives"
    more = "".join(f", {name.replace('_', ' ')} {value:.4f}" for name, value in metrics.more.items())
    accuracy = "exact match" if metrics.confusion is None else "accuracy"
    yield f"{accuracy} {metrics.accuracy:.4f}, macro F1 {metrics.macro_f1:.4f}{more} on {metrics.rows} rows"
    yield (
        f"calibration error {metrics.ece:.4f} (uncalibrated {raw.ece:.4f}), negative log-likelihood {metrics.nll:.4f} "
        f"({raw.nll:.4f})"
    )
