"""The one door to names that torch promises to nobody: each is tried before it is used, and can be done without.

A version of torch that lacks one of them, or in which it computes something else, gives the same answers more slowly.
`tests/test_private_names.py` finds any other private name of an outside library in this package.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from scorer.classifier.execution import Machine

# The number of rows that weights are packed for; other numbers are multiplied correctly, and as fast.
_PACKED_FOR_ROWS = 4096


@dataclass(frozen=True)
class PackedWeight:
    """A weight (out, in) in the layout that oneDNN multiplies fastest, with its bias (out,).

    These are torch.compile's own operators on the CPU. The public functional.linear packs the weight again at every
    call, and its fp32 product is not oneDNN's.
    """

    weight: Tensor
    bias: Tensor

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor) -> PackedWeight:
        return cls(torch.ops.mkldnn._reorder_linear_weight(weight, _PACKED_FOR_ROWS), bias)

    def product(self, activation: str) -> Callable[[Tensor], Tensor]:
        """x (rows, in) to activation(x weight^T + bias) (rows, out); none, gelu or relu."""
        operator: Any = torch.ops.mkldnn._linear_pointwise.default
        packed, bias, algorithm = self.weight, self.bias, "none" if activation == "gelu" else ""
        return lambda x: operator(x, packed, bias, activation, [], algorithm)

    def product_onto(self) -> Callable[[Tensor, Tensor], Tensor]:
        """x (rows, in) and base (rows, out) to base + x weight^T + bias, rounded once."""
        operator: Any = torch.ops.mkldnn._linear_pointwise.binary
        packed, bias = self.weight, self.bias
        return lambda x, base: operator(x, base, packed, bias, "add")


@functools.cache
def packs_weights(dtype: torch.dtype) -> bool:
    """Whether `PackedWeight` works in this torch, on this CPU and in `dtype`: a small product of each kind is compared.

    A torch without oneDNN has no such operators. oneDNN refuses fp16 but on the newest processors, where a plain
    product is as fast.
    """
    if dtype == torch.float16:
        return False
    numbers = torch.linspace(-1.0, 1.0, 8 * 4 + 3 * 8).to(dtype)
    weight, x = numbers[: 8 * 4].view(8, 4), numbers[: 3 * 4].view(3, 4)
    bias, base = numbers[:8], numbers[8 * 4 :].view(3, 8)
    plain = functional.linear(x, weight, bias)
    expected = (plain, functional.gelu(plain), functional.relu(plain), base + plain)
    try:
        packed = PackedWeight.of(weight, bias)
        found = (*(packed.product(name)(x) for name in ("none", "gelu", "relu")), packed.product_onto()(x, base))
        return all(torch.allclose(*pair, rtol=0.0, atol=0.05) for pair in zip(found, expected, strict=True))
    except (AttributeError, RuntimeError, TypeError):  # not there, not for this processor, or other arguments
        return False


def cpu_has_bf16(machine: Machine | None = None) -> bool:
    """Whether the processor multiplies bf16 matrices in hardware (AVX512-BF16 or AMX).

    torch says so itself from 2.13 on, and under private names before. Else the files of the `machine` tell, by default
    this one's.
    """
    capabilities = getattr(torch.cpu, "get_capabilities", None)
    if capabilities is not None:
        known = capabilities()
        return bool(known.get("avx512_bf16") or known.get("amx_tile"))
    checks = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    if all(checks):
        return any(check() for check in checks if check is not None)
    return bool((machine or Machine()).has_bf16)
