"""Ordinal figures against scikit-learn and against loops."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, mean_absolute_error

from scorer.classifier.labels import LabelSet
from scorer.metrics.classification import confusion_matrix, measure
from scorer.metrics.ordinal import ordinal_figures, quadratic_weighted_kappa


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
