"""What a label column is taken for: read where it is certain, a doubt with the flag to give where it is not."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from scorer.errors import ConfigError, UsageError
from scorer.examples.label_form import LabelForm, LabelOptions
from scorer.examples.label_texts import find_separator, read_bare_list, read_list, read_vector
from scorer.examples.recognition import Doubt, recognise
from scorer.examples.survey import Survey


def found(columns: dict[str, Any], *, windows: int = 1, **options: Any) -> LabelForm | Doubt:
    table = pa.table(columns)
    asked = LabelOptions(**options)
    survey = Survey({field.name: field.type for field in table.schema}, aside=asked.aside)
    step = -(-table.num_rows // windows)
    for start in range(0, table.num_rows, step):
        survey.add(table.slice(start, step))
    return recognise(survey, asked)


def read(columns: dict[str, Any], **options: Any) -> list[Any]:
    form = found(columns, **options)
    assert isinstance(form, LabelForm), form
    return list(form.read(pa.table(columns)).column.to_pylist())


def doubt(columns: dict[str, Any], **options: Any) -> str:
    form = found(columns, **options)
    assert isinstance(form, Doubt), form
    return str(form.error("train.csv"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('["toxic", "insult"]', ["toxic", "insult"]),
        ("['toxic', \"it's\"]", ["toxic", "it's"]),
        ("['it\\'s']", ["it's"]),
        ("['toxic' 'insult']", ["toxic", "insult"]),
        ("['toxic'\n 'insult']", ["toxic", "insult"]),
        ("('a',)", ["a"]),
        ("{'a', 'b'}", ["a", "b"]),
        ("[]", []),
        ("()", []),
        ('["a", null]', ["a", None]),
        ("[1, 2.5, True]", [1, 2.5, True]),
        ("[u'a']", ["a"]),
    ],
)
def test_lists_are_read_as_json_python_and_numpy_write_them(text: str, expected: list[Any]) -> None:
    assert read_list(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "a",
        "[a, b]",
        "[['a']]",
        "{}",
        "{'a': 1}",
        "(0)",
        "['a''b']",
        "['a', ...]",
        "[deleted]",
        "[nan]",
        "[" * 9000,
    ],
)
def test_what_is_no_list(text: str) -> None:
    assert read_list(text) is None


def test_bare_names_in_brackets_and_vectors() -> None:
    assert read_bare_list("[toxic, 'insult']") == ["toxic", "insult"]
    assert read_bare_list("[[a], [b]]") is None
    for text in ("[0, 1]", "0 1", "0,1", "[0. 1.]", "(0, 1)"):
        assert read_vector(text) == [0.0, 1.0]
    assert read_vector("[1]") is read_vector("a 1") is read_vector("1") is None


@pytest.mark.parametrize(
    ("names", "separator"),
    [
        (["toxic;insult", "toxic"], ";"),
        (["a;b", "a;c"], ";"),
        (["a|b", "b|c", "c"], "|"),
        (["a, b", "b, a"], ","),
        (["a, b", "a", "b"], ","),
        (["a/b", "a", "b"], "/"),
        (["good bad", "good", "bad"], " "),
        (["a;b", "c;d"], None),
        (["Food, Drink", "Other"], None),
        (["Food, Drink", "Food, Other", "Food"], None),
        (["very good", "good", "bad"], None),
        (["Sci/Tech", "World"], None),
        (["N/A", "a"], None),
    ],
)
def test_a_separator_shows_itself_by_pieces_that_are_names(names: list[str], separator: str | None) -> None:
    evidence = find_separator(names)
    assert (evidence[0] if evidence else None) == separator


@pytest.mark.parametrize("windows", [1, 2])
def test_list_texts_are_read_and_told(windows: int) -> None:
    column = {"label": ['["b", "a"]', "[]", "['a']", None]}
    assert read(column, windows=windows) == [["b", "a"], [], ["a"], None]
    form = found(column)
    assert isinstance(form, LabelForm)
    assert form.notes == ("texts in brackets are read as lists: names, any number a row",)
    assert read({"label": ["[1, 2]", "[3]"]}) == [[1, 2], [3]]
    assert read({"label": ['[1, "x"]', "[3]"]}) == [["1", "x"], ["3"]]
    assert read({"label": pa.array(['["a"]', '["b"]']).dictionary_encode()}) == [["a"], ["b"]]


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        (["[1, 0]", "[0, 1]"], ["vectors of 2 places with 0 and 1", "--label-names A,B", "--label-form list"]),
        (["1 0 1", "0 1 0"], ["vectors of 3 places", "--label-names"]),
        ([[1, 0], [1, 1]], ["vectors of 2 places", "--label-names"]),
        ([[1.0, 0.0], [0.0, 1.0]], ["vectors of 2 places", "--label-names"]),
        ([[True, False], [False, False]], ["vectors of 2 places", "--label-names"]),
        ([[0.2, 0.8], [0.5, 0.5]], ["vectors of 2 numbers", "--label-form list"]),
        (["[0, 18]", "[18, 35]"], ["vectors of 2 numbers"]),
        (["a;b", "a", "c"], [r"1 of 3 rows", "(row 1)", "--label-separator ';'", "--label-form name"]),
        (
            ['["a"]', "a", "b"],
            ["1 of 3 rows have a list in brackets, the others have none (row 1)", "--label-form list"],
        ),
        (["[a, b]", "[a]", "[b]", "[]"], ["names in brackets", "--label-form list", "--label-form name"]),
        (["['a', ...]", "['a']"], ["cannot be read as one (row 1)"]),
        (['[["a"]]', '["b"]'], ["cannot be read as one (row 1)"]),
        (['{"a": 1}', '{"a": 0}'], ["keys and values", "a column for each key"]),
        (["1", "2", "nan", "2", "N/A"], ["'N/A' 1, 'nan' 1", "(rows 3, 5)", "--null-labels N/A,nan"]),
        (["1", "2", "3", "unsure"], ["'unsure' 1", "--null-labels unsure"]),
        (["true", "false", "1"], ["2 of 3 rows have true or false", "spell them alike"]),
        (["true", "false", "unknown"], ["neither true nor false ('unknown' 1)", "--null-labels unknown"]),
        (["1", "2", "4.5"], ["1 of 3 rows have a label that is no whole number (row 3)", "--label-form name"]),
    ],
)
def test_what_is_in_doubt_is_refused_with_its_flag(values: list[Any], parts: list[str]) -> None:
    message = doubt({"label": values})
    for part in parts:
        assert part in message
    assert found({"label": pa.array(values)}, windows=2) == found({"label": values})


@pytest.mark.parametrize(
    "values",
    [
        ["Food, Drink", "Food, Other", "Rest"],
        ["[deleted]", "[removed]", "kept"],
        ["1", "2", "10+"] * 20,
        ["18", "male", "female"],
        ["01", "02"],
        ["pos", "neg", "unknown"],
        [["a", "b"], ["a"]],
        [[1, 2], [3]],
        [[0], [1], [0, 1], []],
        [1, 2, 3],
    ],
)
def test_plain_names_raise_no_alarm(values: list[Any]) -> None:
    assert read({"label": values}) == values


def test_who_insists_gets_names() -> None:
    for values in (["a;b", "a"], ['["a"]', "b"], ["1", "nan"], ["[0, 1]", "[1, 0]"]):
        assert read({"label": values}, form="name") == values
    assert read({"label": [4.5, 5.0]}, form="name") == ["4.5", "5"]
    assert read({"label": [True, False]}, form="name") == ["true", "false"]


def test_who_says_that_they_are_lists_gets_lists() -> None:
    assert read({"label": ["[a, b]", "c", ""]}, form="list") == [["a", "b"], ["c"], None]
    assert read({"label": [[1, 0], [1, 1]]}, form="list") == [[1, 0], [1, 1]]
    assert read({"label": ["[1, 0]", "[0]"]}, form="list") == [[1, 0], [0]]


def test_a_separator_is_for_texts_that_are_no_lists() -> None:
    assert read({"label": [" a ;b", "", "c", None]}, separator=";") == [["a", "b"], [], ["c"], None]
    assert read({"label": [3, 12]}, separator=";") == [["3"], ["12"]]
    assert "leave --label-separator out" in doubt({"label": ['["a", "b"]', '["a"]']}, separator=",")


def test_vectors_with_names_are_labels() -> None:
    for values in (
        ["[1, 0]", "[1, 1]", None],
        ["1 0", "1 1", None],
        [[1, 0], [1, 1], None],
        [[1.0, 0.0], [1.0, 1.0], None],
    ):
        assert read({"label": values}, names=("b", "a")) == [["b"], ["b", "a"], None]
    assert read({"label": [[1, 0], [0, 1]]}, names=("b", "a")) == ["b", "a"], "exactly one a row is one label a row"
    assert read({"label": [[1, 0], [0, 1]]}, names=("b", "a"), multi=True) == [["b"], ["a"]]
    assert "1 of 2 rows have no vector of 2 places" in doubt({"label": [[1, 0], [1]]}, names=("b", "a"))
    assert "other numbers than 0 and 1" in doubt({"label": [[0.5, 0.5]]}, names=("b", "a"))
    assert "no vector of 2 places" in doubt({"label": ["x", "[1, 0]"]}, names=("b", "a"))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([1, 0, 1, None], [1, 1, 0, 1]),
        ([True, False, True, None], [1.0, 1.0, 0.0, 1.0]),
        (["1", "0", "TRUE", ""], pa.array(["1", "true", "false", "1"]).dictionary_encode()),
    ],
)
def test_the_names_of_several_columns_are_labels(a: Any, b: Any) -> None:
    assert read({"a": a, "b": b}) == [["a", "b"], ["b"], ["a"], None]


def test_columns_with_exactly_one_are_one_label_a_row() -> None:
    one = {"a": [1, 0], "b": [0, 1]}
    assert read(one) == ["a", "b"]
    assert read(one, multi=True) == [["a"], ["b"]]
    assert "1 of 2 rows have no label, or several" in doubt({"a": [1, 0], "b": [0, 0]}, multi=False)


def test_other_values_are_named_with_their_column() -> None:
    message = doubt({"a": [1, 0, 1], "b": [2, 0, -1]})
    assert "2 of 3 values of column 'b' are none of 0, 1, false and true (rows 1, 3)" in message
    form = found({"a": [1, 0, 1], "b": [1, 0, -1]}, aside=frozenset({"-1"}))
    assert isinstance(form, LabelForm)
    labels = form.read(pa.table({"a": [1, 0, 1], "b": [1, 0, -1]}))
    assert labels.aside.tolist() == [False, False, True]
    assert not labels.missing().any()


def test_numbers_that_are_texts() -> None:
    assert read({"label": ["1", "1.0", "2"]}) == [1.0, 1.0, 2.0]
    assert read({"label": ["1", "2", "nan"]}, aside=frozenset({"nan"})) == [1.0, 2.0, None]
    assert read({"label": ["1", "2", ""]}) == [1.0, 2.0, None]
    form = found({"label": ["1", "2"]})
    assert isinstance(form, LabelForm)
    assert (form.notation, len(form.notes)) == ("plain", 1)


@pytest.mark.parametrize(
    ("values", "aside", "expected"),
    [
        ([1, -1, None], "-1", [False, True, False]),
        ([1.0, 99.0, float("nan")], "99", [False, True, False]),
        (["a", " n/a ", None], "n/a", [False, True, False]),
        ([["a"], ["a", "n/a"], []], "n/a", [False, True, False]),
        ([True, False, None], "false", [False, True, False]),
    ],
)
def test_rows_whose_label_says_that_there_is_none_are_set_aside(
    values: list[Any], aside: str, expected: list[bool]
) -> None:
    form = found({"label": values}, aside=frozenset({aside}))
    assert isinstance(form, LabelForm)
    assert form.read(pa.table({"label": values})).aside.tolist() == expected


def test_names_that_say_that_there_is_none_are_warned_of() -> None:
    form = found({"label": ["pos", "neg", "nan"]})
    assert isinstance(form, LabelForm)
    assert "1 of 3 rows" in form.warnings[0]
    assert "--null-labels nan" in form.warnings[0]


def test_known_labels_are_in_no_doubt() -> None:
    assert read({"label": ["a;b", "a"]}, known=frozenset({"a;b", "a", "c"}), multi=False) == ["a;b", "a"]
    assert "nan" in doubt({"label": ["1", "2", "nan"]}, known=frozenset("12"), multi=False)


@pytest.mark.parametrize(
    ("kinds", "options", "message"),
    [
        ({"a": pa.struct([])}, {}, "a column for each"),
        ({"a": pa.map_(pa.string(), pa.int8())}, {}, "label column 'a' is"),
        ({"a": pa.list_(pa.list_(pa.string()))}, {}, "label column 'a' is"),
        ({"a": pa.timestamp("s")}, {}, "label column 'a' is"),
        ({"a": pa.float64()}, {"separator": ";"}, "--label-separator is for a column of texts"),
        ({"a": pa.int64()}, {"names": ("a", "b")}, "--label-names is for a column of vectors"),
        ({"a": pa.int64(), "b": pa.list_(pa.int8())}, {}, "several are columns of 0 and 1"),
    ],
)
def test_types_that_are_none_of_labels(kinds: dict[str, pa.DataType], options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LabelOptions(**options).check_types(kinds, where="train.csv")


def test_several_columns_are_written_in_one_way() -> None:
    with pytest.raises(UsageError, match="several are columns of 0 and 1"):
        LabelOptions(separator=";").check_types({"a": pa.int8(), "b": pa.int8()}, where="train.csv")
