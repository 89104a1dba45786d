"""The device and the precision that a model is computed with: what `auto` means here, and whether a wish can be met.

Also how arrays get to the device, what it says when its memory is full, and which of its kernels are used.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scorer.classifier.forks import refuse_inherited_cuda, settle
from scorer.classifier.forward import DeviceOutOfMemory
from scorer.classifier.torch_internals import cpu_has_bf16
from scorer.config import Precision
from scorer.errors import DeviceError, UsageError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# Compute capabilities: the first that any current wheel has kernels for, and the first that all of them have.
_MAXWELL, _TURING = (5, 0), (7, 5)
# oneDNN's own cache holds what the batches in flight use again in every layer; torch's, one a thread, need hold little.
_KEPT_KERNELS = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "128", "LRU_CACHE_CAPACITY": "32"}
# What is said when memory is exhausted, where no exception of its own says it.
_EXHAUSTED = ("not enough memory", "can't allocate memory", "out of memory", "ALLOC_FAILED")


@dataclass(frozen=True)
class ChosenDevice:
    """A device; one of CUDA has its index. `concern` is what a person should be told about the choice, or None."""

    device: torch.device
    concern: str | None = None


def choose_device(name: str, *, index: int | None = None) -> ChosenDevice:
    """`auto` (a CUDA device, else the CPU), `cpu`, `cuda` or `cuda:N`.

    `auto` and `cuda` mean the CUDA device `index`, or the current one where no index is given. Each thread can have
    another current device, so the index is settled once, here. If the installed torch has no kernels for that device,
    `auto` means the CPU. UsageError for another name, and in a fork of a process that has used CUDA; DeviceError for a
    device that is not there, or that torch has no kernels for.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise UsageError(f"--device {name}: expected auto, cpu, cuda or cuda:N")
    settle()
    cpu = torch.device("cpu")
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return ChosenDevice(cpu)
    count = torch.cuda.device_count()
    numbered = name.partition(":")[2]
    if int(numbered or 0) >= count:
        raise DeviceError(f"--device {name}: this machine has {count} CUDA devices; try --device cpu")
    refuse_inherited_cuda(name)
    found = torch.device("cuda", int(numbered) if numbered else torch.cuda.current_device() if index is None else index)
    lack = _lack_of_kernels(found)
    if lack is None:
        return ChosenDevice(found)
    if name == "auto":
        return ChosenDevice(cpu, f"{lack}; the CPU is used instead")
    raise DeviceError(f"--device {name}: {lack}; or try --device cpu")


