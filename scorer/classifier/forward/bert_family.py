"""The parts of BERT-like models under one set of names: BERT, RoBERTa, XLM-R, ELECTRA, DistilBERT and DeBERTa-v2.

Which of a file's weights is which part, and where these models differ, stands here and in `bert_weights`. Computes
nothing but the tables that layers look distances up in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from torch import Tensor, nn
from torch.nn import functional

from scorer.classifier.forward.bert_weights import (
    PREFIXES,
    WeightNames,
    bucket_count,
    distance_kinds,
    farthest_distance,
    norms_distances,
    shares_projections,
)
from scorer.classifier.forward.relative import distance_rows
from scorer.classifier.model_config import ModelConfig

# The activations that the packed pass computes; a model with another one takes the padded pass.
ACTIVATIONS = ("gelu", "relu")
_HEAD_ACTIVATIONS: Mapping[str, type[nn.Module]] = {"gelu": nn.GELU, "relu": nn.ReLU, "tanh": nn.Tanh}

Module = TypeVar("Module", nn.LayerNorm, nn.Linear)


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
    def of(cls, config: ModelConfig, weights: Mapping[str, Tensor]) -> BertFamily:
        """The model of this family with `config` that is made of `weights`, called as `weight_shapes` calls them."""
        names, parts = WeightNames(config), _Parts(weights, variance_floor(config))
        table = _distance_table(config, names, parts)
        return cls(
            words=weights[names.words],
            positions=weights.get(names.positions),
            types=weights.get(names.types),
            first_position=first_position(config),
            embedding_norm=parts.norm(names.embedding_norm),
            projection=parts.dense(names.projection) if f"{names.projection}.weight" in weights else None,
            layers=tuple(_layer(config, names, parts, number, table) for number in range(config.num_hidden_layers)),
            heads=config.num_attention_heads,
            activation=activation_of(config),
            head=_head(config, names, parts),
            score_terms=1 if table is None else 1 + len(distance_kinds(config)),
            distances=None if table is None else _distances_in(table, config),
        )


def why_not_of_the_family(config: ModelConfig) -> str | None:
    """Why a model with this `config` is not of the family, or has a part that is not computed here; else None."""
    if config.model_type not in PREFIXES:
        return f"does not compute {config.model_type} models"
    if activation_of(config) not in ACTIVATIONS:
        return f"does not compute the activation {activation_of(config)}"
    if config.model_type == "deberta-v2":
        return _why_not_deberta(config)
    return "does not compute decoders" if getattr(config, "is_decoder", False) else None


def first_position(config: ModelConfig) -> int:
    """The position of a text's first token: RoBERTa and its kin count from behind that of padding."""
    return int(config.pad_token_id) + 1 if PREFIXES[config.model_type] == "roberta" else 0


@dataclass(frozen=True)
class _Parts:
    """Weights by their names, as parts of a network. A norm adds `floor` to the variance."""

    weights: Mapping[str, Tensor]
    floor: float

    def dense(self, name: str) -> Dense:
        return Dense(self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def norm(self, name: str) -> nn.LayerNorm:
        dense = self.dense(name)
        return _filled(nn.LayerNorm(len(dense.weight), eps=self.floor, device="meta"), dense)

    def linear(self, name: str) -> nn.Linear:
        dense = self.dense(name)
        out, into = dense.weight.shape
        return _filled(nn.Linear(into, out, device="meta"), dense)


def _filled(module: Module, dense: Dense) -> Module:
    assert dense.bias is not None, "nothing of the family lacks one; this is a bug"
    module.weight = nn.Parameter(dense.weight, requires_grad=False)
    module.bias = nn.Parameter(dense.bias, requires_grad=False)
    return module


def variance_floor(config: ModelConfig) -> float:
    """What norms add to the variance."""
    return 1e-12 if config.model_type == "distilbert" else float(config.layer_norm_eps)


def activation_of(config: ModelConfig) -> str:
    """The name of that between the two products of a layer's feed-forward."""
    activation: str = getattr(config, "activation" if config.model_type == "distilbert" else "hidden_act")
    return activation


def _layer(config: ModelConfig, names: WeightNames, parts: _Parts, number: int, table: Tensor | None) -> Layer:
    def dense(part: str) -> Dense:
        return parts.dense(names.of_layer(number, part))

    def of_distances(kind: str, own: str, shared: str) -> Tensor | None:
        if table is None or kind not in distance_kinds(config):
            return None
        by = dense(shared if shares_projections(config) else own)
        return functional.linear(table, by.weight, by.bias)

    return Layer(
        query=dense("query"),
        key=dense("key"),
        value=dense("value"),
        attention_output=dense("attention_output"),
        attention_norm=parts.norm(names.of_layer(number, "attention_norm")),
        feed_forward_in=dense("feed_forward_in"),
        feed_forward_out=dense("feed_forward_out"),
        output_norm=parts.norm(names.of_layer(number, "output_norm")),
        distances=None
        if table is None
        else Distances(
            keys=of_distances("c2p", "distance_key", "key"), queries=of_distances("p2c", "distance_query", "query")
        ),
    )


def _head(config: ModelConfig, names: WeightNames, parts: _Parts) -> nn.Module:
    """What is behind the encoder, for first tokens (n, hidden)."""
    inside, out = names.head
    return nn.Sequential(parts.linear(inside), _HEAD_ACTIVATIONS[head_activation_of(config)](), parts.linear(out))


def head_activation_of(config: ModelConfig) -> str:
    """The name of that between the two products of the head."""
    if config.model_type == "deberta-v2":
        return str(config.pooler_hidden_act)
    return {"electra": "gelu", "distilbert": "relu"}.get(config.model_type, "tanh")


def _why_not_deberta(config: ModelConfig) -> str | None:
    """Why a DeBERTa-v2 or v3 with this `config` is not computed here, or None."""
    if not config.relative_attention:
        return "does not compute deberta-v2 models without relative attention"
    if getattr(config, "conv_kernel_size", 0) > 0:
        return "does not compute deberta-v2 models with convolutions"
    if getattr(config, "embedding_size", config.hidden_size) != config.hidden_size:
        return "does not compute deberta-v2 models with narrow embeddings"
    if head_activation_of(config) not in _HEAD_ACTIVATIONS:
        return f"does not compute the activation {head_activation_of(config)}"
    return None


def _distance_table(config: ModelConfig, names: WeightNames, parts: _Parts) -> Tensor | None:
    """What layers know of distances, (rows, hidden), or None where they know none."""
    if config.model_type != "deberta-v2":
        return None
    table = parts.weights[names.distances]
    if not norms_distances(config):
        return table
    found: Tensor = parts.norm(names.distance_norm)(table)
    return found.detach()


def _distances_in(table: Tensor, config: ModelConfig) -> Callable[[int], Tensor]:
    return partial(
        distance_rows,
        buckets=bucket_count(config),
        farthest=farthest_distance(config),
        rows=len(table),
    )
