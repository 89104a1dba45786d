"""A base model that fills in hidden tokens: loaded with its head for that, or with a new one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForMaskedLM, AutoModelForPreTraining, PreTrainedModel, set_seed

from scorer.classifier.device import memory_errors
from scorer.classifier.directory import ModelDirectory
from scorer.classifier.forward import DeviceOutOfMemory
from scorer.config import AdaptConfig
from scorer.errors import ConfigError, ModelError
from scorer.stores.folder import Folder
from scorer.training.pretrained import (
    add_tokens,
    find_base,
    load_tokenizer,
    refuse_encoder,
    refuse_tokenizer,
    settle_length,
)

# Their network for pretraining also tells whether one text follows another.
NEXT_SENTENCE = ("bert",)


@dataclass(frozen=True)
class MaskedModel:
    """The network and its tokenizer as transformers has it, under the name that is recorded.

    new_head    whether the base model came without a head that fills in tokens, so that one was drawn
    besides     weights of the base model that filling in does not need and a classifier does, by their names: those of
                the pooler
    new_tokens  what was added to the vocabulary
    """

    name: str
    model: PreTrainedModel
    tokenizer: Any
    new_head: bool
    besides: Mapping[str, torch.Tensor]
    new_tokens: tuple[str, ...] = ()

    def with_tokens(self, tokens: Sequence[str], *, seed: int) -> MaskedModel:
        """This model, changed in place, with `tokens` that its WordPiece vocabulary lacks."""
        add_tokens(self.model, self.tokenizer.backend_tokenizer, tokens, seed=seed)
        return replace(self, new_tokens=(*self.new_tokens, *tokens))

    def weights(self) -> dict[str, torch.Tensor]:
        """All that is written: those of the network, and what stands `besides`."""
        return {**self.model.state_dict(), **self.besides}


def load_masked_model(config: AdaptConfig) -> MaskedModel:
    """The base model of `config` with a head that fills in tokens, fp32 on the CPU; `config.seed` determines what of it
    is new.

    Raises ModelError when it cannot be loaded or its parts do not fit, ConfigError when `max_length` is too long, or
    `nsp` is not for its kind, and DeviceOutOfMemory.
    """
    directory, name = find_base(config.base_model)
    tokenizer = load_tokenizer(directory, name)
    model, report = _load(directory, name, config)
    refuse_encoder(model, report, name)
    refuse_tokenizer(model, tokenizer, name)
    settle_length(model, config.max_length, name)
    prefix = f"{model.base_model_prefix}."
    new = [key for key in report["missing_keys"] if not key.startswith((prefix, *_OF_NEXT_SENTENCE))]
    return MaskedModel(name, model, tokenizer, bool(new), dict(_besides(directory, report, prefix)))


_OF_NEXT_SENTENCE = ("cls.seq_relationship.",)


def _load(directory: ModelDirectory, name: str, config: AdaptConfig) -> tuple[PreTrainedModel, dict[str, Any]]:
    # What is drawn must be what the same seed draws again.
    set_seed(config.seed)
    try:
        kind = AutoConfig.from_pretrained(directory.path, trust_remote_code=False, local_files_only=True).model_type
        if config.nsp and kind not in NEXT_SENTENCE:
            raise ConfigError(f"--nsp: {name} is a model of kind {kind}, which has no head for it; leave it out")
        with memory_errors():
            model, report = (AutoModelForPreTraining if config.nsp else AutoModelForMaskedLM).from_pretrained(
                directory.path,
                trust_remote_code=False,
                use_safetensors=True,
                local_files_only=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
    except (ConfigError, DeviceOutOfMemory):
        raise
    except Exception as error:
        # transformers raises anything from KeyError to OSError on a damaged or foreign directory.
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        raise ModelError(
            f"{name}: cannot be loaded as a model that fills in tokens ({type(error).__name__}: {reason})"
        ) from error
    assert isinstance(model, PreTrainedModel)
    return model, report


def _besides(directory: ModelDirectory, report: dict[str, Any], prefix: str) -> Iterator[tuple[str, torch.Tensor]]:
    """The weights of the pooler that were in the files and are not in the network."""
    wanted = {key for key in report["unexpected_keys"] if key.removeprefix(prefix).startswith("pooler.")}
    folder = Folder(directory.path)
    for name in folder.names() if wanted else ():
        if not name.endswith(".safetensors"):
            continue
        with safe_open(folder.at(name), framework="pt") as weights:
            for key in wanted.intersection(weights.keys()):
                yield prefix + key.removeprefix(prefix), weights.get_tensor(key).float()


@contextmanager
def looking_at(model: PreTrainedModel, places: torch.Tensor) -> Iterator[None]:
    """Within the block the head of `model` sees of a batch (n, length) only the `places` (m,), flat, as a batch
    (1, m).

    The head costs as much for a token as the encoder, as it compares it with the whole vocabulary; of ten tokens it is
    needed for one or two.
    """

    def picked(_module: Any, _arguments: Any, output: Any) -> Any:
        states = output["last_hidden_state"]
        kept = states.reshape(-1, states.shape[-1])[places][None]
        return type(output)(**{**output, "last_hidden_state": kept})

    handle = model.base_model.register_forward_hook(picked)
    try:
        yield
    finally:
        handle.remove()


def predictions(model: Any, network: PreTrainedModel, batch: Mapping[str, torch.Tensor]) -> Any:
    """What `model`, which calls `network`, says of a batch of `scorer.adapting.rows`: the logits (m, tokens) of the
    hidden places, and of pairs of parts those (n, 2) of which follows; None where there are none."""
    inputs = {name: values for name, values in batch.items() if name in _INPUTS}
    with looking_at(network, batch["places"]):
        output = model(**inputs)
    logits = output["prediction_logits"] if "prediction_logits" in output else output["logits"]
    return logits[0], output.get("seq_relationship_logits")


_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
