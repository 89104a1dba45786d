"""Which rows have a text."""

from __future__ import annotations

import unicodedata

import numpy as np
import pyarrow as pa
import pytest

from scorer.scoring.answers import Status
from scorer.scoring.encode import row_status


def statuses(*columns, kind=None) -> list[str]:
    codes = row_status([pa.chunked_array([pa.array(column, kind or pa.string())]) for column in columns])
    assert codes.dtype == np.int8
    return [Status(code).name.lower() for code in codes]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_null_blank_and_text(kind):
    blanks = ["", " ", "\t\r\n\v\f", "\u00a0\u3000", "\u2028\u2029", "\u200b\u200c\u200d", "\ufeff", "\u00ad", "\u0085"]
    texts = ["a", " a ", "0", "\u200ba", "\u0301", "\ufffd", "\u200d👧"]
    assert statuses([None], kind=kind) == ["null"]
    assert statuses(blanks, kind=kind) == ["empty"] * len(blanks)
    assert statuses(texts, kind=kind) == ["ok"] * len(texts)


def test_every_separator_and_format_character_is_nothing_to_read():
    for code in range(0x11000):
        character = chr(code)
        category = unicodedata.category(character)
        if category in ("Zs", "Zl", "Zp", "Cf"):
            assert statuses([character * 2]) == ["empty"], hex(code)
        elif category[0] in "LNPS" and code % 7 == 0:
            assert statuses([character]) == ["ok"], hex(code)


def test_a_pair_is_null_with_either_and_empty_with_both():
    first = ["a", "a", None, " ", " ", None]
    second = ["b", " ", "b", "b", "\u200b", " "]
    assert statuses(first, second) == ["ok", "ok", "null", "ok", "empty", "null"]


def test_no_rows_and_many_chunks():
    assert row_status([pa.chunked_array([], pa.string())]).tolist() == []
    chunks = pa.chunked_array([["a"], [None, ""], [], ["b"]], pa.string())
    assert row_status([chunks]).tolist() == [Status.OK, Status.NULL, Status.EMPTY, Status.OK]
