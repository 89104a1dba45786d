"""How long a device computes, from torch's profiler: the union of its kernels' intervals.

Kernels are seen whichever thread launched them. On a CPU operators stand in for kernels, but only those of the calling
thread are seen, so that there the time of a job, whose stages are threads, is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch._C._autograd import DeviceType
from torch.profiler import ProfilerActivity, profile


@dataclass
class Busy:
    """`seconds` in which at least one kernel was running."""

    seconds: float = 0.0


@contextmanager
def busy_time(device: str) -> Iterator[Busy]:
    """Watch `device` (cuda or cpu) while the block runs; the seconds are known when it ends."""
    cuda = device == "cuda"
    found = Busy()
    with profile(activities=[ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU], acc_events=True) as profiler:
        yield found
    kind = DeviceType.CUDA if cuda else DeviceType.CPU
    events = [event for event in profiler.events() or () if event.device_type == kind]
    found.seconds = covered((event.time_range.start, event.time_range.end) for event in events) / 1e6


def covered(intervals: Iterable[tuple[float, float]]) -> float:
    """How much lies in at least one of the `intervals` (start, end)."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        total += max(end - max(start, reached), 0.0)
        reached = max(reached, end)
    return total
