"""The packed forward pass of the BERT family: weights packed for the processor, and no work that the head never sees.

Exact, not approximate. The plan puts sequences of nearly one length into a batch, so there is hardly any padding, and a
mask for the last positions alone. The head reads the first token only, so the last layer computes queries, attention
output and feed-forward for first tokens alone. Layers hold hidden states in the precision of their matrix products,
embeddings and head are computed in fp32. Where oneDNN multiplies, a product is added to the layer's input before the
sum is rounded: with two roundings twice as many labels flip in bf16.

On a GPU the same is done by `folding`. Texts of unlike lengths that are long enough are not padded there at all, as its
attention takes them one behind the other.

The order of operations stands here; `bert_family` has the weights' names, `linear` and `attention` the kernels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from scorer.classifier.device import DTYPES, DeviceQueue, memory_errors, to_device
from scorer.classifier.forward import Forward
from scorer.classifier.forward.attention import PaddedShape, RaggedShape, attend, attend_first, query_scale
from scorer.classifier.forward.bert_family import BertFamily, Dense, Layer, why_not_of_the_family
from scorer.classifier.forward.folding import with_folded_biases
from scorer.classifier.forward.linear import DeviceDtype, from_wider_heads, multiplied, side_by_side, with_wider_heads
from scorer.classifier.forward.modern_bert import ModernBertForward, why_not_modern_bert
from scorer.classifier.forward.openvino import SPEC as OPENVINO
from scorer.classifier.forward.relative import RelativeAttention
from scorer.classifier.forward.spec import ForwardSpec, Work
from scorer.classifier.loading import LoadedModel
from scorer.classifier.model_config import ModelConfig
from scorer.classifier.sequences import TokenSequences

# First tokens are multiplied so many at a time: a CPU makes a kernel for each number of rows, and there are hundreds of
# numbers of sequences in a batch.
_FIRST_TOKENS = 16


class PackedForward:
    """`family`, copied to where and computed as `target` says; `layers` are all but the last, and hidden states are so
    `width` numbers wide."""

    def __init__(self, family: BertFamily, target: DeviceDtype) -> None:
        family = with_folded_biases(family) if target.folds else family
        if family.distances is not None:
            target = replace(target, ragged=None)
        self._device = target.device
        self._queue = DeviceQueue(target.device)
        self.width = family.layers[0].query.weight.shape[1]
        self._ragged = target.ragged is not None
        self._embed = _Embeddings(family, target)
        self.layers = [EncoderLayer(family, layer, target) for layer in family.layers[:-1]]
        last = _LastLayer if family.distances is None else _LastRelativeLayer
        self._last = last(family, family.layers[-1], target)
        self._head = target.exact.module(family.head)

    @torch.inference_mode()
    def __call__(self, batch: TokenSequences) -> NDArray[np.float32]:
        with memory_errors():
            shape: PaddedShape | RaggedShape
            if self._ragged and RaggedShape.suits(batch):
                shape = RaggedShape.of(batch, device=self._device)
            else:
                shape = PaddedShape.of(batch.lengths, device=self._device)
            tokens = self._embed.tokens(batch, ragged=isinstance(shape, RaggedShape))
            return self._queue.run(lambda: self._logits(tokens, shape))

    def begin(self, batch: TokenSequences) -> tuple[Tensor, PaddedShape]:
        """Hidden states (tokens, hidden) of a padded `batch` before the first of the `layers`, and its shape."""
        shape = PaddedShape.of(batch.lengths, device=self._device)
        return self._embed(self._embed.tokens(batch, ragged=False)), shape

    def finish(self, hidden: Tensor, shape: PaddedShape | RaggedShape) -> Tensor:
        """Logits (n, labels) float32 of hidden states (tokens, hidden) behind all `layers`."""
        if isinstance(shape, RaggedShape):
            hidden, shape = hidden.index_select(0, shape.places), shape.padded
        logits: Tensor = self._head(self._last(hidden, shape).float())
        return logits

    def _logits(self, tokens: _Tokens, shape: PaddedShape | RaggedShape) -> Tensor:
        hidden = self._embed(tokens)
        for layer in self.layers:
            hidden = layer(hidden, shape)
        return self.finish(hidden, shape)


@dataclass(frozen=True)
class _Tokens:
    """The tokens of a batch on the device, ids (n, length), or (t,) where nothing is padded. `positions` has their
    shape and is None where sequences count from 0 to length; `types` is None where all have type 0."""

    ids: Tensor
    positions: Tensor | None
    types: Tensor | None


class _Embeddings:
    """Token ids to hidden states: word, position and type embeddings, their norm, and a projection if there is one."""

    def __init__(self, family: BertFamily, target: DeviceDtype) -> None:
        # Nearly every token has type 0, so its embedding is added to every word's beforehand.
        words = family.words if family.types is None else family.words + family.types[0]
        second = None if family.types is None or len(family.types) < 2 else family.types[1] - family.types[0]
        self._words = target.exact.tensor(words)
        self._second = None if second is None else target.exact.tensor(second)
        # Where positions are counted from 1 on, 0 is that of padding, also of such a token in the midst of a text.
        self._padding = family.first_position - 1 if family.first_position else None
        positions = None if family.positions is None else family.positions[max(family.first_position - 1, 0) :]
        self._positions = None if positions is None else target.exact.tensor(positions)
        self._norm = target.exact.module(family.embedding_norm)
        self._dtype = target.dtype
        self._project = target.linear(family.projection) if family.projection else None

    def tokens(self, batch: TokenSequences, *, ragged: bool) -> _Tokens:
        """The tokens of `batch`, padded to one length or `ragged`, on their way to the device."""
        if ragged:
            return self._brought(batch.ids, self._ragged_positions(batch), batch.types)
        ids, _, types = batch.padded(0)
        return self._brought(ids, self._padded_positions(ids), types)

    def _brought(self, ids: NDArray[Any], positions: NDArray[Any] | None, types: NDArray[Any]) -> _Tokens:
        device = self._words.device
        return _Tokens(
            to_device(ids, device),
            None if positions is None else to_device(positions, device),
            to_device(types, device) if self._second is not None and types.any() else None,
        )

    def __call__(self, tokens: _Tokens) -> Tensor:
        hidden = functional.embedding(tokens.ids, self._words)
        if self._positions is None:
            pass
        elif tokens.positions is None:
            first = 0 if self._padding is None else 1
            hidden += self._positions[first : first + tokens.ids.shape[1]]
        else:
            hidden += functional.embedding(tokens.positions, self._positions)
        if self._second is not None and tokens.types is not None:
            hidden.addcmul_(tokens.types.to(hidden.dtype).unsqueeze(-1), self._second)
        hidden = self._norm(hidden.view(-1, hidden.shape[-1])).to(self._dtype)
        return hidden if self._project is None else self._project(hidden)

    def _padded_positions(self, ids: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """The positions of tokens `ids` (n, length); None where they are the same in every row."""
        if self._padding is None:
            return None
        counted = ids != self._padding
        return None if counted.all() else np.cumsum(counted, axis=1) * counted

    def _ragged_positions(self, batch: TokenSequences) -> NDArray[np.int64]:
        """The positions (t,) of all tokens."""
        if self._padding is None:
            return np.arange(len(batch.ids)) - np.repeat(batch.offsets[:-1], batch.lengths)
        counted = batch.ids != self._padding
        before = np.concatenate(([0], np.cumsum(counted)))
        numbers: NDArray[np.int64] = (before[1:] - np.repeat(before[batch.offsets[:-1]], batch.lengths)) * counted
        return numbers


class EncoderLayer:
    """Hidden states (tokens, hidden) to hidden states (tokens, hidden), perhaps in their place."""

    def __init__(self, family: BertFamily, layer: Layer, target: DeviceDtype) -> None:
        multiple = target.head_multiple
        self._heads = family.heads
        self._ragged = target.ragged
        self._relative = _relative_attention(family, layer, target)
        parts = (_scaled_query(family, layer), layer.key, layer.value)
        wider = (with_wider_heads(part, family.heads, multiple=multiple) for part in parts)
        output = from_wider_heads(layer.attention_output, family.heads, multiple=multiple)
        self._qkv = target.linear(side_by_side(*wider))
        self._rest = _RestOfLayer(family, replace(layer, attention_output=output), target)

    def __call__(self, hidden: Tensor, shape: PaddedShape | RaggedShape) -> Tensor:
        return self._rest(hidden, self._attend(self._qkv(hidden), shape))

    def _attend(self, qkv: Tensor, shape: PaddedShape | RaggedShape) -> Tensor:
        if isinstance(shape, PaddedShape):
            if self._relative is not None:
                return self._relative.attend(qkv, shape)
            return attend(qkv, shape, heads=self._heads)
        assert self._ragged is not None, "nobody made a ragged shape; this is a bug"
        query, key, value = qkv.view(len(qkv), 3, self._heads, -1).unbind(1)
        return self._ragged(query, key, value, shape.offsets, shape.longest).reshape(len(qkv), -1)


class _LastLayer:
    """Hidden states (tokens, hidden) to those of the first tokens (n, hidden), which are all that the head reads.

    Keys and values are never computed. With K = H Wk^T + bk, a query's scores are q K^T = (q Wk) H^T + q bk^T, whose
    last term is the same for every key and drops out of the softmax; and p V = (p H) Wv^T + bv, as the weights p sum
    to one. So a head's key weights go to its queries and its value weights to its contexts: n of each, not `tokens`.
    """

    def __init__(self, family: BertFamily, layer: Layer, target: DeviceDtype) -> None:
        hidden = layer.query.weight.shape[0]
        self._by_head = (family.heads, hidden // family.heads, hidden)
        self._query = target.linear(_scaled_query(family, layer))
        self._key = target.tensor(layer.key.weight.view(self._by_head))
        self._value = target.tensor(layer.value.weight.view(self._by_head).transpose(1, 2))
        assert layer.value.bias is not None, "the last layer is not folded; this is a bug"
        self._value_bias = target.tensor(layer.value.bias)
        self._rest = _RestOfLayer(family, layer, target)

    def __call__(self, hidden: Tensor, shape: PaddedShape) -> Tensor:
        own = _filled_up(hidden.view(shape.rows, shape.length, -1)[:, 0])
        heads, width, _ = self._by_head
        query = self._query(own).view(-1, heads, width).transpose(0, 1)
        query = torch.bmm(query, self._key).transpose(0, 1)[: shape.rows].contiguous()
        attended = _filled_up(attend_first(query, hidden, shape))
        context = torch.bmm(attended.transpose(0, 1), self._value).transpose(0, 1).reshape(own.shape)
        return self._rest(own, context + self._value_bias)[: shape.rows]


class _LastRelativeLayer:
    """The same for a family that adds to the scores what keys say to distances, so that keys are needed."""

    def __init__(self, family: BertFamily, layer: Layer, target: DeviceDtype) -> None:
        target = replace(target, head_multiple=1)
        attention = _relative_attention(family, layer, target)
        assert attention is not None, "a family without distances; this is a bug"
        self._attention = attention
        self._query = target.linear(_scaled_query(family, layer))
        self._kv = target.linear(side_by_side(layer.key, layer.value))
        self._rest = _RestOfLayer(family, layer, target)

    def __call__(self, hidden: Tensor, shape: PaddedShape) -> Tensor:
        own = _filled_up(hidden.view(shape.rows, shape.length, -1)[:, 0])
        context = self._attention.attend_first(self._query(own)[: shape.rows], self._kv(hidden), shape)
        return self._rest(own, _filled_up(context))[: shape.rows]


class _RestOfLayer:
    """What follows attention: output projection and feed-forward, each added to its input and normed."""

    def __init__(self, family: BertFamily, layer: Layer, target: DeviceDtype) -> None:
        self._attention_output = target.linear_onto(layer.attention_output)
        self._attention_norm = target.norm(layer.attention_norm)
        self._feed_forward_in = target.linear(layer.feed_forward_in, activation=family.activation)
        self._feed_forward_out = target.linear_onto(layer.feed_forward_out)
        self._output_norm = target.norm(layer.output_norm)

    def __call__(self, hidden: Tensor, context: Tensor) -> Tensor:
        hidden = self._attention_norm(self._attention_output(context, hidden))
        result: Tensor = self._output_norm(self._feed_forward_out(self._feed_forward_in(hidden), hidden))
        return result


def _filled_up(rows: Tensor) -> Tensor:
    """`rows` (n, ...) and zeros up to a multiple of `_FIRST_TOKENS`, contiguous."""
    filled = rows.new_zeros(-(-len(rows) // _FIRST_TOKENS) * _FIRST_TOKENS, *rows.shape[1:])
    filled[: len(rows)] = rows
    return filled


def _scaled_query(family: BertFamily, layer: Layer) -> Dense:
    return multiplied(layer.query, query_scale(family.head_width * family.score_terms))


def _relative_attention(family: BertFamily, layer: Layer, target: DeviceDtype) -> RelativeAttention | None:
    if family.distances is None or layer.distances is None:
        return None

    def by_head(table: Tensor | None, factor: float = 1.0) -> Tensor | None:
        """(distances, hidden) as (heads, distances, width)."""
        if table is None:
            return None
        heads = (table * factor).view(len(table), family.heads, -1)
        wider = functional.pad(heads, (0, -family.head_width % target.head_multiple))
        return target.tensor(wider.transpose(0, 1))

    scale = query_scale(family.head_width * family.score_terms)
    keys, queries = by_head(layer.distances.keys), by_head(layer.distances.queries, scale)
    return RelativeAttention(family.distances, keys, queries, family.heads)


def _why_not(config: ModelConfig, _work: Work) -> str | None:
    return why_not_modern_bert(config) if config.model_type == "modernbert" else why_not_of_the_family(config)


def _yields(config: ModelConfig, work: Work) -> str | None:
    """OpenVINO is measured to be faster with ModernBERT (jobs/bench/LOG.md)."""
    if config.model_type != "modernbert" or OPENVINO.why_not(config, work) is not None:
        return None
    return "openvino is faster with modernbert models on a CPU"


def _make(loaded: LoadedModel, work: Work) -> Forward:
    config = loaded.config
    if config.model_type == "modernbert":
        width = config.hidden_size // config.num_attention_heads
        target = DeviceDtype.best(work.device, DTYPES[work.precision], head_width=width)
        return ModernBertForward(loaded.model, target)
    family = BertFamily.of(config, loaded.weights)
    return PackedForward(family, DeviceDtype.best(work.device, DTYPES[work.precision], head_width=family.head_width))


SPEC = ForwardSpec(
    name="packed",
    why="{kind} models need no padding",
    why_not=_why_not,
    shapes="any",
    libraries=("torch", "transformers"),
    make=_make,
    yields=_yields,
)
