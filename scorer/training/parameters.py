"""Which parameters of the network learn, and how fast: frozen layers, low-rank adapters, rates that fall with depth.

The depth of a parameter is found for any encoder that keeps its layers in a list. The only file that imports peft. With
adapters the network stays the model that it was, with them inside, so that a checkpoint holds all of its weights and a
fit resumes from it as from any other; after `merge` nothing tells that there were adapters.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import fields
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from scorer.config import FitConfig, flag_of
from scorer.errors import ConfigError, UsageError
from scorer.training.exits import EXIT_HEADS, HEADS_RATE

# Above the layers, as the norms behind them are; whatever else an encoder has belongs to the embeddings.
_POOLER = re.compile(r"(^|\.)pooler\.")
# What stood above the layers in versions before, whose fits of other models are other jobs.
_ABOVE_BEFORE = re.compile(r"(^|\.)(pooler|final_norm)\.")
# What norms are called; one of embeddings says so, but for ESM's `emb_layer_norm_after` all layers.
_NORM = re.compile(r"norm|(^|_)ln(_|$)", re.IGNORECASE)
_OF_EMBEDDINGS = re.compile(r"emb(?!.*_after$)")


class Depths:
    """The depth of each parameter: 0 the embeddings, 1 to `layers` the encoder's layers, above that the head."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._encoder = model.base_model_prefix + "."
        self._list, self.layers = _layers(model)
        self._norms = tuple(_norms_above(model, beside=self._list))

    def __call__(self, name: str) -> int:
        """Of the parameter or module `name`, as in `bert.encoder.layer.0.output.dense.weight`."""
        if not name.startswith(self._encoder):
            return self.layers + 1
        if name.startswith(self._list):
            return int(name.removeprefix(self._list).split(".")[0]) + 1
        return self.layers + 1 if _POOLER.search(name) or name.startswith(self._norms) else 0

    def differ_from_before(self, model: PreTrainedModel) -> bool:
        """Whether versions before gave a parameter of `model` another depth: norms behind the layers were embeddings to
        them, and a list of the embeddings could be the layers."""
        if self._list != _layers(model, but_for=None)[0]:
            return True
        beside = (
            name
            for name, _ in model.named_parameters()
            if name.startswith(self._encoder) and not name.startswith(self._list)
        )
        return any((self(name) > self.layers) != bool(_ABOVE_BEFORE.search(name)) for name in beside)


def _layers(model: PreTrainedModel, *, but_for: str | None = "embeddings") -> tuple[str, int]:
    """The outermost list of modules in the encoder, but for its embeddings: its name with a dot, and its length.

    ALBERT's layers share their weights, which are a single layer of them.
    """
    for name, module in model.named_modules():
        inside = name.startswith(model.base_model_prefix + ".") and (but_for is None or but_for not in name)
        if inside and isinstance(module, nn.ModuleList):
            return name + ".", len(module)
    return model.base_model_prefix + ".", 0


def _norms_above(model: PreTrainedModel, *, beside: str) -> Iterator[str]:
    """The norms behind the layers, as names with a dot: they lie in the encoder itself or `beside` its list of layers,
    as in `model.norm` or `transformer.ln_f`."""
    encoder = model.base_model_prefix
    parents = {encoder, beside.rstrip(".").rpartition(".")[0]}
    for parent, module in model.named_modules():
        # In DeBERTa the norm beside the layers is that of the embeddings of distances.
        if parent not in parents or not parent or hasattr(module, "rel_embeddings"):
            continue
        for name, child in module.named_children():
            if _NORM.search(name) and not _OF_EMBEDDINGS.search(name) and not isinstance(child, nn.ModuleList):
                yield f"{parent}.{name}."


def refuse_two_stacks(model: PreTrainedModel, config: FitConfig, *, name: str) -> None:
    """UsageError where `config` goes by the depth of layers and the model `name` has an encoder and a decoder."""
    if not model.config.is_encoder_decoder:
        return
    for asked, value in _by_depth(config):
        raise UsageError(
            f"{flag_of(asked)} {value:g}: {name} has two stacks of layers, an encoder and a decoder; leave it out, "
            "or choose an encoder such as BERT"
        )


