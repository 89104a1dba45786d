"""Columns of delimited files: types that every value survives; no header, and headers that look like data."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorer.checking.scan import scan_file
from scorer.config import CheckConfig, DiffConfig, EvaluateConfig, FitConfig, ScoreConfig
from scorer.errors import DataError, ScorerError, UsageError, shown
from scorer.examples.example_columns import refuse_answers
from scorer.examples.label_form import LabelOptions
from scorer.examples.reading import read_examples
from scorer.tables.delimited_columns import Kind, TypeGuess, convert, field_of, given_names, looks_like_data, said_types
from scorer.tables.dialect import Dialect
from scorer.tables.rejects import Rejects
from scorer.tables.rendering import text_of
from scorer.tables.source import Source
from scorer.tables.texts import find_text_columns


def guess(*values: str | None, quoted: bool = False) -> Kind | None:
    found = TypeGuess(text=False)
    found.see(pa.array(values, pa.string()), quoted=quoted)
    return found.kind


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-5", "0", None], "int"),
        (["9223372036854775807", "-9223372036854775808"], "int"),
        (["9223372036854775808"], None),
        (["01"], None),
        (["+1"], None),
        (["-0", "1"], "bare float"),
        (["0x1F"], None),
        (["1_000"], None),
        ([" 1"], None),
        (["\u0661"], None),
        (["0.5", "-1.25", "3.0"], "float"),
        (["1e-07", "1e+16", "5e-324"], "float"),
        (["1e-7"], None),
        (["1E5"], None),
        (["0.5", "1"], "bare float"),
        (["1.0", "1"], None),
        (["0.5", "12345678901234567890"], None),
        (["1.50"], None),
        ([".5"], None),
        (["5."], None),
        (["0.1000000000000000055511151231257827"], None),
        (["nan"], None),
        (["inf", "1.5"], None),
        (["1e999"], None),
        (["true", "false"], "bool"),
        (["True", "False"], "capital bool"),
        (["true", "False"], None),
        (["TRUE"], None),
        (["1", "true"], None),
        ([""], None),
        ([None, None], None),
        ([], None),
    ],
)
def test_kinds(values: list[str | None], kind: Kind | None) -> None:
    assert guess(*values) == kind


def test_quoted_numbers_and_text_columns_are_text() -> None:
    assert guess("1", quoted=True) is None
    assert TypeGuess(text=True).kind is None
    assert not TypeGuess(text=True).open


def test_one_value_late_turns_a_column_to_text() -> None:
    found = TypeGuess(text=False)
    found.see(pa.array(["1", "2"]), quoted=False)
    assert found.open
    found.see(pa.array(["x"]), quoted=False)
    assert not found.open
    assert found.kind is None


NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(repr),
    st.floats().map(str).map(lambda text: text.removesuffix(".0")),
    st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str),
    st.text(alphabet="0123456789.eE+-", max_size=8),
    st.sampled_from(["true", "True", "false", "False"]),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=3))
def test_whatever_the_type_the_text_comes_back(values: list[str]) -> None:
    kind = guess(*values)
    array = convert(pa.array(values, pa.string()), kind)
    field = field_of("c", kind)
    assert array.type == field.type
    assert text_of(array, field).to_pylist() == values


def slow_kind(values: list[str]) -> Kind | None:
    if all(re.fullmatch("0|-?[1-9][0-9]*", value) and -(2**63) <= int(value) < 2**63 for value in values):
        return "int"
    for kind, suffixes in (("float", ("",)), ("bare float", ("", ".0"))):
        if all(_is_float(value, suffixes, bare=kind == "bare float") for value in values):
            return kind  # type: ignore[return-value]
    return None


def _is_float(value: str, suffixes: tuple[str, ...], *, bare: bool) -> bool:
    try:
        text = repr(float(value))
    except ValueError:
        return False
    if "n" in text or (bare and value.endswith(".0")):
        return False
    return text in [value + suffix for suffix in suffixes]


@settings(max_examples=500, deadline=None)
@given(st.lists(NUMBERS.filter(lambda text: text.lower() not in ("true", "false")), min_size=1, max_size=3))
def test_numbers_are_found_as_python_finds_them(values: list[str]) -> None:
    assert guess(*values) == slow_kind(values)


CONFIGS: list[Any] = [
    (ScoreConfig, {"source": "a", "target": "b"}),
    (CheckConfig, {"data": "a"}),
    (FitConfig, {"train": "a"}),
    (EvaluateConfig, {"data": "a"}),
    (DiffConfig, {"old": "a", "new": "b", "data": "c"}),
]


def read(path: Path, names: tuple[str, ...] | None, *texts: str, rejects: Rejects | None = None) -> pa.Table:
    source = Source.open(str(path), dialect=Dialect(names=names), rejects=rejects)
    return pa.concat_tables(source.read(texts).windows(max_rows=10, max_bytes=1000))


@pytest.mark.parametrize(("config", "fields"), CONFIGS)
def test_every_job_that_reads_data_can_do_without_a_header(config: Any, fields: dict[str, str]) -> None:
    assert given_names(config(**fields)) is None
    assert given_names(config(**fields, no_header=True)) == ()
    assert given_names(config(**fields, no_header=True, columns='text,"a,b",n')) == ("text", "a,b", "n")
    for columns in ("", "a,a", "a,", ","):
        with pytest.raises(UsageError, match="a name for each column"):
            given_names(config(**fields, no_header=True, columns=columns))
    with pytest.raises(UsageError, match="say --no-header too"):
        given_names(config(**fields, columns="a,b"))


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz"])
@pytest.mark.parametrize("given", [(), ("text", "n")])
def test_the_first_line_is_a_row(tmp_path: Path, name: str, given: tuple[str, ...]) -> None:
    content = '\ufeff"good ""room""\n x",5\r\nbad food,1\n'.replace(",", "\t" if "tsv" in name else ",").encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    text, number = given or ("c1", "c2")
    assert read(tmp_path / name, given, text).to_pylist() == [
        {text: 'good "room"\n x', number: 5},
        {text: "bad food", number: 1},
    ]


def test_one_column_with_blank_lines(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("\nb\n\n")
    assert read(tmp_path / "a.csv", ()).to_pylist() == [{"c1": ""}, {"c1": "b"}, {"c1": ""}]


def test_records_are_counted_from_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,1\nb\n")
    with pytest.raises(DataError, match=r"record 2 \(line 2\): 1 field instead of 2"):
        read(path, ())
    rejects = Rejects(tmp_path / "rejects.jsonl")
    assert read(path, (), rejects=rejects).num_rows == rejects.count == 1
    rejects.discard()
    with pytest.raises(DataError, match="--columns has 3 names, and the first record 2 fields"):
        read(path, ("a", "b", "c"))
    path.write_text("")
    with pytest.raises(DataError, match="empty"):
        read(path, ())


def test_several_files_without_a_header(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"{number}.csv").write_text(f"text {number},5\n")
    assert read(tmp_path, ())["c1"].to_pylist() == ["text 1", "text 2"]
    (tmp_path / "3.csv").write_text("1,2,3\n")
    with pytest.raises(DataError, match="3 columns"):
        read(tmp_path, ())


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_other_formats_have_names(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b'{"a": 1}\n' if name == "a.jsonl" else b"PAR1")
    with pytest.raises(ScorerError, match="--no-header is for CSV and TSV"):
        Source.open(str(tmp_path / name), dialect=Dialect(names=()))


@pytest.mark.parametrize(
    ("names", "values", "data"),
    [
        (["text", "label"], [["good room"], ["5"]], False),
        (["", "0", "1", "2"], [], False),
        (["country", "2019", "2020"], [], False),
        (["Review Text", "Star Rating"], [], False),
        (["good room", "5"], [], True),
        (["1.5", "x"], [], True),
        (["7", "x", "7"], [], True),
        (["the room was good", "x"], [], True),
        (["so good!", "x"], [], True),
        (["a" * 41], [], True),
        (["fine", "positive"], [["bad", "worse"], ["negative", "positive"]], True),
        (["\u623f\u95f4\u5f88\u597d" * 15, "x"], [], True),
    ],
)
def test_what_looks_like_data(names: list[str], values: list[list[str]], data: bool) -> None:
    assert looks_like_data(names, values) == data


CANARY = "canary-7f3a"
HEADLESS = {
    "sentence.csv": f"{CANARY} was a lovely little place,5\nfine,4\n",
    "short.csv": f"{CANARY},5\nfine,4\n",
    "label.tsv": f"{CANARY}\tpositive\nfine\tnegative\nbad\tpositive\n",
    "one.csv": f"{CANARY} was fine\nfine\n",
    "long.csv": f"{CANARY * 50}\nfine\n",
    "quoted.csv": f'"{CANARY}, it was\nfine",x\nfine,y\n',
}


@pytest.mark.parametrize("name", HEADLESS)
def test_no_text_of_a_first_line_in_messages(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(HEADLESS[name])
    location = str(tmp_path / name)
    source = Source.open(location)

    def score() -> None:
        with source.doubting_header():
            find_text_columns(source.names, ("text",), (), where=location)
            source.read(("text",))

    def found() -> None:
        with source.doubting_header():
            find_text_columns(source.names, (), ("text",), where=location)

    def fit() -> None:
        read_examples(location, text_columns=("text",), label_columns=("label",))

    def check() -> None:
        scan_file(location, text_columns=(), label_columns=(), options=LabelOptions(), limit=None, progress=None)  # type: ignore[arg-type]

    refuse_answers(location)
    for job in (score, found, fit, check):
        with pytest.raises(DataError) as caught:
            job()
        assert "looks like data, not names: say --no-header, and --columns A,B,C" in str(caught.value)
        assert CANARY not in str(caught.value)
        assert caught.value.__cause__ is None


def test_a_real_header_shows_its_names(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Review Text,Stars\ngood,5\n")
    with pytest.raises(UsageError, match="'Review Text', 'Stars'"):
        Source.open(str(tmp_path / "a.csv")).read(("txt",))


def test_names_are_shown_if_they_are_short() -> None:
    assert shown("Review Text") == "'Review Text'"
    assert shown("x", quoted=False) == "x"
    assert shown("word " * 5) == "(a name of 25 characters)"
    assert shown("x" * 41) == "(a name of 41 characters)"


@pytest.mark.parametrize("value", ["1\u0662", "1\uff12", "1\uff12.5"])
@pytest.mark.parametrize("kind", ["int64", "double"])
def test_digits_of_other_scripts_are_no_numbers(tmp_path: Path, value: str, kind: str) -> None:
    path = tmp_path / "in.csv"
    path.write_text(f"text,n\ngood,1\nbad,{value}\n", encoding="utf-8")
    source = Source.open(path, dialect=Dialect(types=said_types(f"n={kind}")))
    with pytest.raises(DataError, match=r"in\.csv.*record 3|row 2|line 3"):
        source.read(("text",))
