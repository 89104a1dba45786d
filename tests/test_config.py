"""Configurations refuse numbers out of range or without end, and unknown choices, whoever makes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from scorer.config import Data, DiffConfig, FitConfig, FrameConfig, ScoreConfig
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


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FitConfig(train="a", class_weight="Balanced"), "--class-weight Balanced: not one of none, balanced"),
        (lambda: FitConfig(train="a", class_weight=None), "--class-weight None: not one of none, balanced"),
        (lambda: FitConfig(train="a", long_text="windows"), "--long-text windows: not one of truncate, head-tail"),
        (lambda: FitConfig(train="a", pooling="min"), "--pooling min: not one of mean, max"),
        (lambda: FitConfig(train="a", preset="Quick"), "--preset Quick: not one of quick, default, best"),
        (lambda: FrameConfig(precision="fp8"), "--precision fp8: not one of auto, fp32, bf16, fp16"),
        (lambda: DiffConfig(old="a", new="b", data="c", input_format="xml"), "--input-format xml: not one of parquet"),
    ],
)
def test_an_unknown_choice_is_a_usage_error(make, message):
    with pytest.raises(UsageError, match=message):
        make()


def test_no_choice_is_one_where_it_is_the_default():
    assert FitConfig(train="a", pooling=None).pooling is None
    assert FitConfig(train="a", pooling="max", long_text="window").pooling == "max"


def test_a_name_is_a_path_and_a_single_value_a_tuple():
    config = FitConfig(train="a.csv", valid="b.csv", text_column="review")
    assert (config.train, config.valid, config.text_column) == (Data("a.csv"), Path("b.csv"), ("review",))
    assert FitConfig(train=Path("a"), text_column=["a", "b"]).text_column == ("a", "b")
    assert ScoreConfig(source="a", target="b", cache="c").cache == Path("c")
    assert ScoreConfig(source="a", target="b").source == "a"


@pytest.mark.parametrize(
    "options", [{"train": "caf\udce9.csv"}, {"output": Path("caf\udce9")}, {"text_column": ["a", "caf\udce9"]}]
)
def test_a_name_that_is_not_utf8_is_a_usage_error(options):
    """It would end a fit when its model card is written, after the training."""
    with pytest.raises(UsageError, match=r"caf\?(\.csv)?: a name that is not UTF-8; rename it"):
        FitConfig(**{"train": "a", **options})