def gpu_count() -> int:
    """How many CUDA devices there are."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def choose_precision(precision: Precision, device: torch.device, *, own: str | None = None) -> str:
    """`fp32`, `bf16` or `fp16`: for `auto`, half precision where the device computes faster in it.

    On a GPU that is fp16, which rounds less than bf16. But a model whose `own` dtype is bfloat16 may have values that
    are too large for fp16, so it is computed in bf16 where the GPU can.
    """
    if precision != "auto":
        return precision
    if device.type != "cuda":
        return "bf16" if cpu_has_bf16() else "fp32"
    return "bf16" if own == "bfloat16" and has_bf16(device) else "fp16"


def has_bf16(device: torch.device) -> bool:
    """Whether a GPU computes in bf16 itself (from compute capability 8.0 on) and does not imitate it."""
    return torch.cuda.get_device_capability(device) >= (8, 0)


def _lack_of_kernels(device: torch.device) -> str | None:
    """What to say if the installed torch has no kernels for this CUDA device, else None."""
    capability, built_for = torch.cuda.get_device_capability(device), torch.cuda.get_arch_list()
    if _has_kernels(capability, built_for):
        return None
    major, minor = capability
    return (
        f"{torch.cuda.get_device_name(device)} has compute capability {major}.{minor}, for which the installed torch "
        f"{torch.__version__} has no kernels (it has {', '.join(built_for)}); {_remedy(capability)}"
    )


def _has_kernels(capability: tuple[int, int], built_for: list[str]) -> bool:
    """Whether code for `built_for`, such as sm_86 and compute_90, runs on a device of `capability`.

    A kernel for sm_XY runs on devices of capability X.Z where Z is at least Y. Code for compute_XY is compiled on the
    device, and runs on any of capability X.Y or higher. A name that ends with `a` is for devices of exactly this
    capability. Names in other forms are those of ROCm, which has its own check.
    """
    parsed = [re.fullmatch(r"(sm|compute)_(\d+)(\d)([a-z]?)", name) for name in built_for]
    kernels = [(found[1], (int(found[2]), int(found[3])), found[4]) for found in parsed if found]
    if not kernels:
        return True
    for kind, version, suffix in kernels:
        if suffix == "a":
            fits = version == capability
        else:
            fits = version <= capability and (kind == "compute" or version[0] == capability[0])
        if fits:
            return True
    return False


def _remedy(capability: tuple[int, int]) -> str:
    """The wheels that have kernels for `capability` (pytorch's RELEASE.md, "CUDA support matrix")."""
    index = "--index-url https://download.pytorch.org/whl/"
    if capability < _MAXWELL:
        return "no current torch has any"
    if capability < _TURING:
        return f"wheels for CUDA 12.6 have them up to torch 2.14: pip install 'torch<2.15' {index}cu126"
    return f"wheels for CUDA 12.8 and later have them: pip install torch {index}cu128"


def bound_kernel_caches() -> None:
    """Keep few of the kernels that the CPU library generates for each shape; before the first forward pass.

    Nearly every batch has a shape of its own, so a kernel is hardly ever used again. By default 2 x 1,024 of them are
    kept, which takes several hundred MiB. Variables that are set already keep their values.
    """
    for name, kept in _KEPT_KERNELS.items():
        os.environ.setdefault(name, kept)


def use_kernels_without_plans(device: torch.device) -> None:
    """Compute attention on a GPU with kernels that take any shape at once, in scoring as in training.

    Newer versions of torch prefer cuDNN's kernels. Those need a plan for every shape and thread, and a plan takes
    longer than the batch. With a mask they gave gradients that were no numbers at some lengths (pytorch#196678).
    """
    if device.type == "cuda":
        torch.backends.cuda.enable_cudnn_sdp(False)


@contextmanager
def memory_errors() -> Iterator[None]:
    """Raise DeviceOutOfMemory for what a device or its allocator says when memory is exhausted."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise DeviceOutOfMemory(str(error)) from error
    except RuntimeError as error:
        # The CPU's allocator has no exception of its own, nor have libraries on a GPU.
        if any(words in str(error) for words in _EXHAUSTED):
            raise DeviceOutOfMemory(str(error)) from error
        raise


def to_device(array: NDArray[Any], device: torch.device) -> Tensor:
    """`array` on `device`, there when the calling thread's stream comes to whatever uses it.

    A GPU copies from pinned memory without a stop of the caller. torch keeps such memory, in powers of two, and gives a
    piece to nobody else before the stream that copied from it has done so (ATen/core/CachingHostAllocator.h): neither
    its allocation, which is slow, nor its lifetime is a concern here.
    """
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


class DeviceQueue:
    """The work of one batch after another on `device`, of threads that prepare and fetch side by side.

    A GPU's kernels are issued to one stream, those of a batch together: it is then done before the next, whose threads
    need not wait. What a thread copied to the device before is there, since it was copied on the same stream.
    """

    def __init__(self, device: torch.device) -> None:
        self._on_gpu = device.type == "cuda"
        self._turn = Lock()

    def run(self, issue: Callable[[], Tensor]) -> NDArray[np.float32]:
        """What `issue` gives, as float32 in memory. It computes here, or issues to a GPU while no other thread does."""
        if not self._on_gpu:
            computed: NDArray[np.float32] = issue().float().numpy()
            return computed
        with self._turn:
            # The copy lies in pinned memory, and is whole when the event has come.
            result = issue().float().to("cpu", non_blocking=True)
            done = torch.cuda.Event(blocking=True)
            done.record()
        done.synchronize()
        fetched: NDArray[np.float32] = result.numpy()
        return fetched
