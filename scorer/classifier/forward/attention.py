"""Self-attention over a batch of sequences: the mask, and which kernel computes it. Weights are not known here.

The sequences of a batch are nearly equally long, so the mask covers only the last positions.

Queries come here multiplied by `query_scale`. This turns the softmax's powers of e into powers of 2, which a CPU
computes faster.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from scorer.classifier.device import to_device
from scorer.classifier.sequences import TokenSequences
from scorer.classifier.torch_internals import attends_efficiently, efficient_attention

# From so many tokens on, torch's fused kernel is faster on a CPU than plain products. Below, its fixed cost for each
# sequence and head weighs more.
_FUSED_FROM = {torch.float32: 48, torch.bfloat16: 513, torch.float16: 0}
# From so many tokens on, flash attention is the faster of a GPU's kernels: its tiles have 128 places.
_FLASH_FROM = 64
# A GPU's kernels read the mask's rows from addresses that are multiples of so many elements.
_MASK_ALIGNMENT = 16
# So many scores stay in a CPU's caches until they are used.
_SCORES_AT_ONCE = 3 << 20
# Where the sum of a row's powers lies between these, no power has overflowed, and those that became 0 were smaller than
# a rounding error.
SAFE_SUMS = (1e-25, 1e37)


@dataclass(frozen=True)
class PaddedShape:
    """The shape (rows, length) of a batch after padding; its shortest sequence has `shortest` tokens.

    `mask` (rows, 1, 1, length - shortest) bool says of every position from `shortest` on whether it holds a token; None
    when all sequences are equally long.
    """

    rows: int
    length: int
    shortest: int
    mask: Tensor | None

    @classmethod
    def of(cls, lengths: NDArray[np.int64], *, device: torch.device) -> PaddedShape:
        """The shape of sequences with `lengths` (rows,) tokens."""
        shortest, longest = int(lengths.min()), int(lengths.max())
        if shortest == longest:
            return cls(len(lengths), longest, shortest, None)
        mask = np.arange(shortest, longest) < lengths[:, None]
        return cls(len(lengths), longest, shortest, to_device(mask[:, None, None, :], device))

    def take(self, rows: slice) -> PaddedShape:
        """The shape of some of the `rows`. Of all rows it is this one, so that `whole_mask` is made once."""
        count = len(range(*rows.indices(self.rows)))
        if count == self.rows:
            return self
        return PaddedShape(count, self.length, self.shortest, None if self.mask is None else self.mask[rows])

    @cached_property
    def whole_mask(self) -> Tensor | None:
        """(rows, 1, 1, length) bool, true where there is a token; None when there is one everywhere."""
        return None if self.mask is None else functional.pad(self.mask, (self.shortest, 0), value=True)

    def bias(self, dtype: torch.dtype) -> Tensor | None:
        """The mask as a GPU's kernels take it: (rows, 1, 1, length) of `dtype`, 0 where there is a token, else minus
        infinity. Made once a batch: from a mask of bool, torch would make it in every layer."""
        if self.whole_mask is None:
            return None
        if dtype not in self._biases:
            width = -(-self.length // _MASK_ALIGNMENT) * _MASK_ALIGNMENT
            wide = torch.full((self.rows, 1, 1, width), -torch.inf, dtype=dtype, device=self.whole_mask.device)
            self._biases[dtype] = wide[..., : self.length].masked_fill_(self.whole_mask, 0.0)
        return self._biases[dtype]

    @cached_property
    def _biases(self) -> dict[torch.dtype, Tensor]:
        return {}


@dataclass(frozen=True)
class RaggedShape:
    """The shape of sequences one behind the other, of at most `longest` tokens: sequence i is
    offsets[i]:offsets[i + 1], (rows + 1,) int32 on the device. `places` (rows * longest,) int32 says which token stands
    at each place of `padded`, any where there is none."""

    offsets: Tensor
    longest: int
    places: Tensor
    padded: PaddedShape

    @staticmethod
    def suits(batch: TokenSequences) -> bool:
        """Whether flash attention without a mask gains anything: sequences of one length need none, and for short ones
        another kernel is faster."""
        lengths = batch.lengths
        return int(lengths.max()) >= _FLASH_FROM and int(lengths.min()) < int(lengths.max())

    @classmethod
    def of(cls, batch: TokenSequences, *, device: torch.device) -> RaggedShape:
        """That of `batch`."""
        padded = PaddedShape.of(batch.lengths, device=device)
        places = np.minimum(batch.offsets[:-1, None] + np.arange(padded.length), len(batch.ids) - 1)
        return cls(
            to_device(batch.offsets.astype(np.int32), device),
            padded.length,
            to_device(places.astype(np.int32).ravel(), device),
            padded,
        )


def query_scale(width: int) -> float:
    """What the queries of heads of `width` are multiplied by: 1 / sqrt(width) log2(e).

    The first factor is attention's own (Vaswani et al. 2017, equation 1), the second is there as e^x = 2^(x log2(e)).
    """
    return math.log2(math.e) / math.sqrt(width)


def attend(qkv: Tensor, shape: PaddedShape, *, heads: int, scores_at_once: int = _SCORES_AT_ONCE) -> Tensor:
    """Every position attends to the tokens of its sequence: qkv (rows * length, 3 * hidden) to context (rows * length,
    hidden). On a CPU as many rows are computed together as have `scores_at_once`."""
    query, key, value = qkv.view(shape.rows, shape.length, 3, heads, -1).permute(2, 0, 3, 1, 4)
    return attend_heads(query, key, value, shape, scores_at_once=scores_at_once)


def attend_heads(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    shape: PaddedShape,
    *,
    seen: Tensor | None = None,
    scores_at_once: int = _SCORES_AT_ONCE,
) -> Tensor:
    """The same of query (rows, heads, positions, width), key and value (rows, heads, length, width), to (rows *
    positions, hidden). With `seen` (rows or 1, 1, positions, length) bool, positions attend to what it says alone."""
    rows, heads, positions, _ = query.shape
    if seen is not None:
        found = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen, scale=math.log(2.0))
        return found.transpose(1, 2).reshape(rows * positions, -1)
    at_once = max(scores_at_once // (heads * positions * shape.length), 1) if query.device.type == "cpu" else rows
    if at_once >= rows:
        # A kernel gives this the order of what came: nothing is copied.
        return _attention(query, key, value, shape).transpose(1, 2).reshape(rows * positions, -1)
    context = query.new_empty(rows, positions, heads, value.shape[-1])
    for first in range(0, rows, at_once):
        part = slice(first, first + at_once)
        context[part] = _attention(query[part], key[part], value[part], shape.take(part)).transpose(1, 2)
    return context.view(rows * positions, -1)


def attend_first(query: Tensor, hidden: Tensor, shape: PaddedShape) -> Tensor:
    """First tokens alone attend, and hidden states are keys and values at once: query (rows, heads, hidden) and hidden
    (rows * length, hidden) to context (rows, heads, hidden)."""
    states = hidden.view(shape.rows, 1, shape.length, -1)
    return _attention(query.unsqueeze(1), states, states, shape).squeeze(1)


def _attention(query: Tensor, key: Tensor, value: Tensor, shape: PaddedShape) -> Tensor:
    """softmax(ln(2) query key^T) value over (rows, heads, positions, width)."""
    if query.device.type == "cpu" and key.shape[2] < _FUSED_FROM.get(query.dtype, 0):
        # A softmax subtracts each row's maximum first, against overflow. Usual scores do not need that, and the sums
        # tell whether these did.
        weights = torch.matmul(query, key.transpose(2, 3)).exp2_()
        if shape.mask is not None:
            weights[..., shape.shortest :].mul_(shape.mask)
        sums = weights.sum(dim=-1, keepdim=True)
        smallest, largest = torch.aminmax(sums)
        if smallest > SAFE_SUMS[0] and largest < SAFE_SUMS[1]:
            return torch.matmul(weights, value).div_(sums)
    if query.device.type == "cuda":
        return _attention_on_gpu(query, key, value, shape.bias(query.dtype))
    mask = shape.whole_mask
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=math.log(2.0))


def _attention_on_gpu(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
    """The same, where torch takes flash attention if there is no `bias`."""
    short = bias is None and key.shape[2] < _FLASH_FROM
    if short and attends_efficiently(query.device, query.dtype, query.shape[-1]):
        return efficient_attention(query, key, value)
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=math.log(2.0))
