from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.batching import equal_length_batches, padded_batches, rectangle, softmax

LENGTHS = st.lists(st.integers(1, 40), max_size=60)


@pytest.mark.parametrize("batching", [padded_batches, equal_length_batches])
@given(lengths=LENGTHS, budget=st.integers(1, 200))
def test_every_row_is_in_one_batch_within_the_budget(batching, lengths, budget):
    batches = batching(lengths, budget)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[row] for row in batch) <= budget


@given(lengths=LENGTHS, budget=st.integers(1, 200))
def test_padded_batches_are_sorted_and_as_few_as_their_order_allows(lengths, budget):
    batches = padded_batches(lengths, budget)
    inside = [lengths[row] for batch in batches for row in batch]
    assert inside == sorted(lengths, reverse=True)
    for batch, _following in pairwise(batches):
        assert (len(batch) + 1) * lengths[batch[0]] > budget


@given(lengths=LENGTHS, budget=st.integers(1, 200))
def test_equal_length_batches_pad_nothing(lengths, budget):
    assert all(len({lengths[row] for row in batch}) == 1 for batch in equal_length_batches(lengths, budget))


def test_a_rectangle_is_padded_on_the_right():
    ids, mask = rectangle([[5, 6, 7], [8]], pad_id=1)
    assert ids.tolist() == [[5, 6, 7], [8, 1, 1]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]


def test_softmax_of_logits_that_would_overflow():
    found = softmax(np.array([[1000.0, 1000.0], [0.0, np.log(3.0)]], np.float32))
    assert np.allclose(found, [[0.5, 0.5], [0.25, 0.75]])
