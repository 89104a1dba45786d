"""Depths of parameters in real architectures, the rates that follow from them, and what is frozen."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from scorer.config import FitConfig
from scorer.errors import UsageError
from scorer.training.optimizer import Depths, freeze, parameter_groups
from tests.conftest import TinyModel
from tests.models import ARCHITECTURES, LAYERS
from tests.training.fits import run, weights, write_reviews

by_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)
# Of 2 encoder layers: albert's share their weights. What each architecture calls its parts, written out by hand.
OWN_LAYERS = dict.fromkeys(ARCHITECTURES, LAYERS) | {"albert": 1}
HEADS = ("classifier", "pre_classifier", "pooler", "head", "final_norm")


def network(tiny_model: TinyModel, architecture: str) -> PreTrainedModel:
    return AutoModelForSequenceClassification.from_pretrained(tiny_model(architecture))


def config(**options: object) -> FitConfig:
    return FitConfig(train=Path("train.csv"), learning_rate=1e-3, weight_decay=0.5, **options)


def expected_depth(name: str, layers: int) -> int:
    pieces = name.split(".")
    if any(piece in HEADS for piece in pieces):
        return layers + 1
    numbered = [int(piece) for piece in pieces if piece.isdigit()]
    return numbered[0] + 1 if numbered else 0


@by_architecture
def test_every_parameter_has_the_depth_of_its_part(tiny_model: TinyModel, architecture: str) -> None:
    model = network(tiny_model, architecture)
    depths = Depths(model)
    assert depths.layers == OWN_LAYERS[architecture]
    found = {name: depths(name) for name, _ in model.named_parameters()}
    assert found == {name: expected_depth(name, depths.layers) for name in found}
    assert set(found.values()) == set(range(depths.layers + 2)), "embeddings, every layer and the head"


@by_architecture
def test_each_layer_learns_at_a_share_of_the_rate_above(tiny_model: TinyModel, architecture: str) -> None:
    model = network(tiny_model, architecture)
    depths = Depths(model)
    decayed = {name for name, parameter in model.named_parameters() if parameter.ndim == 2}
    groups = parameter_groups(model, config(layer_decay=0.5), decayed=decayed)
    of = {id(parameter): group for group in groups for parameter in group["params"]}
    assert sum(len(group["params"]) for group in groups) == len(of) == len(list(model.parameters()))
    for name, parameter in model.named_parameters():
        group = of[id(parameter)]
        assert group["lr"] == pytest.approx(1e-3 * 0.5 ** (depths.layers + 1 - depths(name))), name
        assert group["weight_decay"] == (0.5 if name in decayed else 0.0), name
    assert groups[0]["lr"] == 1e-3


def test_without_decay_there_are_the_groups_of_the_trainer(tiny_model: TinyModel) -> None:
    model = network(tiny_model, "bert")
    groups = parameter_groups(model, config(), decayed={"classifier.weight"})
    assert [(group["lr"], group["weight_decay"], len(group["params"])) for group in groups] == [
        (1e-3, 0.0, len(list(model.parameters())) - 1),
        (1e-3, 0.5, 1),
    ]


@by_architecture
def test_embeddings_and_the_lowest_layers_are_frozen(tiny_model: TinyModel, architecture: str) -> None:
    model = network(tiny_model, architecture)
    depths = Depths(model)
    freeze(model, config(freeze_layers=0), name="it")
    assert all(parameter.requires_grad for parameter in model.parameters())
    for count in range(1, depths.layers + 1):
        freeze(model, config(freeze_layers=count), name="it")
        learns = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        assert learns == {name for name, _ in model.named_parameters() if depths(name) > count}
        assert any(name.startswith("classifier") for name in learns)
    with pytest.raises(UsageError, match=rf"--freeze-layers {depths.layers + 1}: it has {depths.layers} layers"):
        freeze(model, config(freeze_layers=depths.layers + 1), name="it")


def test_a_fit_leaves_frozen_weights_as_they_were(tiny_model: TinyModel, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    train, base = write_reviews(tmp_path / "train.csv", 40), tiny_model("bert")
    fitted = run(train, base, freeze_layers=1, max_steps=3).model
    before = AutoModelForSequenceClassification.from_pretrained(base).state_dict()
    after = AutoModelForSequenceClassification.from_pretrained(fitted).state_dict()
    depths = Depths(AutoModelForSequenceClassification.from_pretrained(fitted))
    same = {name for name in before if before[name].shape == after[name].shape}
    changed = {name for name in same if not torch.equal(before[name], after[name])}
    assert {name for name in same if depths(name) <= 1}.isdisjoint(changed)
    assert {name for name in same if depths(name) == 2} <= changed


def test_a_decaying_rate_changes_the_fit_and_is_recorded(tiny_model: TinyModel, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    train, base = write_reviews(tmp_path / "train.csv", 40), tiny_model("bert")
    found = {decay: weights(run(train, base, layer_decay=decay, max_steps=2).model) for decay in (1.0, 0.5)}
    assert found[1.0] != found[0.5]
    for wrong in (0.0, 1.5):
        with pytest.raises(UsageError, match="--layer-decay"):
            run(train, base, layer_decay=wrong)
