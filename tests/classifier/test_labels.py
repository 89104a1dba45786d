"""Labels keep the type that the training file gave them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from scorer.classifier.labels import LabelSet


@pytest.mark.parametrize(
    ("values", "names", "kind", "arrow"),
    [
        ([10, 9, -1, 9], ("-1", "9", "10"), "int", pa.int64()),
        (["b", "a", "b"], ("a", "b"), "string", pa.string()),
        ([True, False], ("false", "true"), "bool", pa.bool_()),
        ([0, 1], ("0", "1"), "int", pa.int64()),
        (["10", "9"], ("10", "9"), "string", pa.string()),
    ],
)
def test_labels_of_a_column(values, names, kind, arrow):
    labels = LabelSet.from_values(values)
    assert (labels.names, labels.kind, labels.arrow_type) == (names, kind, arrow)
    assert list(labels.values) == sorted(set(values))
    assert [type(value) for value in labels.values] == [type(values[0])] * len(labels)
    assert labels.index_of() == {value: index for index, value in enumerate(labels.values)}


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["1", "2"], "int"),
        (["-3", "0", "12"], "int"),
        (["1 star", "2 stars"], "string"),
        (["01", "2"], "string"),
        (["1.0", "2.0"], "string"),
        (["-0", "1"], "string"),
        (["LABEL_0", "LABEL_1"], "string"),
        (["99999999999999999999", "1"], "string"),
    ],
)
def test_names_of_a_foreign_model_are_integers_only_if_each_survives_it(names, kind):
    labels = LabelSet.from_id2label(dict(enumerate(names)))
    assert labels.kind == kind
    assert [str(value) for value in labels.values] == names


def test_the_order_of_a_foreign_model_is_that_of_its_indices():
    assert LabelSet.from_id2label({2: "c", 0: "b", 1: "a"}).names == ("b", "a", "c")


@pytest.mark.parametrize("values", [[3, 1, 2], ["x", "y", "z"], [False, True]])
def test_indices_become_values_of_the_labels_own_type_or_null(values):
    labels = LabelSet.from_values(values)
    indices = np.array([1, 0, 1])
    column = labels.to_arrow(indices, np.array([False, True, False]))
    assert column.type == labels.arrow_type
    assert column.to_pylist() == [sorted(values)[1], None, sorted(values)[1]]


def test_only_numeric_labels_have_numbers():
    assert LabelSet.from_values([5, 1]).numbers().tolist() == [1.0, 5.0]
    assert LabelSet.from_values([True, False]).numbers().tolist() == [0.0, 1.0]
    assert LabelSet.from_values(["a", "b"]).numbers() is None


def test_nominal_integers_only_name():
    stars, ids = (LabelSet.from_values([3, 1, 2], nominal=nominal) for nominal in (False, True))
    assert (stars.ordinal, ids.ordinal) == (True, False)
    assert ids.numbers() is None
    assert (ids.values, ids.arrow_type) == (stars.values, stars.arrow_type)
    assert (stars.describe(), ids.describe()) == ("3 (int)", "3 (int, nominal)")


@pytest.mark.parametrize("values", [["a", "b", "c"], [True, False]])
def test_what_is_no_integer_is_not_called_nominal(values):
    assert LabelSet.from_values(values, nominal=True) == LabelSet.from_values(values)
