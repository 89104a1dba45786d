"""Predictions of windows pooled by text, in whatever order the windows came."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset

from scorer.classifier.long_text import LongText
from scorer.training.pooling import TextPooling


@pytest.mark.parametrize("counts", [[1, 1, 1], [3, 1, 2, 5], [4]])
@pytest.mark.parametrize("shape", [(), (2,)], ids=["one label", "several labels"])
def test_texts_come_in_their_order(counts, shape):
    draw = np.random.default_rng(len(counts))
    order = draw.permutation(sum(counts))
    examples = np.repeat(np.arange(len(counts)), counts)[order]
    logits = draw.normal(size=(len(order), 3)).astype(np.float32)
    targets = draw.integers(0, 2, (len(counts), *shape))
    pooled, found = TextPooling(Dataset.from_dict({"example": examples}), LongText("window"))(logits, targets[examples])
    expected = [logits[examples == text].mean(axis=0) for text in range(len(counts))]
    np.testing.assert_allclose(pooled, np.stack(expected), rtol=1e-5, atol=1e-6)
    assert np.array_equal(found, targets)
