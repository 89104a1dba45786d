"""Labels: what is accepted in which type, and what is refused with which counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from scorer.classifier.labels import LabelSet
from scorer.errors import DataError
from scorer.examples.label_form import missing_labels
from scorer.examples.targets import label_counts, label_indices, label_set, label_values, of_kind


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
