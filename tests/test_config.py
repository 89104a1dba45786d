"""Configurations refuse numbers below their settings' minimum or without end, whoever makes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from scorer.config import FitConfig, FrameConfig, ScoreConfig
from scorer.errors import UsageError


def test_defaults_are_allowed():
    assert FrameConfig().top_k is None
    assert ScoreConfig(source="a", target="b").window_rows == 65_536
    assert FitConfig(train=Path("a")).batch_size >= 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FrameConfig(top_k=0), "--top-k 0: 1 is the least"),
        (lambda: ScoreConfig(source="a", target="b", window_rows=0), "--window-rows 0: 1 is the least"),
        (lambda: FitConfig(train=Path("a"), learning_rate=-0.1), "--learning-rate -0.1: 0 is the least"),
        (lambda: FitConfig(train=Path("a"), epochs=float("nan")), "--epochs nan: 0 is the least"),
        (lambda: FitConfig(train=Path("a"), epochs=float("inf")), "--epochs inf: a finite number is needed"),
    ],
)
def test_a_number_out_of_range_is_a_usage_error(make, message):
    with pytest.raises(UsageError, match=message):
        make()


def test_a_name_is_a_path_and_a_single_value_a_tuple():
    config = FitConfig(train="a.csv", valid="b.csv", text_column="review")
    assert (config.train, config.valid, config.text_column) == (Path("a.csv"), Path("b.csv"), ("review",))
    assert FitConfig(train=Path("a"), text_column=["a", "b"]).text_column == ("a", "b")
    assert ScoreConfig(source="a", target="b", cache="c").cache == Path("c")
    assert ScoreConfig(source="a", target="b").source == "a"
