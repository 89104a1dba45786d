"""The batch plan: what must hold for any lengths, and the share of padding against a slow count."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scorer.classifier.batches import padding_share, plan

lengths_lists = st.lists(st.integers(0, 60), max_size=60)


@given(lengths_lists, st.integers(1, 200))
def test_every_row_is_in_one_batch_within_the_budget_longest_first(lengths, budget):
    lengths = np.array(lengths, np.int64)
    batches = plan(lengths, budget=budget)
    order = [row for batch in batches for row in batch.tolist()]

    assert order == sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
    for batch in batches:
        assert _padding(lengths[batch]) <= 0.025 or len(batch) * lengths[batch].max() <= budget / 4
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= budget or lengths[batch].max() == 0
    for batch, following in pairwise(batches):
        longest = max(int(lengths[batch].max()), 1)
        wider = [*lengths[batch], lengths[following[0]]]
        full = len(wider) * longest > budget
        assert full or _padding(wider) > 0.025, "a batch stopped before its budget though it was not padded much"
        assert lengths[batch].min() >= lengths[following].max()


def _padding(lengths) -> float:
    """The share of padding in one batch; a text without tokens counts as one."""
    filled = np.maximum(lengths, 1)
    return 1 - sum(filled) / (len(filled) * max(filled))


@given(lengths_lists, st.integers(1, 200))
def test_padding_share_counts_what_is_computed_for_nothing(lengths, budget):
    lengths = np.array(lengths, np.int64)
    batches = plan(lengths, budget=budget)
    cells = padding = 0
    for batch in batches:
        for row in batch:
            cells += int(lengths[batch].max())
            padding += int(lengths[batch].max() - lengths[row])
    share = padding_share(lengths, batches)
    assert abs(share - (padding / cells if cells else 0.0)) < 1e-12
