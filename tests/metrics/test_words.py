"""What is said of metrics to a person."""

from __future__ import annotations

import numpy as np

from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet, Targets
from scorer.metrics.classification import Metrics, measure
from scorer.metrics.words import describe


def told(logits: np.ndarray, targets: Targets, labels: LabelSet, decision: Decision) -> tuple[Metrics, list[str]]:
    """The metrics of `logits` under `decision`, and the lines about them."""
    ways = decision, Decision.uncalibrated(labels)
    metrics, raw = (measure(logits, targets, labels=labels, decision=way) for way in ways)
    assert raw.ece != metrics.ece, "figures that are the same tell nothing"
    lines = list(describe(metrics, raw))
    assert lines[-1].startswith(f"calibration error {metrics.ece:.4f} (uncalibrated {raw.ece:.4f}), ")
    return metrics, lines


def test_numbers_have_their_distances_and_the_weakest_label_comes_first() -> None:
    logits = 3 * np.eye(3, dtype=np.float32)[[0, 2, 2, 2]]
    metrics, lines = told(logits, np.array([0, 1, 2, 2]), LabelSet.from_values([1, 2, 3]), Decision((2.0,)))
    assert lines[0] == "label 2: precision 0.000, recall 0.000, F1 0.000, 1 rows"
    kappa = metrics.more["quadratic_weighted_kappa"]
    assert lines[-2] == (
        f"accuracy 0.7500, macro F1 {metrics.macro_f1:.4f}, mean absolute error 0.2500, "
        f"quadratic weighted kappa {kappa:.4f}, within one 1.0000 on 4 rows"
    )


def test_of_several_labels_a_row_all_must_match() -> None:
    logits, targets = np.array([[4.0, -4.0]] * 2, np.float32), np.array([[1, 0], [1, 1]], np.int8)
    labels = LabelSet(("a", "b"), "string", multi=True)
    metrics, lines = told(logits, targets, labels, Decision((2.0, 3.0), (0.5, 0.5)))
    micro = metrics.more["micro_f1"]
    assert lines[-2] == f"exact match 0.5000, macro F1 {metrics.macro_f1:.4f}, micro f1 {micro:.4f} on 2 rows"


def test_a_hundred_labels_are_not_a_hundred_lines() -> None:
    labels = LabelSet(tuple(f"topic {number:02d}" for number in range(100)), "string")
    logits = 8 * np.eye(100, dtype=np.float32)
    _, lines = told(logits, np.arange(100), labels, Decision((2.0,)))
    assert sum(line.startswith("label ") for line in lines) == 30
    assert lines[30:-2] == ["and 70 labels with a higher F1"]
