"""Keys of texts, and what they find: repeats, contradictions, overlap."""

from __future__ import annotations

import sys
import unicodedata

import numpy as np
import pytest

from scorer.checking.repeats import (
    NO_LABEL,
    RowKeys,
    _between_words,
    _separates,
    alike_groups,
    find_overlap,
    find_repeats,
    normalised,
    text_keys,
)


def test_groups_go_by_all_texts_as_they_are_normalised():
    rows = [("a", "b"), ("a", "c"), ("A!", " b"), ("ab", ""), ("a", "B")]
    assert alike_groups(rows).tolist() == [0, 1, 0, 2, 0]
    assert alike_groups([]).tolist() == []


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


def rows_of(seed, count=60):
    """Random keys: `alike` is coarser than `exact`."""
    draw = np.random.default_rng(seed)
    exact = draw.integers(0, 40, count).astype(np.uint64)
    labels = draw.integers(1, 4, count).astype(np.uint64) * (draw.random(count) < 0.8)
    return RowKeys(draw.random(count) < 0.9, exact, exact // np.uint64(3), labels.astype(np.uint64))


def numbers(rows, holds):
    return [row + 1 for row in range(len(rows)) if rows.usable[row] and holds(row)]


@pytest.mark.parametrize("seed", range(5))
def test_repeats_are_those_of_a_slow_count(seed):
    rows = rows_of(seed)

    def others(row, keys):
        return [other for other in range(len(rows)) if rows.usable[other] and keys[other] == keys[row]]

    def torn(row, keys):
        return rows.labels[row] != NO_LABEL and any(
            rows.labels[other] not in (NO_LABEL, rows.labels[row]) for other in others(row, keys)
        )

    again = numbers(rows, lambda row: others(row, rows.exact)[0] < row)
    near_again = numbers(rows, lambda row: others(row, rows.alike)[0] < row and row + 1 not in again)
    conflict = numbers(rows, lambda row: torn(row, rows.exact))
    near_conflict = numbers(rows, lambda row: torn(row, rows.alike) and row + 1 not in conflict)
    found = find_repeats(rows)
    expected = (again, near_again, conflict, near_conflict)
    assert [len(part) for part in expected] != [0, 0, 0, 0]
    tallies = (found.again, found.near_again, found.conflict, found.near_conflict)
    assert [(tally.count, list(tally.rows)) for tally in tallies] == [(len(part), part[:5]) for part in expected]
    assert found.texts == len({rows.exact[row - 1] for row in conflict})
    assert found.near_texts == len({rows.alike[row - 1] for row in near_conflict})


def test_overlap_is_that_of_a_slow_count():
    rows, train = rows_of(1, 20), rows_of(2, 10)
    exact_keys, near_keys = set(train.exact[train.usable]), set(train.alike[train.usable])
    exact = numbers(rows, lambda row: rows.exact[row] in exact_keys)
    near = numbers(rows, lambda row: rows.alike[row] in near_keys and row + 1 not in exact)
    assert exact
    assert near
    assert [tally.count for tally in find_overlap(rows, train)] == [len(exact), len(near)]


def test_nothing_has_no_repeats():
    none = np.zeros(0, np.uint64)
    found = find_repeats(RowKeys(np.zeros(0, np.bool_), none, none, none))
    assert (found.again.count, found.conflict.count, found.texts) == (0, 0, 0)
