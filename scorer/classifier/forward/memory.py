"""The memory of a device: the way of a batch's arrays there, and how it is told that there is no more of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from scorer.classifier.forward import DeviceOutOfMemory

_EXHAUSTED = ("not enough memory", "can't allocate memory", "out of memory", "ALLOC_FAILED")


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
