"""Percentiles, histograms and the suggested length against slow counts."""

from __future__ import annotations

import numpy as np
import pytest

from scorer.checking.lengths import Lengths, suggested_max_length


@pytest.mark.parametrize("seed", range(3))
def test_a_distribution_is_that_of_a_slow_count(seed):
    lengths = np.random.default_rng(seed).lognormal(4, 1, 500).astype(np.int64)
    found = Lengths.of(lengths)
    assert found is not None
    last = len(found.histogram) - 1
    for bar, count in enumerate(found.histogram):
        low, high = found.edges[bar], found.edges[bar + 1]
        assert count == sum(low <= length < high or (bar == last and length >= high) for length in lengths.tolist())
    assert sum(found.histogram) == 500
    ordered = sorted(lengths.tolist())
    assert found.percentiles[50] in ordered
    for share, length in found.percentiles.items():
        assert sum(one < length for one in ordered) <= share / 100 * 500 <= sum(one <= length for one in ordered)


def test_none_has_no_distribution_and_equal_ones_have_one_bar():
    assert Lengths.of(np.zeros(0, np.int64)) is None
    found = Lengths.of(np.full(7, 3))
    assert found is not None
    assert [count for count in found.histogram if count] == [7]


@pytest.mark.parametrize(
    ("lengths", "positions", "suggested"),
    [
        ([10] * 100, None, 16),
        ([16] * 100, None, 16),
        ([17] * 100, None, 32),
        ([10] * 98 + [15, 20], None, 16),
        ([20] * 94 + [30] * 6, None, 32),
        ([20] * 95 + [300] * 5, None, 32),
        ([900] * 10, 512, 512),
        ([100] * 10, 50, 50),
    ],
)
def test_the_suggestion_covers_most_rows_at_a_fair_cost(lengths, positions, suggested):
    assert suggested_max_length(np.array(lengths), positions) == suggested
