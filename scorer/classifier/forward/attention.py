"""Self-attention over packed sequences: no padding, no mask.

Sequences of equal length stand side by side in a packed batch (a run), and attend as one dense block. Owns the runs and
the choice of kernel by length. Knows no weights: queries arrive scaled by `query_scale`, so that a key's weight is a
power of two, which is computed faster than one of e.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

# Where torch's fused kernel beats plain products on a CPU: it has a fixed cost a sequence and head.
_FUSED_FROM = {torch.float32: 48, torch.bfloat16: 513, torch.float16: 0}
# Between these sums of powers nothing has overflowed, and what has underflowed is less than a rounding error.
_SAFE_SUMS = (1e-25, 1e37)


@dataclass(frozen=True)
class Run:
    """`rows` sequences of `length` tokens each, from row `first_row` and token `first_token` of the batch on."""

    first_row: int
    rows: int
    first_token: int
    length: int

    @property
    def tokens(self) -> slice:
        return slice(self.first_token, self.first_token + self.rows * self.length)

    @property
    def sequences(self) -> slice:
        return slice(self.first_row, self.first_row + self.rows)


def runs_of(lengths: NDArray[np.int64]) -> list[Run]:
    """The runs of equal neighbours in `lengths` (n,)."""
    starts = np.flatnonzero(np.diff(lengths, prepend=-1))
    counts = np.diff(starts, append=len(lengths))
    tokens = np.concatenate(([0], np.cumsum(lengths)))[starts]
    return [
        Run(int(row), int(count), int(token), int(lengths[row]))
        for row, count, token in zip(starts, counts, tokens, strict=True)
    ]


def query_scale(width: int) -> float:
    """What queries of heads `width` wide are multiplied by: attention's own 1 / sqrt(width) (Vaswani et al. 2017,
    equation 1), and log2(e), as e^x = 2^(x log2(e))."""
    return math.log2(math.e) / math.sqrt(width)


def attend(qkv: Tensor, runs: list[Run], *, heads: int) -> Tensor:
    """Every token attends to its sequence: qkv (tokens, 3 * hidden) to context (tokens, hidden)."""
    hidden = qkv.shape[1] // 3
    context = qkv.new_empty(qkv.shape[0], hidden)
    for run in runs:
        block = qkv[run.tokens].view(run.rows, run.length, 3, heads, hidden // heads).permute(2, 0, 3, 1, 4)
        into = context[run.tokens].view(run.rows, run.length, heads, hidden // heads)
        into.copy_(_attention(block[0], block[1], block[2]).transpose(1, 2))
    return context


def attend_first(query: Tensor, hidden: Tensor, runs: list[Run]) -> Tensor:
    """Only first tokens attend, to hidden states themselves: query (n, heads, hidden), hidden (tokens, hidden) to
    context (n, heads, hidden)."""
    context = torch.empty_like(query)
    for run in runs:
        states = hidden[run.tokens].view(run.rows, 1, run.length, hidden.shape[1])
        context[run.sequences] = _attention(query[run.sequences].unsqueeze(1), states, states).squeeze(1)
    return context


def _attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(ln(2) query key^T) value over (rows, heads, tokens, width)."""
    if query.device.type == "cpu" and key.shape[2] < _FUSED_FROM[query.dtype]:
        # A softmax subtracts each row's maximum first. Usual scores need it not, and the sums show whether these are.
        weights = torch.matmul(query, key.transpose(2, 3)).exp2_()
        sums = weights.sum(dim=-1, keepdim=True)
        smallest, largest = torch.aminmax(sums)
        if smallest > _SAFE_SUMS[0] and largest < _SAFE_SUMS[1]:
            return torch.matmul(weights, value).div_(sums)
    return functional.scaled_dot_product_attention(query, key, value, scale=math.log(2.0))
