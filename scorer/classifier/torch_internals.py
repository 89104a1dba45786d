"""The one door to names that torch promises to nobody: each is tried before it is used, and can be done without.

A version of torch that lacks one of them, or in which it computes something else, gives the same answers more slowly.
`tests/test_private_names.py` finds any other private name of an outside library in this package.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from scorer.classifier.execution import Machine

# The number of rows that weights are packed for; other numbers are multiplied correctly, and as fast.
_PACKED_FOR_ROWS = 4096
# Queries come multiplied by log2(e); see forward/attention.py.
_LN_2 = math.log(2.0)


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


def gelu_product(weight: Tensor, bias: Tensor) -> Callable[[Tensor], Tensor]:
    """x (rows, in) to gelu(x weight^T + bias) (rows, out): on a GPU one kernel, with the tanh form of gelu."""
    transposed = weight.t()
    operator: Any = torch._addmm_activation
    return lambda x: operator(bias, x, transposed, use_gelu=True)


def efficient_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(ln(2) query key^T) value over (rows, heads, positions, width), with the memory-efficient kernel of a GPU.

    Its tiles are smaller than those of flash attention, which torch would take, so fewer places of short texts are
    computed in vain. The public way to ask for it, `torch.nn.attention.sdpa_kernel`, is a switch of all threads.
    """
    operator: Any = torch.ops.aten._scaled_dot_product_efficient_attention
    result: Tensor = operator(query, key, value, None, False, 0.0, False, scale=_LN_2)[0]
    return result


def ragged_attention(
    query: Tensor, key: Tensor, value: Tensor, offsets: Tensor, longest: int, window: int | None = None
) -> Tensor:
    """The same over sequences one behind the other: three times (tokens, heads, width) to (tokens, heads, width), in
    half precision on a GPU. Sequence i is offsets[i]:offsets[i + 1], int32 on the device, at most `longest` tokens.
    With a `window`, a place sees those alone that are no farther away."""
    operator: Any = torch.ops.aten._flash_attention_forward
    sizes = (offsets, offsets, longest, longest)
    sides = {} if window is None else {"window_size_left": window, "window_size_right": window}
    result: Tensor = operator(query, key, value, *sizes, 0.0, False, False, scale=_LN_2, **sides)[0]
    return result


@functools.cache
def fuses_gelu(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether `gelu_product` works in this torch on `device`: a small product is compared."""
    numbers = torch.linspace(-2.0, 2.0, 3 * 16 * 16, device=device).view(3, 16, 16)
    weight, x, bias = (part.to(dtype) for part in (numbers[0], numbers[1], numbers[2, 0]))
    expected = functional.gelu(functional.linear(x, weight, bias), approximate="tanh")
    return _gives(lambda: gelu_product(weight, bias)(x), expected)


@functools.cache
def attends_efficiently(device: torch.device, dtype: torch.dtype, width: int) -> bool:
    """Whether `efficient_attention` works in this torch on `device`, for heads of `width`."""
    query, key, value = _heads(device, dtype, (3, 2, 2, 5, width)).unbind()
    expected = functional.scaled_dot_product_attention(query, key, value, scale=_LN_2)
    return _gives(lambda: efficient_attention(query, key, value), expected)


@functools.cache
def attends_ragged(device: torch.device, dtype: torch.dtype, width: int, window: int | None = None) -> bool:
    """Whether `ragged_attention` works in this torch on `device` (from compute capability 8.0 on), for heads of
    `width`, with a `window` if one is given."""
    lengths = (5, 1, 9)
    query, key, value = _heads(device, dtype, (3, sum(lengths), 2, width)).unbind()
    offsets = torch.tensor([0, 5, 6, 15], dtype=torch.int32, device=device)
    expected = torch.empty_like(query)
    for first, stop in ((0, 5), (5, 6), (6, 15)):
        row = [whole[first:stop].transpose(0, 1) for whole in (query, key, value)]
        places = torch.arange(stop - first, device=device)
        seen = None if window is None else (places[:, None] - places).abs() <= window
        alone = functional.scaled_dot_product_attention(row[0], row[1], row[2], attn_mask=seen, scale=_LN_2)
        expected[first:stop] = alone.transpose(0, 1)
    return _gives(lambda: ragged_attention(query, key, value, offsets, max(lengths), window), expected)


def _heads(device: torch.device, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    """Numbers between -1 and 1 for a trial of attention, no two rows alike."""
    return torch.arange(math.prod(shape), device=device).mul(0.7).sin().view(shape).to(dtype)


def _gives(trial: Callable[[], Tensor], expected: Tensor) -> bool:
    """Whether `trial` gives about what is `expected`, and neither is refused nor missing."""
    try:
        found = trial()
        return found.shape == expected.shape and torch.allclose(found.float(), expected.float(), rtol=0.0, atol=0.05)
    except (AttributeError, RuntimeError, TypeError):  # not there, not for this device, or other arguments
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
