"""Changes and figures, added up in parts, against a slow count over all rows, scikit-learn and scipy."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, f1_score

from scorer.classifier.labels import LabelSet
from scorer.evaluation.comparison import Comparison, mcnemar_p_value
from scorer.metrics.classification import measure
from scorer.scoring.answers import Answers, Status

NAMES = ("a", "b", "c")


def single(places, confidence, scored, abstained=False):
    chosen = np.eye(3, dtype=np.bool_)[places] & scored[:, None]
    return answers(chosen, np.where(chosen, np.asarray(confidence)[:, None], 0), scored, scored & abstained)


def answers(chosen, probability, scored, abstained=False):
    """Those of rows, some of which are `scored`, and of those again some `abstained`."""
    status = np.where(scored, np.where(abstained, Status.ABSTAIN, Status.OK), Status.NULL).astype(np.int8)
    return Answers(status, probability.astype(np.float32), chosen, np.ones(len(status), np.int32))


@pytest.fixture
def draw():
    return np.random.default_rng(4)


def test_what_changes(draw):
    old, new = draw.integers(0, 3, 200), draw.integers(0, 3, 200)
    confidence = draw.random((2, 200), np.float32)
    scored = draw.random((2, 200)) < 0.9
    sides = single(old, confidence[0], scored[0]), single(new, confidence[1], scored[1])
    comparison = Comparison(NAMES, multi=False)
    found = [comparison.add(*(side.take(rows) for side in sides)) for rows in np.array_split(np.arange(200), 7)]

    labels = [
        [NAMES[place] if ok else None for place, ok in zip(places, known, strict=True)]
        for places, known in zip((old, new), scored, strict=True)
    ]
    pairs = list(zip(*labels, strict=True))
    assert np.concatenate(found).tolist() == [a != b for a, b in pairs]
    summary = comparison.as_dict()
    assert (summary["rows"], summary["compared"]) == (200, sum(pair != (None, None) for pair in pairs))
    assert summary["changed"] == sum(a != b for a, b in pairs)
    assert summary["changed_share"] == round(summary["changed"] / summary["compared"], 6)
    assert summary["scored_only_by_old"] == sum(a is not None and b is None for a, b in pairs)
    assert summary["scored_only_by_new"] == sum(b is not None and a is None for a, b in pairs)
    expected = Counter(pair for pair in pairs if pair[0] != pair[1])
    assert {(one["old"], one["new"]): one["rows"] for one in summary["changes"]} == expected
    assert [one["rows"] for one in summary["changes"]] == sorted(expected.values(), reverse=True)
    both = scored.all(axis=0)
    change = np.abs(np.diff(confidence, axis=0))[0][both].mean()
    assert summary["mean_confidence_change"] == pytest.approx(change, abs=1e-6)
    changed = [row for row, (a, b) in enumerate(pairs) if a != b]
    sure = np.minimum(sides[0].confidence, sides[1].confidence)
    surest = sorted(changed, key=lambda row: (-sure[row], row))[:20]
    assert [one["row"] for one in summary["examples"]] == [row + 1 for row in surest]
    first = summary["examples"][0]
    assert (first["old"], first["new"]) == pairs[surest[0]]
    assert (summary["labelled"], summary["mcnemar"]) == (0, None)
    assert comparison.metrics == (None, None)


def test_how_good_both_are(draw):
    true = draw.integers(0, 3, 300)
    logits = [np.log(draw.dirichlet([1, 1, 1], 300)) + np.eye(3)[true] * lift for lift in (0.5, 2.0)]
    probability = [np.exp(each) / np.exp(each).sum(axis=1, keepdims=True) for each in logits]
    sides = [single(each.argmax(axis=1), each.max(axis=1), np.ones(300, np.bool_)) for each in probability]
    comparison = Comparison(NAMES, multi=False)
    for rows in np.array_split(np.arange(300), 3):
        old, new = (side.take(rows) for side in sides)
        comparison.judge(old, new, np.eye(3, dtype=np.bool_)[true[rows]], np.ones(len(rows), np.bool_))
    for found, each in zip(comparison.metrics, logits, strict=True):
        expected = measure(each, true, labels=LabelSet(NAMES, "string"))
        assert found == pytest.approx(
            {"accuracy": expected.accuracy, "macro_f1": expected.macro_f1, "ece": expected.ece}, abs=1e-5
        )
    right = [each.argmax(axis=1) == true for each in probability]
    alone = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    assert comparison.as_dict()["mcnemar"] == {
        "only_old_right": alone[0],
        "only_new_right": alone[1],
        "p_value": mcnemar_p_value(*alone),
    }


def test_how_far_off_ordered_labels_are(draw):
    labels = LabelSet.from_values([1, 2, 10])
    true = draw.integers(0, 3, 300)
    logits = [np.log(draw.dirichlet([1, 1, 1], 300)) + np.eye(3)[true] * lift for lift in (0.5, 2.0)]
    sides = [single(each.argmax(axis=1), np.full(300, 0.5), np.arange(300) < 290) for each in logits]
    comparison = Comparison(labels.names, multi=False, ordered=True)
    for rows in np.array_split(np.arange(300), 3):
        comparison.judge(
            *(side.take(rows) for side in sides), np.eye(3, dtype=np.bool_)[true[rows]], np.ones(len(rows), np.bool_)
        )
    for found, each in zip(comparison.metrics, logits, strict=True):
        expected = measure(each[:290], true[:290], labels=labels).headline()
        for name in ("mean_absolute_error", "quadratic_weighted_kappa", "within_one"):
            assert found[name] == pytest.approx(expected[name])


def test_changes_beyond_the_most_frequent_are_counted(draw):
    names = tuple(map(str, range(8)))
    chosen = [np.eye(8, dtype=np.bool_)[draw.integers(0, 8, 500)] for _ in range(2)]
    everywhere = np.ones(500, np.bool_)
    comparison = Comparison(names, multi=False)
    comparison.add(*(answers(each, each, everywhere) for each in chosen))
    found = comparison.as_dict()
    assert len(found["changes"]) == 20
    assert found["other_changes"] == found["changed"] - sum(one["rows"] for one in found["changes"]) > 0


def test_rows_with_several_labels(draw):
    old, new, true = (draw.random((100, 3)) < 0.4 for _ in range(3))
    probability, scored = draw.random((2, 100, 3), np.float32), np.ones(100, np.bool_)
    sides = [answers(chosen, each, scored) for chosen, each in zip((old, new), probability, strict=True)]
    comparison = Comparison(NAMES, multi=True)
    changed = comparison.add(*sides)
    comparison.judge(*sides, true, scored)
    moved = np.where(old != new, np.abs(probability[0] - probability[1]), 0).max(axis=1)
    surest = sorted(np.flatnonzero(changed).tolist(), key=lambda row: (-moved[row], row))[:20]
    assert [one["row"] for one in comparison.as_dict()["examples"]] == [row + 1 for row in surest]
    assert changed.tolist() == (old != new).any(axis=1).tolist()
    changes = {one["label"]: (one["gained"], one["lost"]) for one in comparison.as_dict()["changes"]}
    assert changes == {
        name: ((new & ~old)[:, place].sum(), (old & ~new)[:, place].sum()) for place, name in enumerate(NAMES)
    }
    for found, chosen in zip(comparison.metrics, (old, new), strict=True):
        assert found == pytest.approx(
            {
                "accuracy": accuracy_score(true, chosen),
                "macro_f1": f1_score(true, chosen, average="macro"),
                "micro_f1": f1_score(true, chosen, average="micro"),
            }
        )


def test_a_row_without_a_score_or_with_a_label_beyond_the_models_is_wrong():
    old, new = (single(np.array([0, 0, 0]), np.ones(3), np.array([True, second, True])) for second in (True, False))
    comparison = Comparison(NAMES, multi=False)
    true = np.eye(3, dtype=np.bool_)[[0, 0, 0]]
    true[2] = False
    comparison.judge(old, new, true, np.array([True, True, False]))
    assert [found["accuracy"] for found in comparison.metrics] == pytest.approx([2 / 3, 1 / 3])
    assert comparison.as_dict()["mcnemar"]["p_value"] == 1.0
    assert (comparison.labelled, comparison.unknown) == (3, 1)


def test_an_abstention_of_one_model_is_a_change():
    old_unsure, new_unsure = np.array([[False, True, True, False, True], [True, True, True, False, False]])
    scored, sure = np.ones(5, np.bool_), np.linspace(0.9, 0.5, 5)
    comparison = Comparison(NAMES, multi=False)
    changed = comparison.add(
        single(np.array([0, 0, 0, 1, 1]), sure, scored, old_unsure),
        single(np.array([0, 0, 1, 1, 2]), sure, scored, new_unsure),
    )
    assert changed.tolist() == [True, False, True, False, True]
    found = comparison.as_dict()
    assert (found["changed"], found["abstained_by_old"], found["abstained_by_new"]) == (3, 3, 3)
    assert found["changes"] == [
        {"old": "a", "new": "a", "abstains": "new", "rows": 1},
        {"old": "b", "new": "c", "abstains": "old", "rows": 1},
        {"old": "a", "new": "b", "abstains": "both", "rows": 1},
    ]
    assert [(one["row"], one["abstains"]) for one in found["examples"]] == [(1, "new"), (3, "both"), (5, "old")]


def test_nothing_to_compare():
    summary = Comparison(NAMES, multi=False).as_dict()
    assert (summary["changed_share"], summary["mean_confidence_change"], summary["changes"]) == (0.0, None, [])


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 0), (5, 5), (3, 12), (30, 12), (480, 520)])
def test_it_is_the_binomial_test_of_the_rows_that_one_model_alone_has_right(first, second):
    expected = binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar_p_value(first, second) == pytest.approx(expected)
    assert mcnemar_p_value(second, first) == mcnemar_p_value(first, second)


@pytest.mark.parametrize(("first", "second"), [(600, 600), (2000, 2100), (700, 560)])
def test_many_rows_are_approximated(first, second):
    assert mcnemar_p_value(first, second) == pytest.approx(binomtest(first, first + second).pvalue, rel=0.02, abs=1e-3)