def mark_of_depths(model: PreTrainedModel, config: FitConfig) -> dict[str, Any]:
    """What the description of a job says besides, where `config` goes by depths that versions before had otherwise: a
    fit that they began is not gone on from."""
    if not any(_by_depth(config)) or not Depths(model).differ_from_before(model):
        return {}
    return {"depths": "norms above"}


def _by_depth(config: FitConfig) -> Iterator[tuple[str, float]]:
    """The names of the settings by which `config` goes by depth, with their values."""
    plain = {field.name: field.default for field in fields(FitConfig)}
    for name in ("freeze_layers", "lora_rank", "layer_decay"):
        if (value := getattr(config, name)) != plain[name]:
            yield name, value


def freeze(model: PreTrainedModel, config: FitConfig, *, name: str) -> None:
    """Take the embeddings and the lowest `config.freeze_layers` layers out of training.

    Nothing is frozen with 0. UsageError when the model `name` has fewer layers.
    """
    depths = Depths(model)
    if config.freeze_layers > depths.layers:
        raise UsageError(f"--freeze-layers {config.freeze_layers}: {name} has {depths.layers} layers of weights")
    if config.freeze_layers:
        for key, parameter in model.named_parameters():
            parameter.requires_grad_(parameter.requires_grad and depths(key) > config.freeze_layers)


def adapt(model: PreTrainedModel, config: FitConfig) -> None:
    """Put adapters of rank `config.lora_rank` beside every matrix of the layers that are trained; None does nothing.

    Low-rank adaptation (Hu et al. 2021): small matrices beside the encoder's own are trained and then added to them. An
    adapter's product is scaled by alpha / rank = 2. Only the adapters and what stands above the layers (pooler and
    head, in full) are trained. ConfigError when `peft` is not installed, UsageError when all layers are frozen, or have
    no such matrices, as GPT-2's.
    """
    if config.lora_rank is None:
        return
    try:
        from peft import LoraConfig, LoraModel
    except ImportError as error:
        raise ConfigError("--lora-rank needs peft; pip install 'scorer[lora]'") from error
    depths = Depths(model)
    above = [parameter for name, parameter in model.named_parameters() if depths(name) > depths.layers]
    chosen = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and config.freeze_layers < depths(name) <= depths.layers
    ]
    if not chosen:
        why = f"the {depths.layers} layers have no linear maps that adapters go beside; leave it out"
        if config.freeze_layers >= depths.layers:
            why = f"--freeze-layers {config.freeze_layers} leaves none of {depths.layers} layers to adapt"
        raise UsageError(f"--lora-rank {config.lora_rank}: {why}")
    settings = LoraConfig(r=config.lora_rank, lora_alpha=2 * config.lora_rank, target_modules=chosen)
    LoraModel(model, settings, "default")
    for parameter in above:
        parameter.requires_grad_(True)


def merge(model: PreTrainedModel) -> None:
    """Add the adapters of `model`, if it has any, to the matrices beside them, and take them out."""
    wrapped = [(name, module) for name, module in model.named_modules() if hasattr(module, "get_base_layer")]
    for name, module in wrapped:
        module.merge()
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, module.get_base_layer())
    if wrapped:
        del model.peft_config


def parameter_groups(model: PreTrainedModel, config: FitConfig, *, decayed: Collection[str]) -> list[dict[str, Any]]:
    """AdamW's groups of the parameters that are trained; `decayed` names those with weight decay.

    The head learns at the full rate, each layer below at `config.layer_decay` times the rate of the one above, the
    embeddings at the lowest (discriminative fine-tuning of Howard and Ruder 2018, as in ELECTRA, Clark et al. 2020).
    """
    depths = Depths(model)
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    exits: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if name.startswith(f"{EXIT_HEADS}."):
            exits.append(parameter)
            continue
        below = depths.layers + 1 - depths(name) if config.layer_decay != 1.0 else 0
        group = groups.setdefault(
            (below, name in decayed),
            {
                "params": [],
                "lr": config.peak_learning_rate * config.layer_decay**below,
                "weight_decay": config.weight_decay if name in decayed else 0.0,
            },
        )
        group["params"].append(parameter)
    # The Trainer reports the rate of the first group, which is the head's.
    found = [groups[key] for key in sorted(groups)]
    return [*found, {"params": exits, "lr": HEADS_RATE, "weight_decay": 0.0}] if exits else found
