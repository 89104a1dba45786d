"""Metrics against scikit-learn and against loops."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, precision_recall_fscore_support

from scorer.training.metrics import expected_calibration_error, log_softmax, macro_f1, measure

NAMES = ("bad", "middling", "good", "never")


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
    metrics = measure(logits, targets, names=NAMES)
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
    assert [list(row) for row in metrics.confusion] == confusion_matrix(targets, predicted, labels=everything).tolist()


def test_calibration_error_agrees_with_a_loop() -> None:
    logits, targets = predictions(500, 7)
    probabilities = np.exp(log_softmax(logits))
    expected = 0.0
    for bin_ in range(15):
        members = [row for row in probabilities.max(axis=1) if bin_ / 15 < row <= (bin_ + 1) / 15]
        rows = [i for i, row in enumerate(probabilities.max(axis=1)) if bin_ / 15 < row <= (bin_ + 1) / 15]
        if rows:
            accuracy = np.mean([probabilities[i].argmax() == targets[i] for i in rows])
            expected += len(rows) / 500 * abs(accuracy - np.mean(members))
    assert expected_calibration_error(probabilities, targets) == pytest.approx(expected)


def test_sure_and_right_is_perfectly_calibrated() -> None:
    assert expected_calibration_error(np.eye(3), np.arange(3)) == 0.0
    assert expected_calibration_error(np.eye(3), np.array([1, 2, 0])) == 1.0


def test_a_label_that_never_occurs_does_not_lower_macro_f1() -> None:
    assert macro_f1(np.array([[3, 0, 0], [0, 2, 0], [0, 0, 0]])) == 1.0


def test_huge_logits_do_not_overflow() -> None:
    metrics = measure(np.array([[1e4, -1e4], [1e4, -1e4]], np.float32), np.array([0, 1]), names=("a", "b"))
    assert metrics.nll == pytest.approx(1e4)
    assert metrics.accuracy == 0.5


def test_as_dict_is_json() -> None:
    import json

    logits, targets = predictions(20, 0)
    document = measure(logits, targets, names=NAMES).as_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
