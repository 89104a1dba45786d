"""Weights where they are used: on their device, in their precision, in the layout that multiplies fastest there.

Owns the choice between oneDNN's prepacked matrix products (CPU) and plain ones (GPU, fp16). Knows no model.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from scorer.classifier.forward.bert_family import Dense

Module = TypeVar("Module", bound=nn.Module)
# The number of rows that weights are packed for; other numbers are multiplied correctly, and as fast.
_PACKED_FOR_ROWS = 4096


class Linear(Protocol):
    """x (rows, in), of any precision, to activation(x weight^T + bias) (rows, out) in the weight's precision."""

    def __call__(self, x: Tensor, /) -> Tensor: ...


@dataclass(frozen=True)
class Place:
    """A device and a precision, to which copies of weights are brought."""

    device: torch.device
    dtype: torch.dtype

    @property
    def exact(self) -> Place:
        """The same device in fp32."""
        return Place(self.device, torch.float32)

    def tensor(self, tensor: Tensor) -> Tensor:
        return tensor.detach().to(device=self.device, dtype=self.dtype).contiguous()

    def module(self, module: Module) -> Module:
        placed: Module = copy.deepcopy(module).to(device=self.device, dtype=self.dtype).eval()
        return placed

    def linear(self, dense: Dense, *, activation: str = "none") -> Linear:
        """`dense`, followed by `activation` (none, gelu or relu)."""
        weight, bias = self.tensor(dense.weight), self.tensor(dense.bias)
        # oneDNN packs fp16 on the newest processors only, and refuses it on the others.
        if self.device.type == "cpu" and self.dtype != torch.float16:
            return _packed(weight, bias, activation)
        if activation == "gelu":
            return lambda x: functional.gelu(functional.linear(x.to(weight.dtype), weight, bias))
        if activation == "relu":
            return lambda x: functional.relu(functional.linear(x.to(weight.dtype), weight, bias))
        return lambda x: functional.linear(x.to(weight.dtype), weight, bias)


def joined(*parts: Dense) -> Dense:
    """One product that computes several of the same input side by side."""
    return Dense(torch.cat([part.weight for part in parts]), torch.cat([part.bias for part in parts]))


def scaled(dense: Dense, factor: float) -> Dense:
    """`dense` with its output multiplied by `factor`."""
    return Dense(dense.weight * factor, dense.bias * factor)


# torch.compile's own operators on the CPU: the public functional.linear packs the weights again at every call, and its
# fp32 product is not oneDNN's.


def _packed(weight: Tensor, bias: Tensor, activation: str) -> Linear:
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, _PACKED_FOR_ROWS)
    algorithm = "none" if activation == "gelu" else ""
    product = torch.ops.mkldnn._linear_pointwise.default
    return lambda x: product(x.to(weight.dtype), packed, bias, activation, [], algorithm)
