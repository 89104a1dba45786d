"""The packed forward pass of the BERT family: weights packed for the processor, and no work that the head never sees.

Exact, not approximate. The plan puts sequences of nearly one length into a batch, so there is hardly any padding, and a
mask for the last positions alone. The head reads the first token only, so the last layer computes queries, attention
output and feed-forward for first tokens alone. Layers hold hidden states in the precision of their matrix products,
embeddings and head are computed in fp32. Where oneDNN multiplies, a product is added to the layer's input before the
sum is rounded: with two roundings twice as many labels flip in bf16.

The order of operations stands here; `bert_family` has the weights' names, `linear` and `attention` the kernels.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from scorer.classifier.device import DTYPES, memory_errors, to_device
from scorer.classifier.forward.attention import PaddedShape, attend, attend_first, query_scale
from scorer.classifier.forward.bert_family import BertFamily, Dense, Layer, why_not_of_the_family
from scorer.classifier.forward.linear import DeviceDtype, from_wider_heads, multiplied, side_by_side, with_wider_heads
from scorer.classifier.forward.spec import ForwardSpec, Work
from scorer.classifier.loading import LoadedModel
from scorer.classifier.sequences import TokenSequences

# First tokens are multiplied so many at a time: a CPU makes a kernel for each number of rows, and there are hundreds of
# numbers of sequences in a batch.
_FIRST_TOKENS = 16


class PackedForward:
    """`family`, copied to `device` in `dtype`. The width of its attention heads becomes a multiple of `head_multiple`,
    by default of what the device needs."""

    def __init__(
        self, family: BertFamily, *, device: torch.device, dtype: torch.dtype, head_multiple: int | None = None
    ) -> None:
        target = DeviceDtype(device, dtype)
        multiple = head_multiple or target.head_multiple
        self._device = device
        self._embed = _Embeddings(family, target)
        self._layers = [_EncoderLayer(family, layer, target, multiple) for layer in family.layers[:-1]]
        self._last = _LastLayer(family, family.layers[-1], target)
        self._head = target.exact.module(family.head)

    @torch.inference_mode()
    def __call__(self, batch: TokenSequences) -> NDArray[np.float32]:
        with memory_errors():
            logits: NDArray[np.float32] = self._logits(batch).float().cpu().numpy()
        return logits

    def _logits(self, batch: TokenSequences) -> Tensor:
        shape = PaddedShape.of(batch.lengths, device=self._device)
        hidden = self._embed(batch)
        for layer in self._layers:
            hidden = layer(hidden, shape)
        logits: Tensor = self._head(self._last(hidden, shape).float())
        return logits


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
        self._positions = target.exact.tensor(family.positions[max(family.first_position - 1, 0) :])
        self._norm = target.exact.module(family.embedding_norm)
        self._dtype = target.dtype
        self._project = target.linear(family.projection) if family.projection else None

    def __call__(self, batch: TokenSequences) -> Tensor:
        device = self._words.device
        ids, _, types = batch.padded(0)
        hidden = functional.embedding(to_device(ids, device), self._words)
        hidden += self._positions_of(ids)
        if self._second is not None and types.any():
            hidden.addcmul_(to_device(types, device).to(hidden.dtype).unsqueeze(-1), self._second)
        hidden = self._norm(hidden.flatten(0, 1)).to(self._dtype)
        return hidden if self._project is None else self._project(hidden)

    def _positions_of(self, ids: NDArray[np.int64]) -> Tensor:
        """The embedded positions of tokens `ids` (n, length): (length, width), or (n, length, width)."""
        if self._padding is None:
            return self._positions[: ids.shape[1]]
        counted = ids != self._padding
        if counted.all():
            return self._positions[1 : ids.shape[1] + 1]
        numbers = np.cumsum(counted, axis=1) * counted
        return functional.embedding(to_device(numbers, self._positions.device), self._positions)


class _EncoderLayer:
    """Hidden states (tokens, hidden) to hidden states (tokens, hidden); heads are as wide as a `multiple`."""

    def __init__(self, family: BertFamily, layer: Layer, target: DeviceDtype, multiple: int) -> None:
        self._heads = family.heads
        parts = (_scaled_query(family, layer), layer.key, layer.value)
        wider = (with_wider_heads(part, family.heads, multiple=multiple) for part in parts)
        output = from_wider_heads(layer.attention_output, family.heads, multiple=multiple)
        self._qkv = target.linear(side_by_side(*wider))
        self._rest = _RestOfLayer(family, replace(layer, attention_output=output), target)

    def __call__(self, hidden: Tensor, shape: PaddedShape) -> Tensor:
        return self._rest(hidden, attend(self._qkv(hidden), shape, heads=self._heads))


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
    return multiplied(layer.query, query_scale(layer.query.weight.shape[0] // family.heads))


def _make(loaded: LoadedModel, work: Work) -> PackedForward:
    return PackedForward(BertFamily.of(loaded.model), device=work.device, dtype=DTYPES[work.precision])


SPEC = ForwardSpec(
    name="packed",
    why="{kind} models need no padding",
    why_not=lambda config, _work: why_not_of_the_family(config),
    shapes="any",
    libraries=("torch", "transformers"),
    make=_make,
)
