"""Memory that is exhausted is told as that, wherever a training computes when it happens."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from scorer.adapting.adapt_trainer import AdaptTrainer
from scorer.errors import DeviceError
from scorer.training.resumable import ResumableTrainer
from scorer.training.trainer import FitTrainer
from tests.adapting.adaptations import run as adapt
from tests.adapting.adaptations import write_texts
from tests.training.fits import run, write_reviews


def exhaust(*_: object, **__: object) -> None:
    """Ask for more than any machine has. The CPU's allocator says so by a RuntimeError."""
    torch.empty(1 << 60)


@pytest.mark.parametrize(
    ("where", "name"), [(FitTrainer, "training_step"), (FitTrainer, "evaluate"), (FitTrainer, "validation")]
)
def test_in_a_fit(tiny_model, monkeypatch, where, name):
    train = write_reviews(Path("train.csv"), 40)
    monkeypatch.setattr(where, name, exhaust)
    with pytest.raises(DeviceError, match=r"memory is exhausted; try a smaller --batch-size"):
        run(train, tiny_model("bert"), max_steps=2, output=Path("out"))


@pytest.mark.parametrize(
    ("where", "name", "options"),
    [
        (AdaptTrainer, "compute_loss", {"max_steps": 2}),
        (AdaptTrainer, "measure", {"max_steps": 2}),
        (ResumableTrainer, "learn_from", {"minutes": 0.1}),
    ],
)
def test_in_an_adaptation(tiny_model, monkeypatch, where, name, options):
    texts = write_texts(Path("texts.csv"), 40)
    monkeypatch.setattr(where, name, exhaust)
    with pytest.raises(DeviceError, match=r"memory is exhausted; try a smaller --batch-size"):
        adapt(texts, tiny_model("bert"), **options)


def test_while_the_weights_are_loaded(tiny_model, monkeypatch):
    monkeypatch.setattr("scorer.training.pretrained.AutoModelForSequenceClassification.from_pretrained", exhaust)
    with pytest.raises(DeviceError, match="memory is exhausted"):
        run(write_reviews(Path("train.csv"), 40), tiny_model("bert"), max_steps=1)
