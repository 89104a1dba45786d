"""The batch plan: what must hold for any lengths, and the share of padding of real texts."""

from __future__ import annotations

from itertools import pairwise
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


@pytest.mark.parametrize(("workload", "most"), [("mixed", 0.01), ("short", 0.02)])
def test_real_texts_are_hardly_padded(realdata: Path, tmp_path: Path, workload, most):
    found = make_workload(workload, folder=tmp_path, realdata=realdata, limit=None)
    tokenizer = Tokenizer.from_file(str(Path(resolve_base_model(None)[0]) / "tokenizer.json"))
    lengths = TextEncoder(tokenizer, max_length=found.max_length)(texts_of(found.path)).lengths
    batches = plan(lengths, budget=2048)
    computed = sum(len(batch) * int(lengths[batch].max()) for batch in batches)
    assert 1 - lengths.sum() / computed <= most
