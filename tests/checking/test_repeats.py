"""Duplicates, conflicts and overlaps against a slow count."""

from __future__ import annotations

import numpy as np
import pytest

from scorer.checking.repeats import NO_LABEL, RowKeys, find_overlap, find_repeats


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
