"""What learns in real architectures, and how fast: depths and the rates that follow from them, what is frozen, low-rank
adapters, whose model is saved as an ordinary one and whose fit resumes exactly."""

from __future__ import annotations

import builtins
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    BartConfig,
    BloomConfig,
    EsmConfig,
    GPT2Config,
    LlamaConfig,
    MegatronBertConfig,
    OPTConfig,
    PreTrainedConfig,
    PreTrainedModel,
    pipeline,
)

from scorer.classifier.metadata import ModelMetadata
from scorer.config import FitConfig
from scorer.errors import ConfigError, Interrupted, UsageError
from scorer.stores.folder import Folder
from scorer.training.arguments import training_arguments
from scorer.training.parameters import (
    Depths,
    adapt,
    freeze,
    mark_of_depths,
    merge,
    parameter_groups,
    refuse_two_stacks,
)
from tests.architectures import make_architecture
from tests.conftest import TinyModel
from tests.models import ARCHITECTURES, LAYERS
from tests.training.fits import Remembering, run, weights, write_reviews

by_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)
# Of 2 encoder layers: albert's share their weights. What each architecture calls its parts, written out by hand.
OWN_LAYERS = dict.fromkeys(ARCHITECTURES, LAYERS) | {"albert": 1}
HEADS = ("classifier", "pre_classifier", "pooler", "head", "final_norm")


@pytest.fixture(autouse=True)
def _train(tmp_path: Path) -> None:
    write_reviews(tmp_path / "train.csv", 60)


def network(tiny_model: TinyModel, architecture: str) -> PreTrainedModel:
    return AutoModelForSequenceClassification.from_pretrained(tiny_model(architecture))


def config(**options: object) -> FitConfig:
    return FitConfig(train=Path("train.csv"), learning_rate=1e-3, weight_decay=0.5, **options)


def opened(path: Path):
    return AutoModelForSequenceClassification.from_pretrained(path).eval()


def adapting(**options: object) -> FitConfig:
    return FitConfig(train=Path("train.csv"), **options)


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
    assert mark_of_depths(model, config(layer_decay=0.9)) == {}, "as in versions before"


@pytest.mark.parametrize(
    ("kind", "above"),
    [
        (LlamaConfig, "model.norm"),
        (GPT2Config, "transformer.ln_f"),
        (OPTConfig, "model.decoder.final_layer_norm"),
        (BloomConfig, "transformer.ln_f"),
        (MegatronBertConfig, "bert.encoder.ln"),
        (EsmConfig, "esm.encoder.emb_layer_norm_after"),
    ],
)
def test_the_norm_behind_the_layers_goes_with_the_head(kind: type[PreTrainedConfig], above: str) -> None:
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    wide = {"word_embed_proj_dim": 16, "ffn_dim": 16} if kind is OPTConfig else {}
    tokens = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    model = AutoModelForSequenceClassification.from_config(kind(vocab_size=40, **sizes, **wide, **tokens))
    depths = Depths(model)
    found = {name: depths(name) for name, _ in model.named_parameters()}
    highest = {name.rpartition(".")[0] for name, depth in found.items() if depth == 3}
    assert {name for name in highest if not name.startswith(("score", "classifier"))} <= {above, "bert.pooler.dense"}
    assert found[f"{above}.weight"] == 3
    assert {depth for name, depth in found.items() if ("emb" in name or "wte" in name) and above not in name} == {0}
    for option in ({"freeze_layers": 1}, {"lora_rank": 2}, {"layer_decay": 0.9}):
        assert mark_of_depths(model, config(**option)), "another job than in versions before"
    assert not mark_of_depths(model, config())


@pytest.mark.parametrize("option", [{"freeze_layers": 1}, {"lora_rank": 2}, {"layer_decay": 0.9}])
def test_an_encoder_and_a_decoder_have_no_depth(option: dict[str, Any]) -> None:
    shape = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    tokens = {"vocab_size": 40, "forced_eos_token_id": None}
    model = AutoModelForSequenceClassification.from_config(BartConfig(**shape, **heads, **tokens))
    [name] = option
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} .*: it has two stacks of layers"):
        refuse_two_stacks(model, config(**option), name="it")
    refuse_two_stacks(model, config(), name="it")


@pytest.mark.filterwarnings("ignore")  # what this architecture warns of itself
def test_a_fit_refuses_what_goes_by_depth_for_an_encoder_and_a_decoder(tmp_path: Path) -> None:
    base = make_architecture(tmp_path / "t5", "t5")
    with pytest.raises(UsageError, match="two stacks of layers"):
        run(Path("train.csv"), base, layer_decay=0.9)


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


@by_architecture
def test_adapters_and_head_learn_and_merging_keeps_the_answers(tiny_model: TinyModel, architecture: str) -> None:
    model, plain = opened(tiny_model(architecture)), opened(tiny_model(architecture))
    adapt(model, adapting(lora_rank=2))
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
    model = opened(tiny_model("bert"))
    adapt(model, adapting(lora_rank=2, freeze_layers=1))
    assert {Depths(model)(name) for name, _ in model.named_parameters() if "lora_" in name} == {2}


def test_layers_that_are_all_frozen_cannot_be_adapted(tiny_model: TinyModel) -> None:
    with pytest.raises(UsageError, match="--freeze-layers 2 leaves none of 2 layers"):
        run(Path("train.csv"), tiny_model("bert"), lora_rank=2, freeze_layers=2)


def test_layers_without_linear_maps_cannot_be_adapted() -> None:
    shape = {"n_embd": 16, "n_layer": 2, "n_head": 2, "vocab_size": 40, "bos_token_id": 1, "eos_token_id": 2}
    model = AutoModelForSequenceClassification.from_config(GPT2Config(**shape))
    with pytest.raises(UsageError, match="--lora-rank 2: the 2 layers have no linear maps"):
        adapt(model, adapting(lora_rank=2))


def test_without_a_rank_nothing_happens(tiny_model: TinyModel) -> None:
    model = opened(tiny_model("bert"))
    before = dict(model.named_parameters())
    adapt(model, adapting())
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
    asked = adapting(**options)
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
    before, after = opened(base).state_dict(), opened(fitted).state_dict()
    assert list(before) == list(after)
    depths = Depths(opened(fitted))
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
