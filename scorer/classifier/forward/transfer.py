"""The way of a batch's arrays to the device, which the thread that prepares the batch does not wait for on a GPU."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def to_device(array: NDArray[Any], device: torch.device) -> Tensor:
    """`array` on `device`, there when the calling thread's stream comes to whatever uses it.

    A GPU copies from pinned memory without a stop of the caller. torch keeps such memory, in powers of two, and gives a
    piece to nobody else before the stream that copied from it has done so (ATen/core/CachingHostAllocator.h): neither
    its allocation, which is slow, nor its lifetime is a concern here.
    """
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
