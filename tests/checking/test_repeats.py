"""Duplicates, conflicts and overlaps against a slow count."""

from __future__ import annotations

import numpy as np
import pytest

from scorer.checking.repeats import find_repeats, shared


@pytest.mark.parametrize("seed", range(5))
def test_repeats_are_those_of_a_slow_count(seed):
    draw = np.random.default_rng(seed)
    keys = draw.integers(0, 40, 60).astype(np.uint64)
    labels = draw.integers(1, 4, 60).astype(np.uint64)
    labelled = draw.random(60) < 0.8
    found = find_repeats(keys, labels, labelled)
    rows = range(60)
    assert found.again.tolist() == [keys[row] in keys[:row] for row in rows]
    assert found.conflict.tolist() == [
        bool(labelled[row])
        and any(labelled[other] and keys[other] == keys[row] and labels[other] != labels[row] for other in rows)
        for row in rows
    ]
    assert shared(keys[:10], keys[10:]).tolist() == [key in keys[10:] for key in keys[:10]]


def test_nothing_has_no_repeats():
    none = np.zeros(0, np.uint64)
    found = find_repeats(none, none, np.zeros(0, np.bool_))
    assert (len(found.again), len(found.conflict)) == (0, 0)
