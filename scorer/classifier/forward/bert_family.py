"""The parts of BERT-like models under one set of names: BERT, RoBERTa, XLM-R, ELECTRA, DistilBERT and DeBERTa-v2.

What transformers calls each weight, and where these models differ, stands here only. Computes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
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
    "deberta-v2": "deberta",
}


@dataclass(frozen=True)
class Dense:
    """y = x weight^T + bias, weight (out, in), bias (out,), which may be missing."""

    weight: Tensor
    bias: Tensor | None


@dataclass(frozen=True)
class Distances:
    """What a layer adds to the scores of places by their distance: `keys` that queries are multiplied with, and
    `queries` that keys are, each (distances, hidden) or None."""

    keys: Tensor | None
    queries: Tensor | None


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
    distances: Distances | None = None


@dataclass(frozen=True)
class BertFamily:
    """A BERT-like classifier whose head reads the first token.

    words (vocabulary, width), positions (positions, width) or None, types (kinds, width) or None; the first token has
    position `first_position`. `projection` widens the embeddings where they are narrower than the layers. `head` maps
    the first token's hidden state (n, hidden) to logits (n, labels). A score of attention is a sum of `score_terms`
    products. `distances` maps n to the rows of the layers' tables that the distances -(n - 1) to n - 1 have.
    """

    words: Tensor
    positions: Tensor | None
    types: Tensor | None
    first_position: int
    embedding_norm: nn.LayerNorm
    projection: Dense | None
    layers: tuple[Layer, ...]
    heads: int
    activation: str
    head: nn.Module
    score_terms: int = 1
    distances: Callable[[int], Tensor] | None = None

    @property
    def head_width(self) -> int:
        return len(self.layers[0].query.weight) // self.heads

    @classmethod
    def of(cls, model: PreTrainedModel) -> BertFamily:
        """The parts of `model`, which is of this family."""
        config = model.config
        prefix = _PREFIXES[config.model_type]
        body: Any = getattr(model, prefix)
        if prefix == "deberta":
            return _deberta(cls, model)
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
    if config.model_type == "deberta-v2":
        return _why_not_deberta(config)
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


def _why_not_deberta(config: Any) -> str | None:
    """Why a DeBERTa-v2 or v3 with this `config` is not computed here, or None."""
    if not getattr(config, "relative_attention", False):
        return "does not compute deberta-v2 models without relative attention"
    if getattr(config, "conv_kernel_size", 0) > 0:
        return "does not compute deberta-v2 models with convolutions"
    if getattr(config, "embedding_size", config.hidden_size) != config.hidden_size:
        return "does not compute deberta-v2 models with narrow embeddings"
    return None


def _deberta(cls: type[BertFamily], model: Any) -> BertFamily:
    config, embeddings, encoder = model.config, model.deberta.embeddings, model.deberta.encoder
    types, positions = embeddings.token_type_embeddings, embeddings.position_embeddings
    kinds = [kind for kind in ("c2p", "p2c") if kind in (config.pos_att_type or ())]
    table = encoder.get_rel_embedding().detach()
    return cls(
        words=embeddings.word_embeddings.weight,
        positions=None if positions is None else positions.weight,
        types=None if types is None else types.weight,
        first_position=0,
        embedding_norm=embeddings.LayerNorm,
        projection=None,
        layers=tuple(_deberta_layer(layer, table, kinds) for layer in encoder.layer),
        heads=config.num_attention_heads,
        activation=_activation(config),
        head=nn.Sequential(_OneToken(), model.pooler, model.classifier),
        score_terms=1 + len(kinds),
        distances=partial(
            _deberta_distances,
            buckets=encoder.position_buckets,
            farthest=encoder.max_relative_positions,
            rows=len(table),
        ),
    )


def _deberta_layer(layer: Any, table: Tensor, kinds: list[str]) -> Layer:
    attention = layer.attention.self
    shared = attention.share_att_key
    by_key = (attention.key_proj if shared else attention.pos_key_proj) if "c2p" in kinds else None
    by_query = (attention.query_proj if shared else attention.pos_query_proj) if "p2c" in kinds else None
    return Layer(
        query=_dense(attention.query_proj),
        key=_dense(attention.key_proj),
        value=_dense(attention.value_proj),
        attention_output=_dense(layer.attention.output.dense),
        attention_norm=layer.attention.output.LayerNorm,
        feed_forward_in=_dense(layer.intermediate.dense),
        feed_forward_out=_dense(layer.output.dense),
        output_norm=layer.output.LayerNorm,
        distances=Distances(
            keys=None if by_key is None else by_key(table).detach(),
            queries=None if by_query is None else by_query(table).detach(),
        ),
    )


def _deberta_distances(length: int, *, buckets: int, farthest: int, rows: int) -> Tensor:
    """The rows that distances of -(length - 1) to length - 1 have in a table of so many `rows`; far ones share some."""
    # With this model it is loaded already.
    from transformers.models.deberta_v2.modeling_deberta_v2 import build_relative_position

    places = torch.empty(length, 1)
    found = build_relative_position(places, places, bucket_size=buckets, max_position=farthest)[0]
    return torch.cat((found[0].flip(0), found[1:, 0])).add(rows // 2).clamp(0, rows - 1)


def _head(model: Any, prefix: str) -> nn.Module:
    """The part of `model` behind the encoder, for first tokens (n, hidden)."""
    if prefix == "bert":
        return nn.Sequential(_OneToken(), model.bert.pooler, model.classifier)
    if prefix == "distilbert":
        return nn.Sequential(model.pre_classifier, nn.ReLU(), model.classifier)
    return nn.Sequential(_OneToken(), model.classifier)
