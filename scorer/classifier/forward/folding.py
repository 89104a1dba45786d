"""Biases that are added to the residual, moved into the norm before it: the same numbers with fewer passes over them.

A layer adds h W^T + b to what its norm gave. If the norm adds b already, the product alone is added, in place. Every
other product of that norm's output, which then holds b too much, gets the bias c - V b in place of c. Exact, but for
rounding: in fp64 nothing differs by more than 2e-15.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
from torch import Tensor, nn

from scorer.classifier.forward.bert_family import BertFamily, Dense, Layer


def with_folded_biases(family: BertFamily) -> BertFamily:
    """`family` with no biases behind the attention and the feed-forward of its layers, but for the last one, which
    computes first tokens alone."""
    *body, last = family.layers
    if not body:
        return family
    added = [_bias(layer.attention_output) for layer in body]
    behind = [*added[1:], torch.zeros_like(added[0])]
    folded = [_folded(layer, *biases) for layer, *biases in zip(body, added, behind, strict=True)]
    layers = (*folded, last)
    if family.projection is not None:
        bias = _bias(family.projection) + added[0]
        return replace(family, layers=layers, projection=Dense(family.projection.weight, bias.float()))
    return replace(family, layers=layers, embedding_norm=_shifted(family.embedding_norm, added[0]))


def _folded(layer: Layer, before: Tensor, behind: Tensor) -> Layer:
    """`layer`, whose input holds `before` too much, and whose output is to hold `behind` too much."""
    inner = _bias(layer.feed_forward_out)
    return replace(
        layer,
        query=_without(layer.query, before),
        key=_without(layer.key, before),
        value=_without(layer.value, before),
        attention_output=Dense(layer.attention_output.weight, None),
        attention_norm=_shifted(layer.attention_norm, inner),
        feed_forward_in=_without(layer.feed_forward_in, inner),
        feed_forward_out=Dense(layer.feed_forward_out.weight, None),
        output_norm=_shifted(layer.output_norm, behind),
    )


def _without(dense: Dense, extra: Tensor) -> Dense:
    """`dense` for an input that holds `extra` too much."""
    bias = _bias(dense) - dense.weight.detach().double() @ extra
    return Dense(dense.weight, bias.to(dense.weight.dtype))


def _shifted(norm: nn.LayerNorm, extra: Tensor) -> nn.LayerNorm:
    """`norm` with `extra` added to what it gives."""
    shifted = copy.deepcopy(norm)
    shifted.bias.data = (norm.bias.detach().double() + extra).to(norm.bias.dtype)
    return shifted


def _bias(dense: Dense) -> Tensor:
    assert dense.bias is not None, "it was folded before; this is a bug"
    return dense.bias.detach().double()
