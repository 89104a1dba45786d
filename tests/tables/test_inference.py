"""Types of text columns: a type is given only where every value comes back as it was written."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorer.tables.inference import Kind, TypeGuess, convert, field_of
from scorer.tables.rendering import text_of


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
