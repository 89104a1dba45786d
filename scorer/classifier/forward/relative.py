"""Self-attention that adds to its scores what two places say to each other by their distance alone, as in DeBERTa.

With q, k the queries and keys of places i, j, and K, Q those of their distance i - j, a score is q.k + q.K + Q.k (He et
al. 2021, "DeBERTa: Decoding-enhanced BERT with Disentangled Attention", equation 4). A batch of sequences of n tokens
has 2 n - 1 distances. Products with those alone, a row for each place, hold what is added one beside the other, a place
further right in each row: it is looked at askew, and nothing is gathered.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from scorer.classifier.forward.attention import SAFE_SUMS, PaddedShape

Distances = Callable[[int], Tensor]
"""n to the rows (2 n - 1,) int64 of a table that the distances -(n - 1) to n - 1 have."""

# So many scores of one kind stay in a CPU's caches until they are used.
_SCORES_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class RelativeAttention:
    """Attention of so many heads with `keys` and `queries` of distances, each (heads, rows of the table, width) or None
    where nothing of the kind is added. Queries, also those of distances, come multiplied by `query_scale`."""

    distances: Distances
    keys: Tensor | None
    queries: Tensor | None
    heads: int

    def attend(self, qkv: Tensor, shape: PaddedShape) -> Tensor:
        """qkv (rows * length, 3 * hidden) to context (rows * length, hidden), as `attention.attend`."""
        length = shape.length
        distances = self.distances(length).to(qkv.device)
        keys = None if self.keys is None else self.keys[:, distances.flip(0)]
        queries = None if self.queries is None else self.queries[:, distances]
        parts = qkv.view(shape.rows, length, 3, self.heads, -1).permute(2, 3, 0, 1, 4)
        context = qkv.new_empty(shape.rows, length, self.heads, parts.shape[-1])
        at_once = shape.rows
        if qkv.device.type == "cpu":
            at_once = max(_SCORES_AT_ONCE // (self.heads * length**2), 1)
        for first in range(0, shape.rows, at_once):
            rows = slice(first, first + at_once)
            query, key, value = parts[:, :, rows]
            found = _attention(query, key, value, keys, queries, shape.take(rows))
            context[rows] = found.permute(1, 2, 0, 3)
        return context.view(len(qkv), -1)

    def attend_first(self, query: Tensor, kv: Tensor, shape: PaddedShape) -> Tensor:
        """First tokens alone attend: query (rows, heads * width) and kv (rows * length, 2 * heads * width) to context
        (rows, heads * width)."""
        distances = self.distances(shape.length)[: shape.length].flip(0).to(query.device)
        own = query.view(shape.rows, self.heads, 1, -1)
        key, value = kv.view(shape.rows, shape.length, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        # k.(q + Q), then q.K
        scores = (key * (own if self.queries is None else own + self.queries[:, distances])).sum(dim=-1)
        if self.keys is not None:
            by_head = query.view(shape.rows, self.heads, -1).transpose(0, 1)
            scores += torch.bmm(by_head, self.keys[:, distances].transpose(1, 2)).transpose(0, 1)
        scores = scores.float().mul_(math.log(2.0))
        if shape.whole_mask is not None:
            scores.masked_fill_(~shape.whole_mask.squeeze(1), -torch.inf)
        weights = torch.softmax(scores, dim=-1).to(value.dtype)
        return torch.matmul(weights.unsqueeze(2), value).reshape(shape.rows, -1)


def _attention(
    query: Tensor, key: Tensor, value: Tensor, keys: Tensor | None, queries: Tensor | None, shape: PaddedShape
) -> Tensor:
    """softmax(ln(2) scores) value over (heads, rows, positions, width)."""
    if query.device.type != "cpu":
        bias = _by_distance(query, key, keys, queries)
        if shape.whole_mask is not None:
            bias = bias.masked_fill(~shape.whole_mask.transpose(0, 1), -torch.inf)
        return functional.scaled_dot_product_attention(
            query, key, value, attn_mask=bias * math.log(2.0), scale=math.log(2.0)
        )
    # As in `attention`: without the softmax's maximum, if the sums are such that it is not needed.
    weights = _scores(query, key, keys, queries).exp2_()
    if shape.mask is not None:
        weights[..., shape.shortest :].mul_(shape.mask.transpose(0, 1))
    sums = weights.sum(dim=-1, keepdim=True)
    smallest, largest = torch.aminmax(sums)
    if smallest > SAFE_SUMS[0] and largest < SAFE_SUMS[1]:
        return torch.matmul(weights, value).div_(sums)
    scores = _scores(query, key, keys, queries).mul_(math.log(2.0))
    if shape.whole_mask is not None:
        scores.masked_fill_(~shape.whole_mask.transpose(0, 1), -torch.inf)
    return torch.matmul(torch.softmax(scores, dim=-1), value)


def _scores(query: Tensor, key: Tensor, keys: Tensor | None, queries: Tensor | None) -> Tensor:
    """q.k + q.K + Q.k, (heads, rows, positions, positions)."""
    scores = torch.matmul(query, key.transpose(2, 3))
    if keys is not None:
        scores += _askew(query, keys)
    if queries is not None:
        scores += _askew(key, queries).transpose(2, 3)
    return scores


def _by_distance(query: Tensor, key: Tensor, keys: Tensor | None, queries: Tensor | None) -> Tensor:
    """q.K + Q.k."""
    added = query.new_zeros(*query.shape[:3], query.shape[2]) if keys is None else _askew(query, keys)
    return added if queries is None else added + _askew(key, queries).transpose(2, 3)


def _askew(x: Tensor, table: Tensor) -> Tensor:
    """x (heads, rows, n, width) by table (heads, 2 n - 1, width), where place i has its own n products, those from
    n - 1 - i on: (heads, rows, n, n), a view."""
    heads, rows, n, _ = x.shape
    wide = 2 * n - 1
    products = torch.bmm(x.flatten(1, 2), table.transpose(1, 2))
    return products.as_strided((heads, rows, n, n), (rows * n * wide, n * wide, wide - 1, 1), n - 1)


def distance_rows(length: int, *, buckets: int, farthest: int, rows: int) -> Tensor:
    """The rows that distances of -(length - 1) to length - 1 have in a table of so many `rows`, the smallest first.

    With `buckets`, near distances have a row each, and far ones up to `farthest` share some, the more the farther: half
    of the rows are spaced by logarithms, as DeBERTa-v2 was trained.
    """
    distances = torch.arange(1 - length, length)
    if buckets > 0 and farthest > 0:
        near = buckets // 2
        size = distances.abs().clamp(min=near - 1)
        steps = torch.log(size / near) / torch.log(torch.tensor((farthest - 1) / near)) * (near - 1)
        far = (torch.ceil(steps) + near) * distances.sign()
        distances = torch.where(size <= near, distances.to(far.dtype), far).to(torch.long)
    return distances.add(rows // 2).clamp(0, rows - 1)
