"""What an evaluation found: figures of all rows, of their parts, and of single rows; which given labels are probably
wrong, by confident learning.

After Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels" (JAIR 70).
It is written here because it is short, and cleanlab would bring pandas and scikit-learn along. The probabilities should
come from a model that has not seen the labels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet, RowLabel, Targets
from scorer.classifier.profile import LENGTH_EDGES, histogram
from scorer.evaluation.predictions import Predictions
from scorer.examples.reading import Examples
from scorer.metrics.classification import Metrics, measure
from scorer.metrics.judged_rows import Judged, Slice, judge, slices
from scorer.metrics.reliability import (
    TARGETS,
    LabelThreshold,
    Threshold,
    coverage_table,
    label_threshold_table,
    reaching,
)


@dataclass(frozen=True)
class LabelErrors:
    """The verdict on n given labels.

    suspect    (n,) bool: the row confidently belongs to another class, which is likelier than the given one
    suggested  what the label might be instead, where the row is a suspect, else the given one: class indices (n,), or
               (n, labels) of 0 and 1 where a row may have several labels
    score      (n,) float64 from 0 to 1: how much the model is against the given label (normalised margin)
    share      the estimated share of labels that are wrong, of all labels given
    joint      (labels, labels) int64, the confident joint: given label by suggested one; None for several labels a row
    """

    suspect: NDArray[np.bool_]
    suggested: NDArray[np.integer[Any]]
    score: NDArray[np.float64]
    share: float
    joint: NDArray[np.int64] | None

    def ranking(self) -> NDArray[np.int64]:
        """The suspects' rows, most suspicious first."""
        rows = np.flatnonzero(self.suspect)
        return rows[np.argsort(-self.score[rows], kind="stable")]


