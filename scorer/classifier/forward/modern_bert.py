"""The packed forward pass of ModernBERT (Warner et al. 2024), whose layers differ from those of the BERT family.

A norm stands before each product, places turn queries and keys (rotary embeddings, Su et al. 2021), the feed-forward
has a gate, and two of three layers see only the places nearby. As in `packed`, there is hardly any padding, products
are packed for the processor, and where the head reads the first token, the last layer computes that alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from scorer.classifier.device import DeviceQueue, memory_errors, to_device
from scorer.classifier.forward.attention import PaddedShape, RaggedShape, attend_heads, query_scale
from scorer.classifier.forward.bert_family import ACTIVATIONS, Dense
from scorer.classifier.forward.linear import DeviceDtype, multiplied, side_by_side
from scorer.classifier.model_config import ModelConfig
from scorer.classifier.sequences import TokenSequences

_LOCAL = "sliding_attention"


def why_not_modern_bert(config: Any) -> str | None:
    """Why a ModernBERT with this `config` is not computed here, or None."""
    if config.hidden_activation not in ACTIVATIONS:
        return f"does not compute the activation {config.hidden_activation}"
    kinds = {(config.rope_parameters[kind] or {}).get("rope_type") for kind in set(config.layer_types)}
    if kinds != {"default"}:
        return f"does not compute rotary embeddings of the type {', '.join(sorted(map(str, kinds - {'default'})))}"
    return None


class ModernBertForward:
    """`model`, a ModernBertForSequenceClassification, copied to where and computed as `target` says."""

    def __init__(self, model: Any, target: DeviceDtype) -> None:
        config, body = model.config, model.model
        self._device, self._dtype = target.device, target.dtype
        self._queue = DeviceQueue(target.device)
        self._words = target.exact.tensor(body.embeddings.tok_embeddings.weight)
        self._norm = target.exact.module(body.embeddings.norm)
        self._rotary = target.exact.module(body.rotary_emb)
        self._window = int(config.sliding_window)
        self._ragged = target.ragged is not None and target.nearby is not None
        self._first_alone = config.classifier_pooling == "cls"
        *layers, last = body.layers
        self._layers = [_Layer(layer, config, target) for layer in (layers if self._first_alone else body.layers)]
        self._last = _LastLayer(last, config, target) if self._first_alone else None
        self._final_norm = target.norm(body.final_norm)
        self._head = target.exact.module(nn.Sequential(model.head, model.classifier))

    @torch.inference_mode()
    def __call__(self, batch: TokenSequences) -> NDArray[np.float32]:
        with memory_errors():
            ragged = RaggedShape.of(batch, device=self._device) if self._ragged and RaggedShape.suits(batch) else None
            ids, mask, _ = batch.padded(0)
            lengths = batch.lengths
            whole = PaddedShape.of(lengths, device=self._device)
            near = PaddedShape.of(np.minimum(lengths, self._window + 1), device=self._device)
            holds = to_device(mask, self._device)
            tokens = to_device(ids if ragged is None else batch.ids, self._device)
            return self._queue.run(lambda: self._logits(tokens, holds, whole, near, ragged))

    def _logits(
        self, ids: Tensor, holds: Tensor, shape: PaddedShape, near: PaddedShape, ragged: RaggedShape | None
    ) -> Tensor:
        places = _Places(self._turns(shape.length), self._nearby(shape), shape, near)
        hidden = self._norm(functional.embedding(ids.flatten(), self._words)).to(self._dtype)
        if ragged is None:
            for layer in self._layers:
                hidden = layer(hidden, places)
        else:
            behind = _BehindEachOther.of(ragged, places.turns, tokens=len(ids), window=self._window)
            for layer in self._layers:
                hidden = layer.ragged(hidden, behind)
            hidden = hidden.index_select(0, ragged.places)
        if self._last is not None:
            pooled = self._final_norm(self._last(hidden, places)).float()
        else:
            states = self._final_norm(hidden).float().view(shape.rows, shape.length, -1)
            pooled = (states * holds.unsqueeze(-1)).sum(dim=1) / holds.sum(dim=1, keepdim=True)
        logits: Tensor = self._head(pooled)
        return logits

    def _turns(self, length: int) -> dict[str, tuple[Tensor, Tensor]]:
        """By the kind of a layer, cosine and sine (length, 1, 1, width / 2) of how far each place turns."""
        numbers = torch.arange(length, device=self._device)[None]
        found = {}
        for kind in self._rotary.layer_types:
            cos, sin = self._rotary(self._words, numbers, kind)
            half = cos.shape[-1] // 2
            found[kind] = (cos[0, :, None, None, :half], sin[0, :, None, None, :half])
        return found

    def _nearby(self, shape: PaddedShape) -> Tensor | None:
        """(rows or 1, 1, length, length) bool, true where a place sees another in a layer that sees those nearby; None
        where it sees all that have a token."""
        if shape.length <= self._window + 1:
            return None
        numbers = torch.arange(shape.length, device=self._device)
        near = ((numbers[:, None] - numbers).abs() <= self._window)[None, None]
        return near if shape.whole_mask is None else near & shape.whole_mask


@dataclass(frozen=True)
class _Places:
    """What layers know of the places of a batch: how far they turn, which are `nearby`, their `shape`, and that of
    those that a first token sees `near` it."""

    turns: Mapping[str, tuple[Tensor, Tensor]]
    nearby: Tensor | None
    shape: PaddedShape
    near: PaddedShape


@dataclass(frozen=True)
class _BehindEachOther:
    """The same where nothing is padded: how far each token turns, cosine and sine (t, 1, 1, width / 2), the `shape`,
    and the `window` of places that are nearby."""

    turns: Mapping[str, tuple[Tensor, Tensor]]
    shape: RaggedShape
    window: int

    @classmethod
    def of(
        cls, shape: RaggedShape, turns: Mapping[str, tuple[Tensor, Tensor]], *, tokens: int, window: int
    ) -> _BehindEachOther:
        """Of so many `tokens` together; `turns` are those of each place."""
        numbers = torch.arange(tokens, device=shape.offsets.device)
        numbers -= torch.repeat_interleave(shape.offsets[:-1], shape.offsets.diff(), output_size=tokens)
        return cls({kind: (cos[numbers], sin[numbers]) for kind, (cos, sin) in turns.items()}, shape, window)


class _Layer:
    """Hidden states (tokens, hidden) to hidden states (tokens, hidden), perhaps in their place."""

    def __init__(self, layer: Any, config: ModelConfig, target: DeviceDtype) -> None:
        self._kind = layer.attention_type
        self._heads = int(config.num_attention_heads)
        self._attention_norm = _norm(layer.attn_norm, target)
        self._qkv = target.linear(side_by_side(*_query_key_value(layer.attn)))
        self._rest = _RestOfLayer(layer, config, target)
        self._ragged = target.nearby if self._kind == _LOCAL else target.ragged

    def ragged(self, hidden: Tensor, behind: _BehindEachOther) -> Tensor:
        """The same of sequences one behind the other."""
        assert self._ragged is not None, "nobody made a ragged shape; this is a bug"
        qkv = self._qkv(self._attention_norm(hidden)).view(len(hidden), 3, self._heads, -1)
        query, key = _turned(qkv[:, :2], *behind.turns[self._kind]).unbind(1)
        window = behind.window if self._kind == _LOCAL else None
        context = self._ragged(query, key, qkv[:, 2], behind.shape.offsets, behind.shape.longest, window)
        return self._rest(hidden, context.reshape(len(hidden), -1))

    def __call__(self, hidden: Tensor, places: _Places) -> Tensor:
        shape = places.shape
        qkv = self._qkv(self._attention_norm(hidden)).view(shape.rows, shape.length, 3, self._heads, -1)
        turned = _turned(qkv[:, :, :2], *places.turns[self._kind])
        query, key = turned.permute(2, 0, 3, 1, 4)
        seen = places.nearby if self._kind == _LOCAL else None
        context = attend_heads(query, key, qkv[:, :, 2].transpose(1, 2), shape, seen=seen)
        return self._rest(hidden, context)


class _LastLayer:
    """Hidden states (tokens, hidden) to those of the first tokens (n, hidden), which are all that the head reads."""

    def __init__(self, layer: Any, config: ModelConfig, target: DeviceDtype) -> None:
        self._kind = layer.attention_type
        self._heads = int(config.num_attention_heads)
        self._attention_norm = _norm(layer.attn_norm, target)
        query, key, value = _query_key_value(layer.attn)
        self._query = target.linear(query)
        self._kv = target.linear(side_by_side(key, value))
        self._rest = _RestOfLayer(layer, config, target)

    def __call__(self, hidden: Tensor, places: _Places) -> Tensor:
        shape = places.near if self._kind == _LOCAL else places.shape
        states = hidden.view(places.shape.rows, places.shape.length, -1)[:, : shape.length]
        own = states[:, 0].contiguous()
        normed = self._attention_norm(states.reshape(-1, hidden.shape[-1]))
        kv = self._kv(normed).view(shape.rows, shape.length, 2, self._heads, -1)
        cos, sin = (part[: shape.length] for part in places.turns[self._kind])
        key = _turned(kv[:, :, :1], cos, sin)[:, :, 0].transpose(1, 2)
        # The first place does not turn.
        query = self._query(self._attention_norm(own)).view(shape.rows, 1, self._heads, -1).transpose(1, 2)
        context = attend_heads(query, key, kv[:, :, 1].transpose(1, 2), shape)
        return self._rest(own, context)


class _RestOfLayer:
    """What follows attention: output projection and feed-forward, each added to its input."""

    def __init__(self, layer: Any, config: ModelConfig, target: DeviceDtype) -> None:
        inner = layer.mlp.Wi.out_features // 2
        weight, bias = layer.mlp.Wi.weight, layer.mlp.Wi.bias
        halves = [
            Dense(weight[rows], None if bias is None else bias[rows]) for rows in (slice(inner), slice(inner, None))
        ]
        self._attention_output = target.linear_onto(_added(layer.attn.Wo, target))
        self._norm = target.norm(layer.mlp_norm)
        self._input = target.linear(halves[0], activation=str(config.hidden_activation))
        self._gate = target.linear(halves[1])
        self._output = target.linear_onto(_added(layer.mlp.Wo, target))

    def __call__(self, hidden: Tensor, context: Tensor) -> Tensor:
        hidden = self._attention_output(context, hidden)
        normed = self._norm(hidden)
        return self._output(self._input(normed).mul_(self._gate(normed)), hidden)


def _norm(norm: nn.Module, target: DeviceDtype) -> nn.Module:
    """The first layer has none before its attention."""
    return target.norm(norm) if isinstance(norm, nn.LayerNorm) else norm


def _query_key_value(attention: Any) -> tuple[Dense, Dense, Dense]:
    weights = attention.Wqkv.weight.chunk(3)
    biases = (None,) * 3 if attention.Wqkv.bias is None else attention.Wqkv.bias.chunk(3)
    query, key, value = (Dense(weight, bias) for weight, bias in zip(weights, biases, strict=True))
    return multiplied(query, query_scale(attention.head_dim)), key, value


def _added(linear: Any, target: DeviceDtype) -> Dense:
    """A product that is added to something: without a bias where that is faster, and with one for oneDNN."""
    if linear.bias is None and not target.folds:
        return Dense(linear.weight, linear.weight.new_zeros(linear.out_features))
    return Dense(linear.weight, linear.bias)


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x (..., kinds, heads, width) with each pair of its halves turned, computed in fp32."""
    one, other = x.float().chunk(2, dim=-1)
    turned = torch.empty(x.shape, dtype=torch.float32, device=x.device)
    first, second = turned.chunk(2, dim=-1)
    torch.mul(one, cos, out=first).addcmul_(other, sin, value=-1.0)
    torch.mul(other, cos, out=second).addcmul_(one, sin)
    return turned.to(x.dtype)
