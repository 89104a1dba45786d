"""The label column as it is: every kind of label, and everything that is none."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from scorer.checking.label_counter import LabelCounter
from scorer.examples.label_form import LabelForm
from tests.tables.views import categories, lists_of_categories


def counted(values, kind=None, *, separator=None, usable=None, windows=1, **limits):
    column = pa.chunked_array([pa.array(values, kind)])
    form = LabelForm("separated" if separator else "plain", ("label",), separator=separator)
    counter = LabelCounter(form.read(pa.table({"label": column.slice(0, 0)})).column.type, **limits)
    keys = []
    step = -(-len(values) // windows)
    for start in range(0, len(values), step):
        part = column.slice(start, step)
        here = [True] * len(part) if usable is None else usable[start : start + step]
        keys += counter.add(form.read(pa.table({"label": part})), np.array(here, bool)).tolist()
    return counter, keys


@pytest.mark.parametrize("windows", [1, 3])
@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([10, 2, 2, None], pa.int64(), {"2": 2, "10": 1}),
        ([1.0, 2.0, 1.0, float("nan")], pa.float64(), {"1": 2, "2": 1}),
        (["b", "a", "b", " "], pa.string(), {"b": 2, "a": 1}),
        (["b", "a", "b", None], pa.dictionary(pa.int8(), pa.large_string()), {"b": 2, "a": 1}),
        ([True, False, True, None], pa.bool_(), {"true": 2, "false": 1}),
        ([7, 7, 200, None], pa.uint8(), {"7": 2, "200": 1}),
        (["b", "a", "b", None], pa.string_view(), {"b": 2, "a": 1}),
    ],
)
def test_labels_of_every_kind_are_counted(values, kind, expected, windows):
    counter, keys = counted(values, kind, windows=windows)
    assert list(counter.counts().items()) == list(expected.items())
    assert (counter.missing.count, counter.missing.rows) == (1, (4,))
    assert keys[3] == 0
    assert [key == keys[0] for key in keys] == [value == values[0] for value in values]


@pytest.mark.parametrize("windows", [1, 3])
def test_categories_of_polars_are_counted(windows):
    counter, _ = counted(categories(["b", "a", "b", None]), windows=windows)
    assert counter.counts() == {"b": 2, "a": 1}
    counter, _ = counted(lists_of_categories([["b"], ["a", "b"], []]), windows=windows)
    assert counter.counts() == {"b": 2, "a": 1}


def test_what_is_no_whole_number_is_counted_apart():
    counter, keys = counted([1.0, 2.5, float("inf"), 1e300, None, -3.0])
    assert counter.fractional.rows == (2, 3, 4)
    assert counter.missing.rows == (5,)
    assert counter.counts() == {"-3": 1, "1": 1}
    assert [bool(key) for key in keys] == [True, False, False, False, False, True]


def test_a_label_of_a_row_that_a_fit_leaves_out_may_be_no_whole_number():
    usable = [True, False, True]
    assert counted([1.0, 2.5, 0.5], usable=usable)[0].fractional.rows == (3,)
    lists = [[1.0], [2.5], [0.5, 1.0]]
    counter, _ = counted(lists, pa.list_(pa.float64()), usable=usable)
    assert counter.fractional.rows == (3,)
    assert counter.counts() == {"1": 2}


def test_numbers_beyond_64_bits_with_a_sign_are_no_labels():
    counter, keys = counted([7, 2**63, 2**63 - 1, None], pa.uint64())
    assert (counter.fractional.rows, counter.missing.rows) == ((2,), (4,))
    assert counter.counts() == {"7": 1, str(2**63 - 1): 1}
    assert [bool(key) for key in keys] == [True, False, True, False]


def test_rows_that_are_not_usable_are_in_no_count():
    counter, keys = counted(["a", "b", "a", "c"], usable=[True, True, False, False])
    assert counter.counts() == {"a": 1, "b": 1}
    assert counter.distinct == 2, "a label that only rows without a text have is none that a fit would learn"
    assert keys[0] == keys[2]


@pytest.mark.parametrize(
    ("here", "there", "suits"),
    [
        (["a"], ["b"], True),
        ([1], ["b"], True),
        (["b"], [1], False),
        ([True], ["b"], False),
        ([True], ["true", "b"], True),
        ([True, False], ["True", "False", "b"], True),
        ([True, False], ["True", "b"], False),
        ([["a"]], ["b"], False),
    ],
)
def test_numbers_and_booleans_may_be_some_of_names(here, there, suits):
    """As a fit takes them: a column of names such as 1, 2 and 10+ may hold nothing but numbers in another file."""
    assert counted(here)[0].suits(counted(there)[0]) == suits


@pytest.mark.parametrize("windows", [1, 2])
def test_rows_with_a_label_that_is_not_known_are_counted_once(windows):
    usable = [True, True, True, False, True]
    assert counted(list("abcca"), usable=usable, windows=windows, known={"a", "c"})[0].foreign.rows == (2,)
    rows = [["a", "b"], ["b", "c"], ["a"], ["b"], []]
    assert counted(rows, usable=usable, windows=windows, known={"a"})[0].foreign.rows == (1, 2)
    assert counted(rows)[0].foreign.count == 0


def test_a_boolean_is_known_however_it_is_spelt():
    for known in ({"true", "b"}, {"True", "b"}):
        counter, _ = counted([True, False, False], known=known)
        assert (counter.foreign.rows, counter.foreign_labels) == ((2, 3), 1)
    assert counted(["true"], known={"True"})[0].foreign.count == 1


@pytest.mark.parametrize("kind", [pa.list_(pa.string()), pa.large_list(pa.large_string())])
@pytest.mark.parametrize("windows", [1, 2])
def test_lists_of_labels_are_sets(kind, windows):
    rows = [["a", "b"], ["b", "a"], ["b", "b"], [], None, ["a", None], ["b"]]
    counter, keys = counted(rows, kind, windows=windows)
    assert counter.multi
    assert counter.counts() == {"b": 4, "a": 3}
    assert (counter.missing.rows, counter.unlabelled.rows) == ((5, 6), (4,))
    assert keys[0] == keys[1] != keys[2] == keys[6]
    assert keys[4] == 0
    assert keys[3] not in (0, keys[0], keys[2])


def test_text_with_a_separator_is_a_list():
    counter, keys = counted(["a;b", "b ; a;", "", None, "b"], separator=";")
    assert counter.counts() == {"b": 3, "a": 2}
    assert (counter.missing.rows, counter.unlabelled.rows) == ((4,), (3,))
    assert keys[0] == keys[1] != keys[4]


def test_the_number_of_distinct_labels_is_bounded():
    counter, _ = counted(list("abcdefg"), most_distinct=3)
    assert counter.distinct == 4
    assert sum(counter.counts().values()) == 3


@pytest.mark.parametrize(
    ("kind", "separator", "described"),
    [
        (pa.int8(), None, "numbers"),
        (pa.int8(), ";", "lists of names"),
        (pa.bool_(), None, "booleans"),
        (pa.string(), ";", "lists of names"),
        (pa.list_(pa.float32()), ";", "lists of numbers"),
        (pa.list_(pa.dictionary(pa.int8(), pa.string())), None, "lists of names"),
    ],
)
def test_the_kind_of_labels_is_told(kind, separator, described):
    form = LabelForm("separated" if separator else "plain", ("label",), separator=separator)
    read = form.read(pa.schema({"label": kind}).empty_table()).column.type
    assert LabelCounter(read).described == described
