"""A model directory read as the plain files that it is: no transformers, which would take most of the time of a start.

That is done for the BERT family alone, and only where the files say all that transformers would otherwise add: each
entry of the configuration that matters, each weight by its name and shape, and a tokenizer.json that is the whole
tokenizer. A directory with anything else, also one that is damaged, is left to transformers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from scorer.classifier.directory import ModelDirectory
from scorer.classifier.forward.bert_family import first_position, why_not_of_the_family
from scorer.classifier.forward.bert_weights import weight_shapes
from scorer.classifier.model_config import PlainConfig
from scorer.classifier.network import Network
from scorer.classifier.parts import Parts, refuse_nonfinite
from scorer.classifier.plain_tokenizer import plain_tokenizer

_WEIGHTS = "model.safetensors"
# transformers tells this architecture nothing of the types of tokens.
_NO_TYPES = ("distilbert",)


def plain_parts(directory: ModelDirectory, network: Callable[[], Network]) -> Parts | None:
    """The parts of `directory`, or None where its files do not say all; `network` is what transformers makes of it.

    ModelError where a weight is not finite.
    """
    try:
        config = _config(directory.path)
        shapes = weight_shapes(config) if config is not None else {}
    except (AttributeError, TypeError, ValueError, KeyError):
        # An entry is missing, or is not of the kind that it should be.
        return None
    if config is None or (found := plain_tokenizer(directory)) is None:
        return None
    if (weights := _weights(directory.path, shapes)) is None:
        return None
    refuse_nonfinite(directory.name, weights.items())
    tokenizer, facts = found
    return Parts(
        config=config,
        weights=weights,
        tokenizer=tokenizer,
        token_types=facts.token_types,
        sees_types=facts.token_types and config.model_type not in _NO_TYPES,
        longest=facts.longest,
        truncation_side=facts.truncation_side,
        embeddings=config.vocab_size,
        positions=config.max_position_embeddings - first_position(config),
        pad_id=config.pad_token_id,
        may_mix=True,
        network=network,
    )


def _config(path: Path) -> PlainConfig | None:
    """The configuration, if it is of a model of the family that is computed here, and all numbers are such."""
    document: dict[str, Any] = json.loads((path / "config.json").read_text(encoding="utf-8"))
    config = PlainConfig(document)
    if why_not_of_the_family(config) is not None or not _is_plain(document):
        return None
    for name in _needed(config.model_type):
        getattr(config, name)
    labels, pad, tokens = document["id2label"], config.pad_token_id, config.vocab_size
    if set(labels) != set(map(str, range(len(labels)))) or document.get("num_labels", len(labels)) != len(labels):
        return None
    return config if type(pad) is int and type(tokens) is int and 0 <= pad < tokens else None


def _needed(kind: str) -> list[str]:
    """Entries that are looked up when weights are put together, besides those that the shapes are of."""
    by_kind = {
        "distilbert": [],
        "deberta-v2": ["layer_norm_eps", "max_relative_positions", "pooler_hidden_act", "pos_att_type"],
    }
    return ["num_attention_heads", "max_position_embeddings", *by_kind.get(kind, ["layer_norm_eps"])]


def _is_plain(document: Mapping[str, Any]) -> bool:
    """No entry changes what is computed, but for those that are looked at."""
    embedding = document.get("position_embedding_type", "absolute")
    return embedding == "absolute" and not document.get("pruned_heads") and not document.get("is_encoder_decoder")


def _weights(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> Mapping[str, Tensor] | None:
    """The weights with these names and shapes, in fp32; None where they are not the whole of one file."""
    try:
        with safe_open(path / _WEIGHTS, framework="pt") as file:
            names = set(file.keys())
            if not shapes.keys() <= names:
                return None
            if any(tuple(file.get_slice(name).get_shape()) != shape for name, shape in shapes.items()):
                return None
            return {name: file.get_tensor(name).float() for name in shapes}
    except (SafetensorError, OSError):
        return None
