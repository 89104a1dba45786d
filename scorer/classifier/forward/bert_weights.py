"""What the weights of BERT-like models are called in a file that transformers saved, and their shapes.

Where the architectures differ in that, stands here only: BERT, RoBERTa, XLM-R, ELECTRA, DistilBERT and DeBERTa-v2.
"""

from __future__ import annotations

from collections.abc import Mapping

from scorer.classifier.model_config import ModelConfig

PREFIXES = {
    "bert": "bert",
    "roberta": "roberta",
    "xlm-roberta": "roberta",
    "electra": "electra",
    "distilbert": "distilbert",
    "deberta-v2": "deberta",
}
_BERT_LAYER = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "feed_forward_in": "intermediate.dense",
    "feed_forward_out": "output.dense",
    "output_norm": "output.LayerNorm",
}
_DISTILBERT_LAYER = {
    "query": "attention.q_lin",
    "key": "attention.k_lin",
    "value": "attention.v_lin",
    "attention_output": "attention.out_lin",
    "attention_norm": "sa_layer_norm",
    "feed_forward_in": "ffn.lin1",
    "feed_forward_out": "ffn.lin2",
    "output_norm": "output_layer_norm",
}
_DEBERTA_LAYER = _BERT_LAYER | {
    "query": "attention.self.query_proj",
    "key": "attention.self.key_proj",
    "value": "attention.self.value_proj",
}
_OF_DISTANCES = {"c2p": {"distance_key": "pos_key_proj"}, "p2c": {"distance_query": "pos_query_proj"}}
_HEADS = {
    "bert": ("bert.pooler.dense", "classifier"),
    "distilbert": ("pre_classifier", "classifier"),
    "deberta-v2": ("pooler.dense", "classifier"),
}


class WeightNames:
    """What a model with `config` calls its weights; of a product or a norm, the part before `.weight` and `.bias`."""

    def __init__(self, config: ModelConfig) -> None:
        kind = config.model_type
        prefix = PREFIXES[kind]
        self.words = f"{prefix}.embeddings.word_embeddings.weight"
        self.positions = f"{prefix}.embeddings.position_embeddings.weight"
        self.types = f"{prefix}.embeddings.token_type_embeddings.weight"
        self.embedding_norm = f"{prefix}.embeddings.LayerNorm"
        self.projection = f"{prefix}.embeddings_project"
        self.distances = f"{prefix}.encoder.rel_embeddings.weight"
        self.distance_norm = f"{prefix}.encoder.LayerNorm"
        self.head: tuple[str, str] = _HEADS.get(kind, ("classifier.dense", "classifier.out_proj"))
        self.parts = _parts_of_a_layer(config)
        self._layers = f"{prefix}.transformer.layer" if kind == "distilbert" else f"{prefix}.encoder.layer"

    def of_layer(self, number: int, part: str) -> str:
        """That of one of `parts`."""
        return f"{self._layers}.{number}.{self.parts[part]}"


def _parts_of_a_layer(config: ModelConfig) -> Mapping[str, str]:
    if config.model_type == "distilbert":
        return _DISTILBERT_LAYER
    if config.model_type != "deberta-v2":
        return _BERT_LAYER
    own = [] if shares_projections(config) else [_OF_DISTANCES[kind] for kind in distance_kinds(config)]
    return _DEBERTA_LAYER | {part: f"attention.self.{name}" for found in own for part, name in found.items()}


def weight_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """The names and shapes of all weights of a classifier with this `config`. AttributeError where it does not say."""
    names, hidden = WeightNames(config), config.hidden_size
    inner = config.hidden_dim if config.model_type == "distilbert" else config.intermediate_size
    width = config.embedding_size if config.model_type == "electra" else hidden
    found = {names.words: (config.vocab_size, width), **_norm(names.embedding_norm, width)}
    if config.model_type != "deberta-v2" or config.position_biased_input:
        found[names.positions] = (config.max_position_embeddings, width)
    if config.model_type != "distilbert" and config.type_vocab_size > 0:
        found[names.types] = (config.type_vocab_size, width)
    if width != hidden:
        found |= _dense(names.projection, hidden, width)
    if config.model_type == "deberta-v2":
        found[names.distances] = (2 * _distance_span(config), hidden)
        found |= _norm(names.distance_norm, hidden) if norms_distances(config) else {}
    products = {"feed_forward_in": (inner, hidden), "feed_forward_out": (hidden, inner)}
    for number in range(config.num_hidden_layers):
        for part in names.parts:
            name = names.of_layer(number, part)
            is_norm = part.endswith("_norm")
            found |= _norm(name, hidden) if is_norm else _dense(name, *products.get(part, (hidden, hidden)))
    inside, out = names.head
    return found | _dense(inside, hidden, hidden) | _dense(out, len(config.id2label or ()), hidden)


def distance_kinds(config: ModelConfig) -> list[str]:
    """What a DeBERTa's layers say of distances: c2p, what keys say to queries, and p2c, what queries say to keys."""
    return [kind for kind in ("c2p", "p2c") if kind in (config.pos_att_type or ())]


def norms_distances(config: ModelConfig) -> bool:
    """Whether the table of distances is normed before layers use it."""
    return "layer_norm" in [part.strip() for part in str(getattr(config, "norm_rel_ebd", "none")).lower().split("|")]


def farthest_distance(config: ModelConfig) -> int:
    """The distance from which on all are alike."""
    said = int(config.max_relative_positions)
    return said if said >= 1 else int(config.max_position_embeddings)


def bucket_count(config: ModelConfig) -> int:
    """How many rows near and far distances share; below 1 where each has its own."""
    return int(getattr(config, "position_buckets", -1))


def shares_projections(config: ModelConfig) -> bool:
    """Whether distances are projected as tokens are."""
    return bool(getattr(config, "share_att_key", False))


def _distance_span(config: ModelConfig) -> int:
    buckets = bucket_count(config)
    return buckets if buckets > 0 else farthest_distance(config)


def _norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _dense(name: str, out: int, into: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (out, into), f"{name}.bias": (out,)}
