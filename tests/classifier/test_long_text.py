"""The choice for long texts, and the pooling of windows against a loop."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorer.classifier.long_text import LongText
from scorer.config import FitConfig
from scorer.errors import UsageError


def asked(**options) -> LongText:
    return LongText.of(FitConfig(train=Path("a"), **options))


def test_what_is_asked_for():
    assert asked() == LongText("truncate", 0, "mean")
    assert asked(long_text="head-tail") == LongText("head-tail", 0, "mean")
    assert asked(long_text="window", max_length=100) == LongText("window", 25, "mean")
    assert asked(long_text="window", stride=0, pooling="max") == LongText("window", 0, "max")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stride": 8}, "--stride 8: is for windows"),
        ({"pooling": "mean", "long_text": "head-tail"}, "--pooling mean: is for windows"),
        ({"long_text": "window", "stride": 128}, "--stride 128: windows of --max-length 128 share fewer"),
    ],
)
def test_what_would_have_no_effect_is_a_usage_error(options, message):
    with pytest.raises(UsageError, match=message):
        asked(**options)


@settings(deadline=None)
@given(st.lists(st.integers(1, 4), max_size=5), st.sampled_from(["mean", "max"]), st.integers(0, 99))
def test_pooling_is_label_by_label(counts, pooling, seed):
    logits = np.random.default_rng(seed).normal(size=(sum(counts), 3)).astype(np.float32)
    starts = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
    found = LongText("window", 1, pooling).pool(logits, starts)
    expected = [getattr(logits[a:b], pooling)(axis=0) for a, b in pairwise(starts)]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.reshape(expected, (-1, 3)), rtol=1e-5, atol=1e-6)
