"""The device and the arithmetic: what `auto` means on this machine.

Owns the choice only. Does not know models.
"""

from __future__ import annotations

import os
import re

import torch

from scorer.config import Precision
from scorer.errors import DeviceError, UsageError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# oneDNN's own cache holds what the batches in flight use again in every layer; torch's, one a thread, need hold little.
_KEPT_KERNELS = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "128", "LRU_CACHE_CAPACITY": "32"}


def choose_device(name: str) -> torch.device:
    """`auto` (the first CUDA device, else the CPU), `cpu`, `cuda` or `cuda:N`; DeviceError when it is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise UsageError(f"--device {name}: expected auto, cpu, cuda or cuda:N")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"--device {name}: this machine has {torch.cuda.device_count()} CUDA devices; try --device cpu"
        )
    return device


def choose_precision(precision: Precision, device: torch.device) -> str:
    """`fp32`, `bf16` or `fp16`: for `auto`, half precision where the device computes faster in it."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "fp16"
    return "bf16" if cpu_has_bf16() else "fp32"


def bound_kernel_caches() -> None:
    """Keep few of the kernels that the CPU library generates for each shape; before the first forward pass.

    Nearly every batch has a shape of its own. By default two times 1,024 kernels are kept for a use that hardly comes:
    several hundred MiB, which grow with the file. Who has set the variables keeps their values.
    """
    for name, kept in _KEPT_KERNELS.items():
        os.environ.setdefault(name, kept)


def use_kernels_without_plans(device: torch.device) -> None:
    """Let attention on a GPU be computed by kernels that take any shape at once.

    cuDNN's, which newer versions of torch prefer, are planned anew for every shape and thread, which takes longer than
    the batch. The setting is the process's.
    """
    if device.type == "cuda":
        torch.backends.cuda.enable_cudnn_sdp(False)


def cpu_has_bf16() -> bool:
    """Whether the processor multiplies bf16 matrices in hardware (AVX512-BF16 or AMX)."""
    # torch.cpu.get_capabilities says both, but only from torch 2.13 on.
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
