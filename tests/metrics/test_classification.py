"""Metrics of one label a row, of several and of numbers, against scikit-learn and loops; and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    cohen_kappa_score,
    f1_score,
    log_loss,
    mean_absolute_error,
    multilabel_confusion_matrix,
    precision_recall_fscore_support,
)
from sklearn.metrics import (
    confusion_matrix as sklearn_confusion_matrix,
)

from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet, Targets
from scorer.metrics.classification import (
    Metrics,
    confusion_matrix,
    describe,
    log_softmax,
    macro_f1,
    measure,
    ordinal_figures,
    quadratic_weighted_kappa,
)

LABELS = LabelSet(("bad", "middling", "good", "never"), "string")
TAGS = LabelSet(("a", "b", "c", "never"), "string", multi=True)
THRESHOLDS = (0.3, 0.5, 0.7, 0.99999)


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
    assert [list(row) for row in metrics.confusion] == sklearn_confusion_matrix(
        targets, predicted, labels=everything
    ).tolist()


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


def tag_predictions(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    targets = (generator.random((rows, 4)) < (0.5, 0.2, 0.05, 0.0)).astype(np.int8)
    return (generator.normal(0, 1.5, (rows, 4)) + 2 * targets - 1).astype(np.float32), targets


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("temperature", [(1.0,), (0.5, 1.0, 2.0, 1.0)])
def test_several_labels_a_row_agree_with_sklearn(seed: int, temperature: tuple[float, ...]) -> None:
    logits, targets = tag_predictions(300, seed)
    probability = 1 / (1 + np.exp(-logits.astype(np.float64) / temperature))
    chosen = (probability >= THRESHOLDS).astype(int)
    found = measure(logits, targets, labels=TAGS, decision=Decision(temperature, THRESHOLDS))
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
    logits, targets = tag_predictions(200, 7)
    probability = 1 / (1 + np.exp(-logits.astype(np.float64)))
    pairs = list(zip(probability.ravel().tolist(), targets.ravel().tolist(), strict=True))
    expected = 0.0
    for bin_ in range(15):
        inside = [(p, y) for p, y in pairs if bin_ / 15 < p <= (bin_ + 1) / 15]
        if inside:
            expected += (
                len(inside) / len(pairs) * abs(np.mean([y for _, y in inside]) - np.mean([p for p, _ in inside]))
            )
    found = measure(logits, targets, labels=TAGS)
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


def test_huge_logits_of_several_labels_a_row_do_not_overflow() -> None:
    logits, targets = np.array([[1e4, -1e4]], np.float32), np.array([[0, 0]], np.int8)
    assert measure(logits, targets, labels=LabelSet(("a", "b"), "string", True)).nll == pytest.approx(5e3)


@pytest.mark.parametrize("seed", range(4))
def test_stars_agree_with_sklearn(seed: int) -> None:
    generator = np.random.default_rng(seed)
    labels = LabelSet.from_values([1, 2, 3, 4, 5])
    targets = generator.integers(0, 5, 200)
    logits = generator.normal(size=(200, 5)).astype(np.float32)
    logits[np.arange(200), targets] += 1.0
    predicted = logits.argmax(axis=1)
    assert measure(logits, targets, labels=labels).more == {
        "mean_absolute_error": pytest.approx(mean_absolute_error(targets + 1, predicted + 1)),
        "quadratic_weighted_kappa": pytest.approx(cohen_kappa_score(targets, predicted, weights="quadratic")),
        "within_one": pytest.approx(np.mean(np.abs(targets - predicted) <= 1)),
    }


def test_distances_are_those_of_the_numbers_and_places_those_of_their_order() -> None:
    values, true, said = np.array([1.0, 2.0, 10.0]), [0, 1, 2, 2, 0], [0, 2, 0, 2, 1]
    confusion = confusion_matrix(np.array(true), np.array(said), labels=3)
    found = ordinal_figures(confusion, values)
    distances = [abs(values[t] - values[s]) for t, s in zip(true, said, strict=True)]
    assert found["mean_absolute_error"] == pytest.approx(np.mean(distances))
    assert found["within_one"] == pytest.approx(4 / 5)
    by_chance = np.mean([(values[t] - values[s]) ** 2 for t in true for s in said])
    assert found["quadratic_weighted_kappa"] == pytest.approx(1 - np.mean(np.square(distances)) / by_chance)


def test_one_label_everywhere_is_full_agreement() -> None:
    assert quadratic_weighted_kappa(np.diag([4, 0, 0]), np.array([1.0, 2.0, 3.0])) == 1.0


@pytest.mark.parametrize("labels", [LabelSet.from_values([0, 1]), LabelSet.from_values(["a", "b", "c"])])
def test_two_numbers_and_names_have_no_distances(labels: LabelSet) -> None:
    logits = np.eye(len(labels), dtype=np.float32)
    assert measure(logits, np.arange(len(labels)), labels=labels).more == {}


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


@pytest.mark.parametrize("multi", [False, True])
def test_the_bins_of_each_label_are_those_of_its_own_rows(multi: bool) -> None:
    draw = np.random.default_rng(3)
    logits = draw.normal(size=(300, 4)) * 2
    labels = LabelSet(("a", "b", "c", "d"), "string", multi)
    targets: Targets = (draw.random((300, 4)) < 0.3).astype(np.int8) if multi else draw.integers(0, 4, 300)
    metrics = measure(logits, targets, labels=labels)
    probabilities = Decision.uncalibrated(labels).probabilities(logits)
    for label, bins in enumerate(metrics.by_label):
        own = np.ones(300, bool) if multi else probabilities.argmax(axis=1) == label
        right = (targets[:, label] > 0) if multi else targets == label
        for one in bins:
            inside = own & (probabilities[:, label] > one.low) & (probabilities[:, label] <= one.high)
            assert one.rows == inside.sum()
            assert one.accuracy == pytest.approx(right[inside].mean() if inside.any() else 0.0)
    assert "by_label" not in metrics.as_dict()
