"""Self-attention over packed sequences: no padding, no mask.

Sequences of equal length stand side by side in a packed batch (a run), and attend as one dense block. Owns the runs and
the choice of kernel by length. Knows no weights: queries arrive scaled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

# Up to this length three plain products beat the fused kernel on a CPU, whose cost a sequence and head is fixed.
_PLAIN_LENGTH = 160


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


def attend(qkv: Tensor, runs: list[Run], *, heads: int) -> Tensor:
    """Every token attends to its sequence: qkv (tokens, 3 * hidden) to context (tokens, hidden)."""
    hidden = qkv.shape[1] // 3
    context = qkv.new_empty(qkv.shape[0], hidden)
    for run in runs:
        block = qkv[run.tokens].view(run.rows, run.length, 3, heads, hidden // heads).permute(2, 0, 3, 1, 4)
        into = context[run.tokens].view(run.rows, run.length, heads, hidden // heads)
        into.copy_(_attention(block[0], block[1], block[2]).transpose(1, 2))
    return context


def attend_first(query: Tensor, kv: Tensor, runs: list[Run], *, heads: int) -> Tensor:
    """Only first tokens attend: query (n, hidden), kv (tokens, 2 * hidden) to context (n, hidden)."""
    n, hidden = query.shape
    context = query.new_empty(n, hidden)
    for run in runs:
        keys, values = kv[run.tokens].view(run.rows, run.length, 2, heads, hidden // heads).permute(2, 0, 3, 1, 4)
        first = query[run.sequences].view(run.rows, heads, 1, hidden // heads)
        context[run.sequences] = _attention(first, keys, values).reshape(run.rows, hidden)
    return context


def _attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(query key^T) value over (rows, heads, tokens, head width)."""
    if query.device.type != "cpu" or key.shape[2] > _PLAIN_LENGTH:
        return functional.scaled_dot_product_attention(query, key, value, scale=1.0)
    return torch.matmul(torch.softmax(torch.matmul(query, key.transpose(2, 3)), dim=-1), value)
