"""Labels: what is accepted in which type, and what is refused with which counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from scorer.classifier.labels import LabelSet
from scorer.errors import ConfigError, DataError
from scorer.examples.targets import label_indices, label_set, label_values, lonely


def values(column: pa.Array) -> list[Any]:
    return list(label_values(pa.chunked_array([column]), name="label", where="train.csv"))


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([1, 5, 3], pa.int8()), [1, 5, 3]),
        (pa.array([1, 5], pa.uint64()), [1, 5]),
        (pa.array([-1, 1]), [-1, 1]),
        (pa.array([1.0, 2.0], pa.float32()), [1, 2]),
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


@pytest.mark.parametrize("type_", [pa.list_(pa.string()), pa.timestamp("s"), pa.binary()])
def test_columns_that_are_no_labels_are_a_configuration_error(type_: pa.DataType) -> None:
    with pytest.raises(ConfigError, match="label column 'label' is"):
        values(pa.array([None], type_))


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


@pytest.mark.parametrize("other", [[True, False], ["0", "1"]])
def test_labels_of_another_kind_are_refused(other: list[Any]) -> None:
    with pytest.raises(DataError, match="the training file int ones"):
        label_indices(other, LabelSet.from_values([0, 1]), name="label", where="valid.csv")


def test_lonely_labels_are_named() -> None:
    labels = LabelSet.from_values(["a", "b", "c"])
    assert lonely(np.array([0, 0, 1, 2]), labels) == ["b", "c"]
