"""The parsing of fields against a reader that looks at one character after the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorer.tables.fields import count_line_ends, parse_fields
from tests.tables.oracle import slow_records

ALPHABET = st.text(alphabet='ab,"\r\n', max_size=24)


def parsed_records(text: str) -> list[list[str]] | None:
    """All records as raw fields, None for malformed text."""
    parsed = parse_fields(np.frombuffer(text.encode(), np.uint8), delimiter=ord(","), final=True)
    if parsed.trouble:
        return None
    assert parsed.consumed == len(text)
    fields = [text[start:end] for start, end in zip(parsed.starts, parsed.ends, strict=True)]
    begins = [0, *parsed.row_ends][: len(parsed.row_ends)]
    return [fields[begin:end] for begin, end in zip(begins, parsed.row_ends, strict=True)]


@settings(max_examples=2000, deadline=None)
@given(ALPHABET)
def test_any_text_is_parsed_or_refused_as_the_slow_reader_does(text: str) -> None:
    slow = slow_records(text)
    assert parsed_records(text) == (None if slow is None else [[field.raw for field in record] for record in slow])


@settings(max_examples=1000, deadline=None)
@given(ALPHABET, st.integers(0, 24))
def test_an_unfinished_piece_gives_a_prefix_of_the_records(text: str, cut: int) -> None:
    whole = parsed_records(text)
    piece = text[:cut]
    parsed = parse_fields(np.frombuffer(piece.encode(), np.uint8), delimiter=ord(","), final=False)
    if whole is None:
        return
    assert parsed.trouble is None
    fields = [piece[start:end] for start, end in zip(parsed.starts, parsed.ends, strict=True)]
    assert fields == [field for record in whole for field in record][: len(fields)]
    assert parsed_records(piece[: parsed.consumed]) == whole[: len(parsed.row_ends)]


@pytest.mark.parametrize(
    ("text", "trouble", "at"),
    [
        ('a"b,c', "stray quote", 1),
        ('"a"b,c', "text after a closing quote", 2),
        ('"a" ,c', "text after a closing quote", 2),
        ('x,"a', "unclosed quote", 2),
        ('x,"a""b\n', "unclosed quote", 2),
        ('"ok"\n"a""', "unclosed quote", 5),
        ('"a"b,c"d', "text after a closing quote", 2),
    ],
)
def test_trouble_is_located(text: str, trouble: str, at: int) -> None:
    parsed = parse_fields(np.frombuffer(text.encode(), np.uint8), delimiter=ord(","), final=True)
    assert (parsed.trouble, parsed.trouble_at) == (trouble, at)


@pytest.mark.parametrize(
    ("text", "lines"), [("", 0), ("a", 0), ("a\n", 1), ("a\r\nb\r\n", 2), ("\r\r\n\n", 3), ("\r", 1)]
)
def test_physical_lines_are_counted(text: str, lines: int) -> None:
    assert count_line_ends(np.frombuffer(text.encode(), np.uint8)) == lines
