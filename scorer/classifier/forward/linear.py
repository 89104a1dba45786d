"""Weights where they are used: on their device, in their precision, in the layout that multiplies fastest there.

On a CPU a matrix is packed for oneDNN where this torch can do that; everywhere else products are plain.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from scorer.classifier.forward.bert_family import Dense
from scorer.classifier.torch_internals import PackedWeight, packs_weights

Module = TypeVar("Module", bound=nn.Module)


class Linear(Protocol):
    """x (rows, in) to activation(x weight^T + bias) (rows, out)."""

    def __call__(self, x: Tensor, /) -> Tensor: ...


class LinearOnto(Protocol):
    """x (rows, in) to base + x weight^T + bias, `base` and result (rows, out)."""

    def __call__(self, x: Tensor, base: Tensor, /) -> Tensor: ...


@dataclass(frozen=True)
class DeviceDtype:
    """A device and a dtype, to which copies of weights are brought."""

    device: torch.device
    dtype: torch.dtype

    @property
    def exact(self) -> DeviceDtype:
        """The same device in fp32."""
        return DeviceDtype(self.device, torch.float32)

    @property
    def head_multiple(self) -> int:
        """What the width of an attention head should be a multiple of: on a GPU, kernels that take a mask need 8."""
        return 8 if self.device.type == "cuda" else 1

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
            return PackedWeight.of(weight, bias).product(activation)
        if activation == "gelu":
            return lambda x: functional.gelu(functional.linear(x, weight, bias))
        if activation == "relu":
            return lambda x: functional.relu(functional.linear(x, weight, bias))
        return lambda x: functional.linear(x, weight, bias)

    def linear_onto(self, dense: Dense) -> LinearOnto:
        """`dense`, added to something; where oneDNN multiplies, before the sum is rounded."""
        weight, bias = self.tensor(dense.weight), self.tensor(dense.bias)
        if self._packs:
            return PackedWeight.of(weight, bias).product_onto()
        return lambda x, base: base + functional.linear(x, weight, bias)

    @property
    def _packs(self) -> bool:
        return self.device.type == "cpu" and packs_weights(self.dtype)


def side_by_side(*parts: Dense) -> Dense:
    """One product that computes several of the same input side by side."""
    return Dense(torch.cat([part.weight for part in parts]), torch.cat([part.bias for part in parts]))


def multiplied(dense: Dense, factor: float) -> Dense:
    """`dense` with its output multiplied by `factor`."""
    return Dense(dense.weight * factor, dense.bias * factor)


def with_wider_heads(dense: Dense, heads: int, *, multiple: int) -> Dense:
    """`dense` (heads * width, in) with every head's width filled up with zeros to a multiple."""
    weight = _widened(dense.weight.view(heads, -1, dense.weight.shape[1]), 1, multiple).flatten(0, 1)
    return Dense(weight, _widened(dense.bias.view(heads, -1), 1, multiple).flatten())


def from_wider_heads(dense: Dense, heads: int, *, multiple: int) -> Dense:
    """`dense` (out, heads * width) for inputs whose heads were filled up to a multiple, with zeros for what is new."""
    weight = _widened(dense.weight.view(dense.weight.shape[0], heads, -1), 2, multiple).flatten(1, 2)
    return Dense(weight, dense.bias)


def _widened(tensor: Tensor, axis: int, multiple: int) -> Tensor:
    """`tensor` with zeros behind it along `axis`, up to a multiple."""
    missing = -tensor.shape[axis] % multiple
    return functional.pad(tensor, (0, 0) * (tensor.ndim - 1 - axis) + (0, missing)) if missing else tensor
