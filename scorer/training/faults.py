"""What may go wrong with disk and memory while a network learns, as errors of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from scorer.classifier.device import memory_errors
from scorer.classifier.forward import DeviceOutOfMemory
from scorer.errors import DeviceError, from_os_error

_SMALLER = "try a smaller --batch-size with --gradient-accumulation, --eval-batch-size or --max-length"


@contextmanager
def storage_errors() -> Iterator[None]:
    """An OSError within becomes the error of ours that it is."""
    try:
        yield
    except OSError as error:
        raise from_os_error(error) from error


@contextmanager
def exhaustion_told(advice: str = _SMALLER) -> Iterator[None]:
    """Memory that is exhausted within, of a GPU or of this process, is a DeviceError that gives the `advice`."""
    try:
        with memory_errors():
            yield
    except DeviceOutOfMemory as error:
        raise DeviceError(f"memory is exhausted; {advice}") from error
