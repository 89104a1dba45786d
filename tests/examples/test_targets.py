"""Labels: what is accepted and what is refused; and the stratified split and folds, over random label counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from scorer.classifier.labels import LabelSet
from scorer.errors import DataError
from scorer.examples.label_form import missing_labels
from scorer.examples.targets import (
    label_counts,
    label_indices,
    label_set,
    label_values,
    of_kind,
    rarest_labels,
    stratified_folds,
    stratified_split,
)


def values(column: pa.Array) -> list[Any]:
    return list(label_values(pa.chunked_array([column]), name="label", where="train.csv"))


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([1, 5, 3], pa.int8()), [1, 5, 3]),
        (pa.array([1, 5], pa.uint64()), [1, 5]),
        (pa.array([-1, 1]), [-1, 1]),
        (pa.array([1.0, 2.0], pa.float32()), [1, 2]),
        (pa.array([1.0, 2.0], pa.float16()), [1, 2]),
        (pa.array(["neg", "pos"], pa.string_view()), ["neg", "pos"]),
        (pa.array([True, False]), [True, False]),
        (pa.array(["neg", "pos"], pa.large_string()), ["neg", "pos"]),
        (pa.array(["neg", "pos"]).dictionary_encode(), ["neg", "pos"]),
        (pa.array([3, 4]).dictionary_encode(), [3, 4]),
    ],
)
def test_labels_keep_their_kind(column: pa.Array, expected: list[Any]) -> None:
    found = values(column)
    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, None, 2, None]),
        pa.array([1.0, float("nan"), 2.0, None]),
        pa.array(["a", "", "b", " "]),
        pa.array(["a", None, "b", None]).dictionary_encode(),
        pa.array([True, None, False, None]),
    ],
)
def test_null_and_empty_labels_are_counted(column: pa.Array) -> None:
    with pytest.raises(DataError, match=r"train\.csv: labels: 2 null or empty of 4 rows in column 'label'"):
        values(column)


def test_fractions_are_counted() -> None:
    with pytest.raises(DataError, match="labels: 2 of 3 in column 'label' are no whole numbers"):
        values(pa.array([1.5, 2.0, 2.25]))


def test_numbers_beyond_64_bits_are_refused() -> None:
    with pytest.raises(DataError, match="64-bit"):
        values(pa.array([2**63, 1], pa.uint64()))


def test_a_single_class_is_refused_with_its_count() -> None:
    with pytest.raises(DataError, match="1 class in 3 rows"):
        label_set([4, 4, 4], name="label", where="train.csv")


def test_a_column_of_identifiers_is_refused() -> None:
    with pytest.raises(DataError, match="300 classes in 300 rows"):
        label_set(list(range(300)), name="label", where="train.csv")
    assert len(label_set(list(range(20)), name="label", where="train.csv")) == 20


def test_indices_are_positions_in_the_label_set() -> None:
    labels = LabelSet.from_values([5, 1, 3, 1])
    assert label_indices([1, 3, 5, 1], labels, name="label", where="f").tolist() == [0, 1, 2, 0]


def test_unknown_labels_are_counted_without_being_shown() -> None:
    labels = LabelSet.from_values(["a", "b"])
    with pytest.raises(DataError, match=r"3 of 4 rows have one of 2 labels") as caught:
        label_indices(["a", "secret", "secret", "other"], labels, name="label", where="valid.csv")
    assert "secret" not in str(caught.value)
    assert "the training file lacks, which has 'a', 'b'; spell them alike" in str(caught.value)
    many = LabelSet.from_values([f"LABEL_{number}" for number in range(7)])
    with pytest.raises(DataError, match=r"the model lacks, which has 'LABEL_0', .*'LABEL_4' and 2 more; "):
        label_indices([0, 1], many, name="label", where="test.csv", known="the model")


@pytest.mark.parametrize("other", [[True, False], ["0", "1"]])
def test_labels_of_another_kind_are_refused(other: list[Any]) -> None:
    with pytest.raises(DataError, match="the training file int ones"):
        label_indices(other, LabelSet.from_values([0, 1]), name="label", where="valid.csv")


def test_numbers_are_names_where_labels_are_names() -> None:
    """A column of names such as 1, 2 and 10+ looks like one of numbers in a file that has no 10+."""
    labels = LabelSet.from_values(["1", "2", "10+"])
    expected = [labels.names.index(name) for name in ("2", "1", "2")]
    assert label_indices([2, 1, 2], labels, name="label", where="valid.csv").tolist() == expected
    with pytest.raises(DataError, match="write them alike in both files"):
        label_indices([True, False], labels, name="label", where="valid.csv")
    several = LabelSet.from_values(["1", "2"], multi=True)
    assert label_indices([(2,), (1, 2), ()], several, name="label", where="f").tolist() == [[0, 1], [1, 1], [0, 0]]


@pytest.mark.parametrize("names", [("false", "mixed", "true"), ("False", "True", "mixed")])
def test_booleans_are_names_where_labels_are_names(names: tuple[str, ...]) -> None:
    """As a reader takes a column of `True` and `False` for one of booleans in a file that has no third label."""
    labels = LabelSet.from_values(names)
    expected = [[name.lower() for name in names].index(name) for name in ("true", "false")]
    assert label_indices([True, False], labels, name="label", where="valid.csv").tolist() == expected
    several = LabelSet.from_values(names, multi=True)
    found = label_indices([(True,), (), (False, True)], several, name="label", where="valid.csv")
    assert [np.flatnonzero(row).tolist() for row in found] == [[expected[0]], [], sorted(expected)]


def test_labels_without_a_row_are_counted_too() -> None:
    labels = LabelSet.from_values(["a", "b", "c"])
    assert label_counts(np.array([0, 0, 1]), labels).tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([["b", "a"], [], ["a", "a"]]), [("b", "a"), (), ("a",)]),
        (pa.array([["a"], ["b", "c"]], pa.large_list(pa.large_string())), [("a",), ("b", "c")]),
        (pa.array([[1, 2], [3, 3]], pa.list_(pa.int8(), 2)), [(1, 2), (3,)]),
        (pa.array([None, ["a"], ["b"]]).slice(1), [("a",), ("b",)]),
        (pa.array([["a"], ["b"]], pa.list_(pa.dictionary(pa.int8(), pa.string()))), [("a",), ("b",)]),
    ],
)
def test_a_list_is_all_labels_of_a_row(column: pa.Array, expected: list[Any]) -> None:
    assert values(column) == expected


@pytest.mark.parametrize("column", [pa.array([["a"], None, None]), pa.array([["a", None], [None]])])
def test_null_lists_and_nulls_in_lists_are_counted(column: pa.Array) -> None:
    with pytest.raises(DataError, match=r"2 null( or empty)? of 3 (rows|values)"):
        values(column)


def test_several_labels_a_row_are_a_matrix() -> None:
    rows: list[Any] = [("b", "a"), (), ("c",)]
    labels = label_set(rows, name="label", where="f", multi=True)
    assert labels == LabelSet(("a", "b", "c"), "string", multi=True)
    targets = label_indices(rows, labels, name="label", where="f")
    assert (targets.dtype, targets.tolist()) == (np.int8, [[1, 1, 0], [0, 0, 0], [0, 0, 1]])
    assert label_counts(targets, labels).tolist() == [1, 1, 1]


def test_one_label_a_row_and_several_do_not_mix() -> None:
    several = LabelSet.from_values(["a", "b"], multi=True)
    with pytest.raises(DataError, match="one label a row, the training file several"):
        label_indices(["a"], several, name="label", where="valid.csv")
    with pytest.raises(DataError, match="several labels a row, the training file one"):
        label_indices([("a",)], LabelSet.from_values(["a", "b"]), name="label", where="valid.csv")
    with pytest.raises(DataError, match="2 of 3 rows have one of 1 labels"):
        label_indices([("a", "z"), ("z",), ()], several, name="label", where="valid.csv")


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1.0, float("nan"), None, 2.0]),
        pa.array(["a", "", None, "b"]),
        pa.array(["a", " \t", None, "b"], pa.string_view()),
    ],
)
def test_what_is_no_label(column: pa.Array) -> None:
    assert missing_labels(pa.chunked_array([column])).tolist() == [False, True, True, False]


def test_names_are_numbers_where_a_model_has_numbers() -> None:
    rows = [("1", "-20"), (), ("x", "1.5"), (3,)]
    assert of_kind(rows, "int") == [(1, -20), (), ("x", "1.5"), (3,)]
    assert of_kind([("true", "no")], "bool") == [(True, "no")]
    assert of_kind(rows, "string") == rows
    assert of_kind(["1", "x"], "int") == [1, "x"]


def split(
    classes: list[int], fraction: float, seed: int = 0, groups: list[int] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    numbers = np.arange(len(classes)) if groups is None else np.array(groups)
    return stratified_split(np.array(classes), numbers, fraction=fraction, seed=seed)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.floats(0.01, 0.9), st.integers(0, 5))
def test_every_row_is_on_one_side_and_every_class_gives_its_share(
    counts: list[int], fraction: float, seed: int
) -> None:
    classes = [class_ for class_, count in enumerate(counts) for _ in range(count)]
    train, valid = split(classes, fraction, seed)
    assert sorted([*train, *valid]) == list(range(len(classes)))
    for class_, count in enumerate(counts):
        held_out = sum(classes[row] == class_ for row in valid)
        assert held_out <= count - 1
        assert held_out >= min(int(count * fraction), count - 1)
        assert held_out <= int(count * fraction) + 1
    assert bool(len(valid)) == any(count > 1 for count in counts)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 15)), min_size=1, max_size=80), st.integers(0, 5))
def test_equal_texts_stay_together(rows: list[tuple[int, int]], seed: int) -> None:
    groups = [group for _, group in rows]
    train, valid = split([class_ for class_, _ in rows], 0.3, seed, groups)
    assert not {groups[row] for row in train} & {groups[row] for row in valid}
    assert sorted([*train, *valid]) == list(range(len(rows)))


def test_the_whole_share_is_met_where_classes_are_large() -> None:
    train, valid = split([0] * 50 + [1] * 30 + [2] * 20, 0.1)
    assert (len(train), len(valid)) == (90, 10)
    assert np.bincount(np.array([0] * 50 + [1] * 30 + [2] * 20)[valid]).tolist() == [5, 3, 2]


def test_the_seed_decides() -> None:
    classes = [0, 1] * 100
    assert split(classes, 0.2, 1)[1].tolist() == split(classes, 0.2, 1)[1].tolist()
    assert split(classes, 0.2, 1)[1].tolist() != split(classes, 0.2, 2)[1].tolist()


def test_a_class_with_one_example_is_trained_on() -> None:
    train, valid = split([0] * 20 + [1], 0.5)
    assert 20 in train
    assert len(valid) == 10


def test_several_labels_count_for_the_rarest() -> None:
    targets = np.array([[1, 0, 1], [1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]], np.int8)
    assert rarest_labels(targets).tolist() == [2, 1, 0, 3, 1]


def test_a_rare_label_beside_common_ones_is_on_both_sides() -> None:
    generator = np.random.default_rng(0)
    targets = (generator.random((2000, 4)) < (0.9, 0.5, 0.3, 0.01)).astype(np.int8)
    train, valid = stratified_split(targets, np.arange(2000), fraction=0.2, seed=0)
    assert sorted([*train, *valid]) == list(range(2000))
    assert abs(int(targets[valid, 3].sum()) - 0.2 * int(targets[:, 3].sum())) <= 1
    np.testing.assert_allclose(targets[valid].mean(axis=0), targets.mean(axis=0), atol=0.05)


@given(st.lists(st.lists(st.integers(0, 5), max_size=3), min_size=4, max_size=30), st.integers(0, 20))
def test_every_one_of_several_labels_is_trained_on(rows: list[list[int]], seed: int) -> None:
    targets = np.zeros((len(rows), 6), np.int8)
    for row, labels in enumerate(rows):
        targets[row, labels] = 1
    train, valid = stratified_split(targets, np.arange(len(rows)), fraction=0.5, seed=seed)
    assert sorted([*train, *valid]) == list(range(len(rows)))
    assert targets[train].any(axis=0).tolist() == targets.any(axis=0).tolist()


def test_a_label_that_stands_beside_rarer_ones_alone_is_trained_on() -> None:
    """Label 2 counts for neither of its rows, and by chance both may be held out."""
    targets = np.array([[1, 0, 1], [1, 0, 0], [0, 1, 1], [0, 1, 0]], np.int8)
    for seed in range(30):
        train, _ = stratified_split(targets, np.arange(4), fraction=0.5, seed=seed)
        assert targets[train].any(axis=0).all()


def test_a_label_that_only_contradicts_equal_texts_is_trained_on() -> None:
    for seed in range(30):
        train, valid = stratified_split(np.array([0, 0, 0, 0, 1]), np.array([0, 1, 2, 3, 3]), fraction=0.5, seed=seed)
        assert 4 in train
        assert len(valid)


def test_folds_are_even_in_size_and_in_every_class() -> None:
    draw = np.random.default_rng(0)
    classes = draw.choice(4, 503, p=[0.6, 0.3, 0.09, 0.01])
    folds = stratified_folds(classes, np.arange(503), folds=5, seed=1)
    assert np.ptp(np.bincount(folds, minlength=5)) <= 1
    for class_ in range(4):
        assert np.ptp(np.bincount(folds[classes == class_], minlength=5)) <= 1


def test_equal_texts_are_in_one_fold() -> None:
    draw = np.random.default_rng(1)
    groups = draw.integers(0, 40, 300)
    folds = stratified_folds(draw.integers(0, 3, 300), groups, folds=4, seed=2)
    assert all(len(set(folds[groups == group].tolist())) == 1 for group in range(40))
    assert set(folds.tolist()) == {0, 1, 2, 3}


def test_the_seed_decides_the_folds() -> None:
    classes, groups = np.arange(60) % 3, np.arange(60)
    once, again, other = (stratified_folds(classes, groups, folds=3, seed=seed) for seed in (5, 5, 6))
    assert (once == again).all()
    assert (once != other).any()
