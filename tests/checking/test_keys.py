"""Equal texts have equal keys, and near duplicates are what a person would call so."""

from __future__ import annotations

import sys
import unicodedata

import numpy as np
import pytest

from scorer.checking.keys import _between_words, _separates, normalised, text_keys


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Great  movie!", "great movie"),
        ("it 's fine .", "It's fine."),
        ("the ﬁnest", "THE FINEST"),
        ("Straße", "STRASSE"),
        ("a\u200bb", "a b"),
        ("wide　space", "wide space"),
        ("①", "1"),
    ],
)
def test_near_duplicates_have_one_form(one, other):
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("good 😀", "good 😡"), ("!!!", "???"), ("no good", "nogood"), ("काम", "कम"), ("café", "cafe"), ("c++", "c")],
)
def test_different_texts_keep_different_forms(one, other):
    assert normalised(one) != normalised(other)


def test_the_short_way_of_ascii_is_the_long_way():
    for point in range(128):
        text = f"A{chr(point)}b"
        long = " ".join(_between_words().sub(" ", unicodedata.normalize("NFKC", text).casefold()).split())
        assert normalised(text) == long


def test_the_pattern_holds_every_separator_and_no_other():
    characters = map(chr, range(sys.maxunicode + 1))
    wrong = [c for c in characters if bool(_between_words().fullmatch(c)) != _separates(c)]
    assert wrong == []


def test_keys_are_equal_where_texts_are():
    rows = [("a",), ("b",), ("a",), ("ab", "c"), ("a", "bc"), ("ab", "c"), ("a\0b", "c"), ("a", "b\0c"), ("",)]
    keys = text_keys(rows)
    assert keys.dtype == np.uint64
    same = keys[:, None] == keys[None, :]
    assert same.tolist() == [[one == other for other in rows] for one in rows]
