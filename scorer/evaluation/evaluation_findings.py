"""What an evaluation found: figures of all rows, of their parts, and of single rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet, RowLabel, Targets
from scorer.classifier.profile import LENGTH_EDGES, histogram
from scorer.evaluation.label_errors import LabelErrors, find_label_errors
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
