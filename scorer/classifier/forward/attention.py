"""Self-attention over a batch of sequences that are nearly equally long.

Owns the mask and the choice of kernel by length. Knows no weights: queries arrive scaled by `query_scale`, so that a
key's weight is a power of two, which is computed faster than one of e.
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

from scorer.classifier.forward.transfer import to_device

# Where torch's fused kernel beats plain products on a CPU: it has a fixed cost a sequence and head.
_FUSED_FROM = {torch.float32: 48, torch.bfloat16: 513, torch.float16: 0}
# A CPU's caches hold so many scores until they have been used.
_SCORES_AT_ONCE = 3 << 20
# Between these sums of powers nothing has overflowed, and what has underflowed is less than a rounding error.
_SAFE_SUMS = (1e-25, 1e37)


@dataclass(frozen=True)
class Rectangle:
    """`rows` sequences in `length` places each; no sequence is shorter than `shortest`.

    `mask` (rows, 1, 1, length - shortest) bool is true for the places behind `shortest` that hold a token; None when
    all sequences are equally long.
    """

    rows: int
    length: int
    shortest: int
    mask: Tensor | None

    @classmethod
    def of(cls, lengths: NDArray[np.int64], *, device: torch.device) -> Rectangle:
        """The rectangle of sequences with `lengths` (rows,)."""
        shortest, longest = int(lengths.min()), int(lengths.max())
        if shortest == longest:
            return cls(len(lengths), longest, shortest, None)
        mask = np.arange(shortest, longest) < lengths[:, None]
        return cls(len(lengths), longest, shortest, to_device(mask[:, None, None, :], device))

    def take(self, rows: slice) -> Rectangle:
        """The same places of some of the `rows`; of all of them this one itself, whose whole mask is made once."""
        count = len(range(*rows.indices(self.rows)))
        if count == self.rows:
            return self
        return Rectangle(count, self.length, self.shortest, None if self.mask is None else self.mask[rows])

    @cached_property
    def whole_mask(self) -> Tensor | None:
        """(rows, 1, 1, length) bool, true where there is a token; None when there is one everywhere."""
        return None if self.mask is None else functional.pad(self.mask, (self.shortest, 0), value=True)


def query_scale(width: int) -> float:
    """What queries of heads `width` wide are multiplied by: attention's own 1 / sqrt(width) (Vaswani et al. 2017,
    equation 1), and log2(e), as e^x = 2^(x log2(e))."""
    return math.log2(math.e) / math.sqrt(width)


def attend(qkv: Tensor, shape: Rectangle, *, heads: int) -> Tensor:
    """Every place attends to the tokens of its sequence: qkv (rows * length, 3 * hidden) to context (rows * length,
    hidden)."""
    parts = qkv.view(shape.rows, shape.length, 3, heads, -1).permute(2, 0, 3, 1, 4)
    context = qkv.new_empty(shape.rows, shape.length, heads, parts.shape[-1])
    at_once = max(_SCORES_AT_ONCE // (heads * shape.length**2), 1) if qkv.device.type == "cpu" else shape.rows
    for first in range(0, shape.rows, at_once):
        rows = slice(first, first + at_once)
        query, key, value = parts[:, rows]
        context[rows] = _attention(query, key, value, shape.take(rows)).transpose(1, 2)
    return context.view(qkv.shape[0], -1)


def attend_first(query: Tensor, hidden: Tensor, shape: Rectangle) -> Tensor:
    """Only first tokens attend, to hidden states themselves: query (rows, heads, hidden), hidden (rows * length,
    hidden) to context (rows, heads, hidden)."""
    states = hidden.view(shape.rows, 1, shape.length, -1)
    return _attention(query.unsqueeze(1), states, states, shape).squeeze(1)


def _attention(query: Tensor, key: Tensor, value: Tensor, shape: Rectangle) -> Tensor:
    """softmax(ln(2) query key^T) value over (rows, heads, places, width)."""
    if query.device.type == "cpu" and key.shape[2] < _FUSED_FROM[query.dtype]:
        # A softmax subtracts each row's maximum first. Usual scores need it not, and the sums show whether these are.
        weights = torch.matmul(query, key.transpose(2, 3)).exp2_()
        if shape.mask is not None:
            weights[..., shape.shortest :].mul_(shape.mask)
        sums = weights.sum(dim=-1, keepdim=True)
        smallest, largest = torch.aminmax(sums)
        if smallest > _SAFE_SUMS[0] and largest < _SAFE_SUMS[1]:
            return torch.matmul(weights, value).div_(sums)
    mask = shape.whole_mask
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=math.log(2.0))
