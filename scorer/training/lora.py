"""Low-rank adaptation (Hu et al. 2021): small matrices beside the encoder's own are trained and then added to them.

The only file that imports peft. The network stays the model that it was, with adapters inside, so that a checkpoint
holds all of its weights and a fit resumes from it as from any other; after `merge` nothing tells that there were
adapters.
"""

from __future__ import annotations

from torch import nn
from transformers import PreTrainedModel

from scorer.config import FitConfig
from scorer.errors import ConfigError, UsageError
from scorer.training.optimizer import Depths


def adapt(model: PreTrainedModel, config: FitConfig) -> None:
    """Put adapters of rank `config.lora_rank` beside every matrix of the layers that are trained; None does nothing.

    An adapter's product is scaled by alpha / rank = 2. Only the adapters and what stands above the layers (pooler and
    head, in full) are trained. ConfigError when `peft` is not installed, UsageError when all layers are frozen.
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
        raise UsageError(
            f"--lora-rank {config.lora_rank}: --freeze-layers {config.freeze_layers} leaves none of "
            f"{depths.layers} layers to adapt"
        )
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
