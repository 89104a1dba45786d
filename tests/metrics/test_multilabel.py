"""Figures of rows with several labels against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    multilabel_confusion_matrix,
    precision_recall_fscore_support,
)

from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet
from scorer.metrics.classification import measure

LABELS = LabelSet(("a", "b", "c", "never"), "string", multi=True)
THRESHOLDS = (0.3, 0.5, 0.7, 0.99999)


def predictions(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    targets = (generator.random((rows, 4)) < (0.5, 0.2, 0.05, 0.0)).astype(np.int8)
    return (generator.normal(0, 1.5, (rows, 4)) + 2 * targets - 1).astype(np.float32), targets


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("temperature", [(1.0,), (0.5, 1.0, 2.0, 1.0)])
def test_agrees_with_sklearn(seed: int, temperature: tuple[float, ...]) -> None:
    logits, targets = predictions(300, seed)
    probability = 1 / (1 + np.exp(-logits.astype(np.float64) / temperature))
    chosen = (probability >= THRESHOLDS).astype(int)
    found = measure(logits, targets, labels=LABELS, decision=Decision(temperature, THRESHOLDS))
    precision, recall, f1, support = precision_recall_fscore_support(targets, chosen, zero_division=0)
    occurring = [label for label in range(4) if chosen[:, label].any() or targets[:, label].any()]
    assert found.rows == 300
    assert found.accuracy == pytest.approx(accuracy_score(targets, chosen))
    assert found.macro_f1 == pytest.approx(np.mean(f1[occurring]))
    assert found.more == {"micro_f1": pytest.approx(f1_score(targets, chosen, average="micro"))}
    assert found.nll == pytest.approx(
        np.mean([log_loss(targets[:, label], probability[:, label], labels=[0, 1]) for label in range(4)])
    )
    assert found.brier == pytest.approx(
        np.mean([brier_score_loss(targets[:, label], probability[:, label], labels=[0, 1]) for label in range(4)]),
        abs=1e-6,
    )
    assert [label.precision for label in found.labels] == pytest.approx(precision)
    assert [label.recall for label in found.labels] == pytest.approx(recall)
    assert [label.f1 for label in found.labels] == pytest.approx(f1)
    assert [label.support for label in found.labels] == support.tolist()
    for label, table in zip(found.labels, multilabel_confusion_matrix(targets, chosen), strict=True):
        counted = (label.false_positives, label.false_negatives, label.true_positives)
        assert counted == (table[0, 1], table[1, 0], table[1, 1])
    assert found.confusion is None


def test_calibration_is_over_every_label_of_every_row() -> None:
    logits, targets = predictions(200, 7)
    probability = 1 / (1 + np.exp(-logits.astype(np.float64)))
    pairs = list(zip(probability.ravel().tolist(), targets.ravel().tolist(), strict=True))
    expected = 0.0
    for bin_ in range(15):
        inside = [(p, y) for p, y in pairs if bin_ / 15 < p <= (bin_ + 1) / 15]
        if inside:
            expected += (
                len(inside) / len(pairs) * abs(np.mean([y for _, y in inside]) - np.mean([p for p, _ in inside]))
            )
    found = measure(logits, targets, labels=LABELS)
    assert found.ece == pytest.approx(expected, abs=1e-6)
    assert sum(bin_.rows for bin_ in found.reliability) == 800


def test_without_a_decision_a_label_is_given_from_a_half_on() -> None:
    targets = np.array([[1, 0], [0, 1], [0, 0]], np.int8)
    logits = np.array([[0.0, -0.1], [-9.0, 9.0], [9.0, -9.0]], np.float32)
    found = measure(logits, targets, labels=LabelSet(("a", "b"), "string", multi=True))
    assert found.accuracy == pytest.approx(2 / 3)
    assert [label.recall for label in found.labels] == [1.0, 1.0]
    assert [label.precision for label in found.labels] == [0.5, 1.0]


def test_rows_without_any_label_are_no_division_by_zero() -> None:
    found = measure(
        np.full((3, 2), -2.0, np.float32), np.zeros((3, 2), np.int8), labels=LabelSet(("a", "b"), "string", True)
    )
    assert (found.accuracy, found.macro_f1, found.more["micro_f1"]) == (1.0, 0.0, 0.0)


def test_huge_logits_do_not_overflow() -> None:
    logits, targets = np.array([[1e4, -1e4]], np.float32), np.array([[0, 0]], np.int8)
    assert measure(logits, targets, labels=LabelSet(("a", "b"), "string", True)).nll == pytest.approx(5e3)
