"""Fits on texts whose label stands beyond the first `max_length` tokens."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow.csv as pc
import pytest

import scorer
from scorer.classifier.long_text import LongText
from scorer.classifier.metadata import ModelMetadata
from scorer.errors import ConfigError, UsageError
from tests.models import sentences
from tests.training.fits import MOODS, Remembering, run, write_csv

MAX_LENGTH = 16


def long_reviews(path: Path, count: int, *, seed: int) -> Path:
    """Texts of two dozen words without a mood, and then eight that tell it."""
    draw = random.Random(seed)
    filler = [word for word in " ".join(sentences(50)).split() if word.isalpha() and word.lower() not in str(MOODS)]
    rows = []
    for number in range(count):
        mood = ("bad", "good")[number % 2]
        words = draw.choices(filler, k=24) + draw.choices(MOODS[mood].split(), k=8)
        rows.append((" ".join(words), mood))
    return write_csv(path, ("text", "label"), rows)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("reviews")
    return long_reviews(folder / "train.csv", 96, seed=1), long_reviews(folder / "valid.csv", 40, seed=2)


def accuracy(model: Path, valid: Path, target: Path) -> float:
    """Of `scorer score` on the validation file."""
    scorer.score(valid, target, model=str(model), precision="fp32")
    found = pc.read_csv(target)
    return sum(a == b for a, b in zip(found["score"].to_pylist(), found["label"].to_pylist(), strict=True)) / len(found)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"long_text": "head-tail"}, LongText("head-tail")),
        ({"long_text": "window", "stride": 2, "pooling": "mean"}, LongText("window", 2, "mean")),
        ({"long_text": "window", "stride": 2, "pooling": "max"}, LongText("window", 2, "max")),
    ],
    ids=["head-tail", "mean of windows", "max of windows"],
)
def test_what_stands_at_the_end_is_learned_and_scored_alike(tiny_model, tmp_path, files, options, kept):
    train, valid = files
    console = Remembering()
    common = {"valid": valid, "max_length": MAX_LENGTH, "epochs": 4.0, "learning_rate": 5e-3}
    summary = run(train, tiny_model("bert"), console, output=tmp_path / "model", **common, **options)
    metrics = summary.metrics
    assert (summary.train_rows, summary.valid_rows, metrics["rows"]) == (96, 40, 40)
    assert metrics["accuracy"] > 0.85
    metadata = ModelMetadata.read(summary.model)
    assert metadata is not None
    assert metadata.long_text == kept
    said = "in windows of at most 16 tokens" if kept.strategy == "window" else "16 tokens: their middle is left out"
    assert said in (summary.model / "report.html").read_text(encoding="utf-8")
    assert accuracy(summary.model, valid, tmp_path / "out.csv") == metrics["accuracy"]
    if kept.strategy == "window":
        (line,) = console.having("fitting ")
        assert "96 rows in " in line
        assert summary.steps > 4 * 96 / 8


def test_truncated_texts_leave_nothing_to_learn(tiny_model, tmp_path, files):
    train, valid = files
    summary = run(train, tiny_model("bert"), output=tmp_path / "model", valid=valid, max_length=MAX_LENGTH, epochs=1.0)
    assert summary.metrics["accuracy"] < 0.75


def test_pairs_and_windows_without_room_are_refused(tiny_model, tmp_path, files):
    pairs = write_csv(
        tmp_path / "pairs.csv", ("a", "b", "label"), [(f"x {number}", "y", number % 2) for number in range(40)]
    )
    with pytest.raises(UsageError, match="--long-text window reads one text a row, not the pair a and b"):
        run(pairs, tiny_model("bert"), text_column=("a", "b"), long_text="window", output=tmp_path / "model")
    with pytest.raises(ConfigError, match="special tokens and the 15 that windows share leave no room"):
        run(files[0], tiny_model("bert"), max_length=16, long_text="window", stride=15, output=tmp_path / "model")
    assert not list(tmp_path.glob("model*"))
