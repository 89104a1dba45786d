"""Low-rank adaptation: what learns, that the saved model is an ordinary one, and that a fit resumes exactly."""

from __future__ import annotations

import builtins
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, pipeline

from scorer.classifier.metadata import ModelMetadata
from scorer.config import FitConfig
from scorer.errors import ConfigError, Interrupted, UsageError
from scorer.stores.folder import Folder
from scorer.training.arguments import training_arguments
from scorer.training.lora import adapt, merge
from scorer.training.optimizer import Depths
from tests.conftest import TinyModel
from tests.models import ARCHITECTURES
from tests.training.fits import Remembering, run, weights, write_reviews

by_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)


@pytest.fixture(autouse=True)
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_reviews(tmp_path / "train.csv", 60)
    return tmp_path


def network(path: Path):
    return AutoModelForSequenceClassification.from_pretrained(path).eval()


def config(**options: object) -> FitConfig:
    return FitConfig(train=Path("train.csv"), **options)


@by_architecture
def test_adapters_and_head_learn_and_merging_keeps_the_answers(tiny_model: TinyModel, architecture: str) -> None:
    model, plain = network(tiny_model(architecture)), network(tiny_model(architecture))
    adapt(model, config(lora_rank=2))
    depths, ids = Depths(model), torch.arange(5, 13).reshape(1, 8)
    learns = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert {name for name in learns if depths(name) <= depths.layers} == {
        name for name, _ in model.named_parameters() if "lora_" in name
    }
    assert {name for name, _ in model.named_parameters() if depths(name) > depths.layers} <= learns
    assert {depths(name) for name in learns} == set(range(1, depths.layers + 2)), "adapters in every layer"
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits, plain(ids).logits)
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_(0.0, 0.3, generator=torch.Generator().manual_seed(len(name)))
        adapted = model(ids).logits
        assert not torch.allclose(adapted, plain(ids).logits, atol=1e-2)
        merge(model)
        torch.testing.assert_close(model(ids).logits, adapted, atol=1e-4, rtol=1e-4)
    assert list(model.state_dict()) == list(plain.state_dict())


def test_frozen_layers_get_no_adapters(tiny_model: TinyModel) -> None:
    model = network(tiny_model("bert"))
    adapt(model, config(lora_rank=2, freeze_layers=1))
    assert {Depths(model)(name) for name, _ in model.named_parameters() if "lora_" in name} == {2}


def test_layers_that_are_all_frozen_cannot_be_adapted(tiny_model: TinyModel) -> None:
    with pytest.raises(UsageError, match="--freeze-layers 2 leaves none of 2 layers"):
        run(Path("train.csv"), tiny_model("bert"), lora_rank=2, freeze_layers=2)


def test_without_a_rank_nothing_happens(tiny_model: TinyModel) -> None:
    model = network(tiny_model("bert"))
    before = dict(model.named_parameters())
    adapt(model, config())
    merge(model)
    assert dict(model.named_parameters()).keys() == before.keys()
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 1e-4),
        ({"lora_rank": 2}, 1e-3),
        ({"lora_rank": 2, "learning_rate": 1e-5}, 1e-5),
        ({"learning_rate": 0.0}, 0.0),
    ],
)
def test_adapters_learn_faster_unless_a_rate_is_named(options: dict[str, Any], expected: float) -> None:
    asked = config(**options)
    arguments = training_arguments(asked, checkpoints=Folder.of("out"), device=torch.device("cpu"), precision="fp32")
    assert arguments.learning_rate == expected


def test_the_learning_rate_that_was_meant_is_recorded(tiny_model: TinyModel) -> None:
    fitted = run(Path("train.csv"), tiny_model("bert"), lora_rank=2, max_steps=1, learning_rate=None).model
    metadata = ModelMetadata.read(fitted)
    assert metadata is not None
    assert metadata.training["learning_rate"] == 1e-3
    assert "--learning-rate 0.001" in (fitted / "README.md").read_text(encoding="utf-8")


def test_what_is_saved_is_an_ordinary_model(tiny_model: TinyModel) -> None:
    base = tiny_model("bert")
    fitted = run(Path("train.csv"), base, lora_rank=2, epochs=2.0).model
    assert not [path for path in fitted.rglob("*") if "adapter" in path.name]
    assert '"peft"' in (fitted / "scorer.json").read_text(), "its version can change the weights"
    before, after = network(base).state_dict(), network(fitted).state_dict()
    assert list(before) == list(after)
    depths = Depths(network(fitted))
    same = {name for name in before if before[name].shape == after[name].shape}
    changed = {name for name in same if not torch.equal(before[name], after[name])}
    assert all(depths(name) >= 1 and (depths(name) > 2 or name.endswith("weight")) for name in changed)
    for name in changed:
        if depths(name) <= 2:
            singular = torch.linalg.svdvals((after[name] - before[name]).double())
            assert singular[2] < 1e-4 * singular[0], f"{name} changed by more than rank 2"
    assert {depths(name) for name in changed} >= {1, 2}
    answer = pipeline("text-classification", model=str(fitted))("lovely clean room")
    assert answer[0]["label"] in ("1", "5")


def test_an_interrupted_fit_goes_on_to_the_same_weights(tiny_model: TinyModel) -> None:
    base, options = tiny_model("bert"), {"lora_rank": 2, "epochs": 3.0, "layer_decay": 0.8, "eval_steps": 5}
    whole = run(Path("train.csv"), base, output=Path("whole"), **options)

    def interrupt(line: str) -> None:
        if "step 10 " in line:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted):
        run(Path("train.csv"), base, Remembering(interrupt), output=Path("out"), **options)
    console = Remembering()
    resumed = run(Path("train.csv"), base, console, output=Path("out"), resume=True, **options)
    assert console.having("resumed from checkpoint-")
    assert weights(resumed.model) == weights(whole.model)
    assert (resumed.model / "metrics.json").read_text() == (whole.model / "metrics.json").read_text()


def test_seeds_are_kept_merged(tiny_model: TinyModel) -> None:
    options = {"lora_rank": 2, "epochs": 1.0, "valid": write_reviews(Path("valid.csv"), 30, seed=1)}
    base = tiny_model("bert")
    summary = run(Path("train.csv"), base, output=Path("both"), seeds=2, **options)
    kept = next(entry["seed"] for entry in summary.seeds if entry["kept"])
    alone = run(Path("train.csv"), base, output=Path("one"), seed=kept, **options)
    assert weights(summary.model) == weights(alone.model)


def test_a_missing_extra_is_named(tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_peft(name: str, *rest: object):
        if name == "peft":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_peft)
    with pytest.raises(ConfigError, match=r"pip install 'scorer\[lora\]'"):
        run(Path("train.csv"), tiny_model("bert"), lora_rank=2)
