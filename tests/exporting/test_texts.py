"""The texts that a model is compared on: many lengths and scripts, the same every time."""

from __future__ import annotations

import unicodedata

import pytest

from scorer.exporting.texts import AWKWARD, UNENCODABLE, awkward, generated


def scripts(texts):
    return {unicodedata.name(letter, "?").split()[0] for text in texts for letter in text if letter.isalpha()}


def test_generated_texts_have_many_lengths_and_scripts():
    found = generated(pairs=False, count=400).first
    words = sorted(len(text.split()) for text in found)
    assert words[0] == 1
    assert words[200] < 30
    assert words[-1] > 150
    assert {"LATIN", "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "CJK", "HANGUL", "HIRAGANA", "THAI"} <= scripts(found)
    assert all(text.strip() for text in found)


def test_they_are_the_same_every_time():
    assert generated(pairs=True, count=50) == generated(pairs=True, count=50)
    first, second = generated(pairs=True, count=50).first, generated(pairs=True, count=50).second
    assert first != second


def test_awkward_texts_hold_what_their_names_say():
    assert AWKWARD["an empty text"] == ""
    assert "\0" in AWKWARD["a NUL"]
    assert "\u200d" in AWKWARD["an emoji of several characters"]
    assert max(map(len, AWKWARD.values())) >= 10_000
    assert unicodedata.combining(AWKWARD["combining marks"][1])
    for text in AWKWARD.values():
        text.encode()
    for text in UNENCODABLE.values():
        with pytest.raises(UnicodeEncodeError):
            text.encode()


def test_pairs_of_awkward_texts_have_each_at_both_places():
    pairs = awkward(pairs=True)
    assert pairs.second is not None
    assert set(AWKWARD.values()) <= set(pairs.first) & set(pairs.second)
