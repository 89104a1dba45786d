"""Exhausted memory, told apart from other errors of a forward pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

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
