"""Weights where they are used: on their device, in their precision, in the layout that multiplies fastest there.

On a CPU a matrix is packed for oneDNN where this torch can do that; everywhere else products are plain.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from scorer.classifier.forward.bert_family import Dense
from scorer.classifier.torch_internals import (
    PackedWeight,
    attends_ragged,
    fuses_gelu,
    gelu_product,
    packs_weights,
    ragged_attention,
)

Module = TypeVar("Module", bound=nn.Module)


class RaggedAttention(Protocol):
    """Attention over sequences one behind the other, as `torch_internals.ragged_attention` computes it."""

    def __call__(
        self, query: Tensor, key: Tensor, value: Tensor, offsets: Tensor, longest: int, window: int | None = None
    ) -> Tensor: ...


# Kernels of a GPU that take a mask, and flash attention, want heads as wide as a multiple of this.
_HEADS_ON_GPU = 8


class Linear(Protocol):
    """x (rows, in) to activation(x weight^T + bias) (rows, out)."""

    def __call__(self, x: Tensor, /) -> Tensor: ...


class LinearOnto(Protocol):
    """x (rows, in) to base + x weight^T + bias, `base` and result (rows, out); the result may take the place of
    `base`."""

    def __call__(self, x: Tensor, base: Tensor, /) -> Tensor: ...


@dataclass(frozen=True)
class DeviceDtype:
    """A device and a dtype, to which copies of weights are brought, and how products and attention are computed there.

    head_multiple  the width of attention heads is filled up to a multiple of this
    folds          biases of products that are added to something belong to the norms before (see `folding`)
    gelu           its exact form, or the one by tanh, which a GPU computes with the product before it
    ragged         attention without padding, or None where sequences are padded to one length
    nearby         the same of places that see those near them alone
    """

    device: torch.device
    dtype: torch.dtype
    head_multiple: int = 1
    folds: bool = False
    gelu: Literal["exact", "tanh"] = "exact"
    ragged: RaggedAttention | None = None
    nearby: RaggedAttention | None = None

    @classmethod
    def best(cls, device: torch.device, dtype: torch.dtype, *, head_width: int) -> DeviceDtype:
        """What is fastest on `device` for attention heads of `head_width`, as far as this torch has it."""
        if device.type != "cuda":
            return cls(device, dtype)
        multiple, half = _HEADS_ON_GPU, dtype != torch.float32
        width = -(-head_width // multiple) * multiple
        return cls(
            device,
            dtype,
            head_multiple=multiple,
            folds=True,
            gelu="tanh" if half and fuses_gelu(device, dtype) else "exact",
            ragged=ragged_attention if half and attends_ragged(device, dtype, width) else None,
            nearby=ragged_attention if half and attends_ragged(device, dtype, width, window=2) else None,
        )

    @property
    def exact(self) -> DeviceDtype:
        """The same device in fp32."""
        return replace(self, dtype=torch.float32, gelu="exact", ragged=None, nearby=None)

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
        weight, bias = self.tensor(dense.weight), self.tensor(_bias_of(dense))
        if self.gelu == "tanh" and activation == "gelu":
            if self.device.type == "cuda":
                return gelu_product(weight, bias)
            return lambda x: functional.gelu(functional.linear(x, weight, bias), approximate="tanh")
        if self._packs:
            return PackedWeight.of(weight, bias).product(activation)
        if activation == "gelu":
            return lambda x: functional.gelu(functional.linear(x, weight, bias))
        if activation == "relu":
            return lambda x: functional.relu(functional.linear(x, weight, bias))
        return lambda x: functional.linear(x, weight, bias)

    def linear_onto(self, dense: Dense) -> LinearOnto:
        """`dense`, added to something: where oneDNN multiplies, or where the bias is folded, before the sum is
        rounded."""
        weight = self.tensor(dense.weight)
        if dense.bias is None:
            transposed = weight.t()
            return lambda x, base: base.addmm_(x, transposed)
        bias = self.tensor(dense.bias)
        if self._packs:
            return PackedWeight.of(weight, bias).product_onto()
        return lambda x, base: base + functional.linear(x, weight, bias)

    @property
    def _packs(self) -> bool:
        return self.device.type == "cpu" and packs_weights(self.dtype)


def side_by_side(*parts: Dense) -> Dense:
    """One product that computes several of the same input side by side."""
    return Dense(torch.cat([part.weight for part in parts]), torch.cat([_bias_of(part) for part in parts]))


def multiplied(dense: Dense, factor: float) -> Dense:
    """`dense` with its output multiplied by `factor`."""
    return Dense(dense.weight * factor, _bias_of(dense) * factor)


def with_wider_heads(dense: Dense, heads: int, *, multiple: int) -> Dense:
    """`dense` (heads * width, in) with every head's width filled up with zeros to a multiple."""
    weight = _widened(dense.weight.view(heads, -1, dense.weight.shape[1]), 1, multiple).flatten(0, 1)
    return Dense(weight, _widened(_bias_of(dense).view(heads, -1), 1, multiple).flatten())


def from_wider_heads(dense: Dense, heads: int, *, multiple: int) -> Dense:
    """`dense` (out, heads * width) for inputs whose heads were filled up to a multiple, with zeros for what is new."""
    weight = _widened(dense.weight.view(dense.weight.shape[0], heads, -1), 2, multiple).flatten(1, 2)
    return Dense(weight, dense.bias)


def _bias_of(dense: Dense) -> Tensor:
    return dense.weight.new_zeros(len(dense.weight)) if dense.bias is None else dense.bias


def _widened(tensor: Tensor, axis: int, multiple: int) -> Tensor:
    """`tensor` with zeros behind it along `axis`, up to a multiple."""
    missing = -tensor.shape[axis] % multiple
    return functional.pad(tensor, (0, 0) * (tensor.ndim - 1 - axis) + (0, missing)) if missing else tensor
