"""The batch plan: what must hold for any lengths, and the share of padding of real texts."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from harness.workloads import make_workload, texts_of
from scorer.classifier.base_model import resolve_base_model
from scorer.classifier.batches import plan
from scorer.classifier.tokenization import TextEncoder

lengths_lists = st.lists(st.integers(0, 60), max_size=60)


@given(lengths_lists, st.integers(1, 200))
def test_every_row_is_in_one_batch_within_the_budget_longest_first(lengths, budget):
    lengths = np.array(lengths, np.int64)
    batches = plan(lengths, budget=budget)
    order = [row for batch in batches for row in batch.tolist()]

    assert order == sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
    assert all(len(batch) == 1 or len(batch) * max(lengths[batch].max(), 1) <= budget for batch in batches)


@given(lengths_lists, st.integers(1, 200))
def test_only_rows_that_may_be_together_are(lengths, budget):
    lengths = np.array(lengths, np.int64)
    order = sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
    equal = plan(lengths, budget=budget, shapes="equal lengths")
    assert [row for batch in equal for row in batch.tolist()] == order
    assert all(len(set(lengths[batch])) == 1 for batch in equal)
    assert all(len(batch) == 1 or lengths[batch].sum() <= budget or lengths[batch[0]] == 0 for batch in equal)
    assert [batch.tolist() for batch in plan(lengths, budget=budget, shapes="alone")] == [[row] for row in order]


@given(st.sets(st.integers(1, 60), min_size=1, max_size=8), st.integers(1, 2000))
def test_no_other_cuts_cost_less(lengths, budget):
    lengths = np.array(sorted(lengths), np.int64)[::-1]
    chosen = [lengths[batch].tolist() for batch in plan(lengths, budget=budget)]
    possible = [
        [part.tolist() for part in np.split(lengths, cuts)]
        for count in range(len(lengths))
        for cuts in combinations(range(1, len(lengths)), count)
    ]
    assert _cost(chosen, budget) == min(_cost(batches, budget) for batches in possible)


def _cost(batches, budget) -> float:
    """Places computed, and a fortieth of the budget a batch; infinite where one is over the budget."""
    if any(len(batch) > 1 and len(batch) * max(batch) > budget for batch in batches):
        return float("inf")
    return round(sum(len(batch) * max(batch) + budget / 40 for batch in batches), 6)


@given(lengths_lists, st.integers(1, 200), st.integers(1, 4000))
def test_attention_scores_are_within_their_own_budget(lengths, budget, most_squares):
    lengths = np.array(lengths, np.int64)
    batches = plan(lengths, budget=budget, most_squares=most_squares)
    assert sorted(row for batch in batches for row in batch.tolist()) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[batch].max(), 1)
        assert len(batch) == 1 or (len(batch) * longest <= budget and len(batch) * longest**2 <= most_squares)


def test_a_loose_budget_of_scores_changes_no_batch():
    lengths = np.random.default_rng(0).integers(1, 60, 500)
    plans = [plan(lengths, budget=900, most_squares=most) for most in (None, 900 * 60)]
    assert [batch.tolist() for batch in plans[0]] == [batch.tolist() for batch in plans[1]]


def test_equal_lengths_make_equal_batches():
    batches = plan(np.full(100, 10), budget=390)
    assert [len(batch) for batch in batches] == [34, 34, 32]


@pytest.mark.parametrize(("workload", "most"), [("mixed", 0.01), ("short", 0.02)])
def test_real_texts_are_hardly_padded(realdata: Path, tmp_path: Path, workload, most):
    found = make_workload(workload, folder=tmp_path, realdata=realdata, limit=None)
    tokenizer = Tokenizer.from_file(str(Path(resolve_base_model(None)[0]) / "tokenizer.json"))
    lengths = TextEncoder(tokenizer, max_length=found.max_length)(texts_of(found.path)).lengths
    batches = plan(lengths, budget=2048)
    computed = sum(len(batch) * int(lengths[batch].max()) for batch in batches)
    assert 1 - lengths.sum() / computed <= most
