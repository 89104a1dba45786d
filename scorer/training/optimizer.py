"""How much each part of the network learns: layer-wise decay of the learning rate, and layers that are frozen.

The depth of a parameter is found for any encoder that keeps its layers in a list.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from scorer.config import FitConfig
from scorer.errors import UsageError

# Above the layers; whatever else an encoder has beside them belongs to the embeddings.
_ABOVE = re.compile(r"(^|\.)(pooler|final_norm)\.")


class Depths:
    """The depth of each parameter: 0 the embeddings, 1 to `layers` the encoder's layers, above that the head."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._encoder = model.base_model_prefix + "."
        self._list, self.layers = _layers(model)

    def __call__(self, name: str) -> int:
        """Of the parameter or module `name`, as in `bert.encoder.layer.0.output.dense.weight`."""
        if not name.startswith(self._encoder):
            return self.layers + 1
        if name.startswith(self._list):
            return int(name.removeprefix(self._list).split(".")[0]) + 1
        return self.layers + 1 if _ABOVE.search(name) else 0


def _layers(model: PreTrainedModel) -> tuple[str, int]:
    """The outermost list of modules in the encoder: its name with a dot, and its length.

    ALBERT's layers share their weights, which are a single layer of them.
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and name.startswith(model.base_model_prefix + "."):
            return name + ".", len(module)
    return model.base_model_prefix + ".", 0


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


def parameter_groups(model: PreTrainedModel, config: FitConfig, *, decayed: Collection[str]) -> list[dict[str, Any]]:
    """AdamW's groups of the parameters that are trained; `decayed` names those with weight decay.

    The head learns at the full rate, each layer below at `config.layer_decay` times the rate of the one above, the
    embeddings at the lowest (discriminative fine-tuning of Howard and Ruder 2018, as in ELECTRA, Clark et al. 2020).
    """
    depths = Depths(model)
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
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
    return [groups[key] for key in sorted(groups)]
