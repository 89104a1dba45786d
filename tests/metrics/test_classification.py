"""Metrics against scikit-learn and against loops."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, precision_recall_fscore_support

from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet
from scorer.metrics.classification import log_softmax, macro_f1, measure

LABELS = LabelSet(("bad", "middling", "good", "never"), "string")


def predictions(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, 3, rows)
    logits = generator.normal(size=(rows, 4)).astype(np.float32)
    logits[:, 3] -= 20.0
    logits[np.arange(rows), targets] += generator.normal(1.0, 1.0, rows)
    return logits, targets


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_sklearn(seed: int) -> None:
    logits, targets = predictions(200, seed)
    predicted, everything = logits.argmax(axis=1), list(range(4))
    metrics = measure(logits, targets, labels=LABELS)
    precision, recall, f1, support = precision_recall_fscore_support(
        targets, predicted, labels=everything, zero_division=0
    )
    assert metrics.accuracy == pytest.approx(accuracy_score(targets, predicted))
    assert metrics.macro_f1 == pytest.approx(f1_score(targets, predicted, average="macro", zero_division=0))
    assert metrics.nll == pytest.approx(log_loss(targets, np.exp(log_softmax(logits)), labels=everything), rel=1e-6)
    assert [label.precision for label in metrics.labels] == pytest.approx(precision)
    assert [label.recall for label in metrics.labels] == pytest.approx(recall)
    assert [label.f1 for label in metrics.labels] == pytest.approx(f1)
    assert [label.support for label in metrics.labels] == support.tolist()
    assert [label.predicted for label in metrics.labels] == np.bincount(predicted, minlength=4).tolist()
    assert [label.true_positives for label in metrics.labels] == np.bincount(
        targets[predicted == targets], minlength=4
    ).tolist()
    assert [list(row) for row in metrics.confusion] == confusion_matrix(targets, predicted, labels=everything).tolist()


def test_the_temperature_changes_likelihood_and_calibration_alone() -> None:
    logits, targets = predictions(200, 3)
    plain, warm = (measure(logits, targets, labels=LABELS, decision=Decision((t,))) for t in (1.0, 2.0))
    assert warm.nll == pytest.approx(measure(logits / 2, targets, labels=LABELS).nll)
    assert (warm.confusion, warm.accuracy) == (plain.confusion, plain.accuracy)
    assert warm.ece != plain.ece


def test_a_label_that_never_occurs_does_not_lower_macro_f1() -> None:
    hits = np.array([3, 2, 0])
    assert macro_f1(hits, predicted=hits, support=hits) == 1.0
    assert macro_f1(0 * hits, predicted=0 * hits, support=0 * hits) == 0.0


def test_huge_logits_do_not_overflow() -> None:
    metrics = measure(
        np.array([[1e4, -1e4], [1e4, -1e4]], np.float32), np.array([0, 1]), labels=LabelSet(("a", "b"), "string")
    )
    assert metrics.nll == pytest.approx(1e4)
    assert metrics.accuracy == 0.5


def test_as_dict_is_json() -> None:
    import json

    logits, targets = predictions(20, 0)
    document = measure(logits, targets, labels=LABELS).as_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document


@pytest.mark.parametrize("logits", [np.zeros((1, 4), np.float32), np.float32([[1, 1 + 2**-23, 0, 0]])])
def test_nearly_equal_logits_are_answered_as_a_score_job_answers(logits: np.ndarray) -> None:
    decision = Decision((3.0,))
    answered = decision.chosen(decision.probabilities(logits)).argmax(axis=1)
    assert measure(logits, answered, labels=LABELS, decision=decision).accuracy == 1.0