@dataclass(frozen=True, kw_only=True)
class EvaluationFindings:
    """What is known of n rows.

    metrics, raw      of all rows, with calibrated probabilities and with those before calibration
    decision          what made labels of the logits, which had been divided by their temperature before
    judged            each row beside its answer
    errors            which labels are probably wrong
    numbers           (n,) int64, each row's number in its file, from 1
    lengths           rows by tokens as the model saw them, in the bins of a profile (`LENGTH_EDGES`)
    truncated_share   share of the rows that it did not see whole
    slices            parts of the rows, column by column
    thresholds        what is left at each confidence
    reaching          the smallest confidence at and above which an accuracy is reached, by that accuracy
    label_thresholds  what each threshold of a label's probability gives; empty unless a row may have several labels
    """

    labels: LabelSet
    metrics: Metrics
    raw: Metrics
    decision: Decision
    judged: Judged
    errors: LabelErrors
    numbers: NDArray[np.int64]
    lengths: tuple[int, ...]
    truncated_share: float
    slices: tuple[Slice, ...]
    thresholds: tuple[Threshold, ...]
    reaching: dict[float, Threshold | None]
    label_thresholds: tuple[LabelThreshold, ...]

    def hardest(self) -> NDArray[np.int64]:
        """The rows (n,) by their loss, highest first."""
        return np.argsort(-self.judged.loss, kind="stable")

    def order(self) -> NDArray[np.int64]:
        """All rows (n,): the suspects first, most suspicious ones first, then the others by their loss."""
        hardest = self.hardest()
        return np.concatenate([self.errors.ranking(), hardest[~self.errors.suspect[hardest]]])

    def labels_of(self, indices: Targets) -> list[RowLabel]:
        """Class indices as the labels that the file has: one a row, or a tuple."""
        values = self.labels.values
        if indices.ndim == 1:
            return [values[index] for index in indices.tolist()]
        return [tuple(values[index] for index in np.flatnonzero(row)) for row in indices]

    def as_dict(self, *, show: int) -> dict[str, Any]:
        """JSON types only, with the `show` hardest rows and most suspicious labels; no texts."""
        errors, thresholds = self.errors, self.decision.thresholds
        return {
            "metrics": self.metrics.as_dict(),
            "uncalibrated": {**self.raw.headline(), "reliability": self.raw.as_dict()["reliability"]},
            "decision": {
                "thresholds": list(thresholds) if thresholds is not None else None,
                "abstain_below": self.decision.abstain_below,
            },
            "lengths": {"edges": list(LENGTH_EDGES), "rows": list(self.lengths)},
            "truncated_share": self.truncated_share,
            "thresholds": [vars(threshold) for threshold in self.thresholds],
            "reaching": {
                str(target): vars(found) if found is not None else None for target, found in self.reaching.items()
            },
            "label_thresholds": [vars(threshold) for threshold in self.label_thresholds],
            "slices": [vars(part) for part in self.slices],
            "label_errors": {
                "suspects": int(errors.suspect.sum()),
                "estimated_share": errors.share,
                "joint": errors.joint.tolist() if errors.joint is not None else None,
                "first": self._rows(errors.ranking()[:show]),
            },
            "hardest": self._rows(self.hardest()[:show]),
        }

    def _rows(self, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
        judged, errors = self.judged, self.errors
        given, answers, suggested = (
            self.labels_of(indices[rows]) for indices in (judged.targets, judged.predicted, errors.suggested)
        )
        return [
            {
                "row": int(self.numbers[row]),
                "label": given[place],
                "score": answers[place],
                "confidence": float(judged.confidence[row]),
                "loss": float(judged.loss[row]),
                "suspect_score": float(errors.score[row]),
                "suggested": suggested[place],
            }
            for place, row in enumerate(rows)
        ]


def compare_with_labels(
    examples: Examples,
    targets: Targets,
    predictions: Predictions,
    *,
    labels: LabelSet,
    columns: Iterable[str],
) -> EvaluationFindings:
    """Compare `predictions` with `targets` of the same rows; `columns` are those of `examples.others` to slice by."""
    scored = predictions.only_scored()
    kept = np.flatnonzero(predictions.scored)
    numbers, examples, targets = examples.numbers()[kept], examples.take(kept), targets[kept]
    judged = judge(scored.scaled, targets, decision=scored.decision)
    return EvaluationFindings(
        labels=labels,
        metrics=measure(scored.scaled, targets, labels=labels, decision=scored.decision),
        raw=measure(scored.logits, targets, labels=labels),
        decision=scored.decision,
        judged=judged,
        errors=find_label_errors(judged.probabilities, targets),
        numbers=numbers,
        lengths=tuple(histogram(scored.tokens, LENGTH_EDGES).tolist()),
        truncated_share=float(scored.truncated.mean()),
        slices=_slices(examples, scored.tokens, judged, columns),
        thresholds=coverage_table(judged.confidence, judged.correct),
        reaching={target: reaching(judged.confidence, judged.correct, accuracy=target) for target in TARGETS},
        label_thresholds=label_threshold_table(judged.probabilities, targets) if labels.multi else (),
    )


def _slices(examples: Examples, tokens: NDArray[np.int64], judged: Judged, columns: Iterable[str]) -> tuple[Slice, ...]:
    """By length, then by each of the `columns`."""
    characters = [sum(map(len, texts)) for texts in zip(*examples.texts, strict=True)]
    found = [slices("characters", characters, judged), slices("tokens", tokens.tolist(), judged)]
    found += [slices(name, examples.others[name], judged) for name in columns]
    return tuple(part for parts in found for part in parts)


def find_label_errors(probabilities: NDArray[np.floating[Any]], targets: NDArray[np.integer[Any]]) -> LabelErrors:
    """Judge the given `targets`, class indices (n,) or (n, labels) of 0 and 1, by `probabilities` (n, labels).

    Of several labels a row, each is judged on its own as present or absent, and the row counts for its worst label.
    """
    exact = probabilities.astype(np.float64)
    return _single(exact, targets.astype(np.int64)) if targets.ndim == 1 else _several(exact, targets)


def _single(probabilities: NDArray[np.float64], given: NDArray[np.int64]) -> LabelErrors:
    rows, labels = np.arange(len(given)), probabilities.shape[1]
    confident = confident_class(probabilities, given)
    counted = confident >= 0
    # Of a label that the model hardly ever gives, any small probability is above the usual: it is no reason for doubt
    # while the given label stays the likelier one.
    likelier = counted & (probabilities[rows, confident] > probabilities[rows, given])
    suggested = np.where(likelier, confident, given)
    joint = np.bincount(given[counted] * labels + suggested[counted], minlength=labels * labels).reshape(labels, labels)
    others = probabilities.copy()
    others[rows, given] = -np.inf
    margin = probabilities[rows, given] - others.max(axis=1)
    share = estimated_share(joint, np.bincount(given, minlength=labels))
    return LabelErrors(likelier, suggested, (1 - margin) / 2, share, joint)


def _several(probabilities: NDArray[np.float64], given: NDArray[np.integer[Any]]) -> LabelErrors:
    suspect = np.zeros(given.shape, np.bool_)
    shares = np.zeros(given.shape[1])
    for label in range(given.shape[1]):
        present = probabilities[:, label]
        one = _single(np.stack([1 - present, present], axis=1), given[:, label].astype(np.int64))
        suspect[:, label], shares[label] = one.suspect, one.share
    against = np.where(given == 1, 1 - probabilities, probabilities)
    # The worst suspected label where there is one, so that the score is about what is suggested.
    worst = np.where(suspect.any(axis=1), np.where(suspect, against, 0).max(axis=1), against.max(axis=1))
    suggested = np.where(suspect, 1 - given, given).astype(given.dtype)
    return LabelErrors(np.asarray(suspect.any(axis=1)), suggested, worst, float(shares.mean()), None)


def confident_class(probabilities: NDArray[np.float64], given: NDArray[np.int64]) -> NDArray[np.int64]:
    """The class (n,) int64 that each row confidently belongs to, or -1 (equations 1 and 2 of the paper).

    A class is likely enough when its probability reaches the mean that it has over the rows that were given it (their
    self-confidence); the likeliest of those counts. A class that no row was given is never likely enough.
    """
    counts = np.bincount(given, minlength=probabilities.shape[1])
    sums = np.bincount(given, weights=probabilities[np.arange(len(given)), given], minlength=len(counts))
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    enough = probabilities >= thresholds
    likeliest = np.where(enough, probabilities, -1.0).argmax(axis=1)
    return np.where(enough.any(axis=1), likeliest, -1)


def estimated_share(joint: NDArray[np.int64], given: NDArray[np.int64]) -> float:
    """The share of wrong labels by the confident `joint` (labels, labels), each row of it scaled to the `given` count
    (labels,) of its label (equation 3 of the paper)."""
    counted = joint.sum(axis=1)
    right = np.where(counted > 0, np.diag(joint) / np.maximum(counted, 1), 1.0)
    return float((given * (1 - right)).sum() / given.sum())
