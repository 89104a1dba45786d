"""The parts of BERT-like models under one set of names: BERT, RoBERTa, XLM-R, ELECTRA and DistilBERT.

What transformers calls each weight, and where these models differ, stands here only. Computes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

# The activations that the packed pass computes; a model with another one takes the padded pass.
ACTIVATIONS = ("gelu", "relu")
_PREFIXES = {
    "bert": "bert",
    "roberta": "roberta",
    "xlm-roberta": "roberta",
    "electra": "electra",
    "distilbert": "distilbert",
}


@dataclass(frozen=True)
class Dense:
    """y = x weight^T + bias, weight (out, in), bias (out,), which may be missing."""

    weight: Tensor
    bias: Tensor | None


@dataclass(frozen=True)
class Layer:
    """One encoder layer: attention, its norm, feed-forward, its norm (post-norm, as in Devlin et al. 2019)."""

    query: Dense
    key: Dense
    value: Dense
    attention_output: Dense
    attention_norm: nn.LayerNorm
    feed_forward_in: Dense
    feed_forward_out: Dense
    output_norm: nn.LayerNorm


@dataclass(frozen=True)
class BertFamily:
    """A BERT-like classifier whose head reads the first token.

    words (vocabulary, width), positions (positions, width), types (kinds, width) or None; the first token has position
    `first_position`. `projection` widens the embeddings where they are narrower than the layers. `head` maps the first
    token's hidden state (n, hidden) to logits (n, labels).
    """

    words: Tensor
    positions: Tensor
    types: Tensor | None
    first_position: int
    embedding_norm: nn.LayerNorm
    projection: Dense | None
    layers: tuple[Layer, ...]
    heads: int
    activation: str
    head: nn.Module

    @property
    def head_width(self) -> int:
        return len(self.layers[0].query.weight) // self.heads

    @classmethod
    def of(cls, model: PreTrainedModel) -> BertFamily:
        """The parts of `model`, which is of this family."""
        config = model.config
        prefix = _PREFIXES[config.model_type]
        body: Any = getattr(model, prefix)
        embeddings = body.embeddings
        reserved = embeddings.position_embeddings.padding_idx
        types = getattr(embeddings, "token_type_embeddings", None)
        project = getattr(body, "embeddings_project", None)
        layers = body.transformer.layer if prefix == "distilbert" else body.encoder.layer
        return cls(
            words=embeddings.word_embeddings.weight,
            positions=embeddings.position_embeddings.weight,
            types=None if types is None else types.weight,
            first_position=0 if reserved is None else reserved + 1,
            embedding_norm=embeddings.LayerNorm,
            projection=None if project is None else _dense(project),
            layers=tuple(_distilbert_layer(layer) if prefix == "distilbert" else _layer(layer) for layer in layers),
            heads=config.num_attention_heads,
            activation=_activation(config),
            head=_head(model, prefix),
        )


def why_not_of_the_family(config: PreTrainedConfig) -> str | None:
    """Why a model with this `config` is not of the family, or has a part that is not computed here; else None."""
    if config.model_type not in _PREFIXES:
        return f"does not compute {config.model_type} models"
    if _activation(config) not in ACTIVATIONS:
        return f"does not compute the activation {_activation(config)}"
    return "does not compute decoders" if getattr(config, "is_decoder", False) else None


def _activation(config: PreTrainedConfig) -> str:
    activation: str = getattr(config, "activation" if config.model_type == "distilbert" else "hidden_act")
    return activation


def _dense(linear: nn.Linear) -> Dense:
    return Dense(linear.weight, linear.bias)


def _layer(layer: Any) -> Layer:
    attention = layer.attention
    return Layer(
        query=_dense(attention.self.query),
        key=_dense(attention.self.key),
        value=_dense(attention.self.value),
        attention_output=_dense(attention.output.dense),
        attention_norm=attention.output.LayerNorm,
        feed_forward_in=_dense(layer.intermediate.dense),
        feed_forward_out=_dense(layer.output.dense),
        output_norm=layer.output.LayerNorm,
    )


def _distilbert_layer(layer: Any) -> Layer:
    attention = layer.attention
    return Layer(
        query=_dense(attention.q_lin),
        key=_dense(attention.k_lin),
        value=_dense(attention.v_lin),
        attention_output=_dense(attention.out_lin),
        attention_norm=layer.sa_layer_norm,
        feed_forward_in=_dense(layer.ffn.lin1),
        feed_forward_out=_dense(layer.ffn.lin2),
        output_norm=layer.output_layer_norm,
    )


class _OneToken(nn.Module):
    """First tokens (n, hidden) as sequences of one token (n, 1, hidden), which heads expect."""

    def forward(self, first: Tensor) -> Tensor:
        return first.unsqueeze(1)


def _head(model: Any, prefix: str) -> nn.Module:
    """The part of `model` behind the encoder, for first tokens (n, hidden)."""
    if prefix == "bert":
        return nn.Sequential(_OneToken(), model.bert.pooler, model.classifier)
    if prefix == "distilbert":
        return nn.Sequential(model.pre_classifier, nn.ReLU(), model.classifier)
    return nn.Sequential(_OneToken(), model.classifier)
