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
    """x (rows, in) to activation(x weight^T + bias) (rows, out)."""

    def __call__(self, x: Tensor, /) -> Tensor: ...


class LinearOnto(Protocol):
    """x (rows, in) to base + x weight^T + bias, `base` and result (rows, out)."""

    def __call__(self, x: Tensor, base: Tensor, /) -> Tensor: ...


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

    def norm(self, norm: nn.LayerNorm) -> nn.LayerNorm:
        """`norm` for inputs in `dtype`. Only a CPU takes its weights in fp32 beside those."""
        return self.exact.module(norm) if self.device.type == "cpu" else self.module(norm)

    def linear(self, dense: Dense, *, activation: str = "none") -> Linear:
        """`dense`, followed by `activation` (none, gelu or relu)."""
        weight, bias = self.tensor(dense.weight), self.tensor(dense.bias)
        if self._packs:
            return _packed(weight, bias, activation)
        if activation == "gelu":
            return lambda x: functional.gelu(functional.linear(x, weight, bias))
        if activation == "relu":
            return lambda x: functional.relu(functional.linear(x, weight, bias))
        return lambda x: functional.linear(x, weight, bias)

    def linear_onto(self, dense: Dense) -> LinearOnto:
        """`dense`, added to something; where oneDNN multiplies, before the sum is rounded."""
        weight, bias = self.tensor(dense.weight), self.tensor(dense.bias)
        if self._packs:
            return _packed_onto(weight, bias)
        return lambda x, base: base + functional.linear(x, weight, bias)

    @property
    def _packs(self) -> bool:
        # oneDNN packs fp16 on the newest processors only, and refuses it on the others.
        return self.device.type == "cpu" and self.dtype != torch.float16


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
    return lambda x: product(x, packed, bias, activation, [], algorithm)


def _packed_onto(weight: Tensor, bias: Tensor) -> LinearOnto:
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, _PACKED_FOR_ROWS)
    product = torch.ops.mkldnn._linear_pointwise.binary
    return lambda x, base: product(x, base, packed, bias, "add")
