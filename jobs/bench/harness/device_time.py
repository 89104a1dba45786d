"""How much of the time a device computes, from torch's profiler: the union of its kernels' intervals.

Kernels are seen whichever thread launched them. On a CPU operators stand in for kernels, but only those of the calling
thread are seen, so that there the share of a job, whose stages are threads, is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch._C._autograd import DeviceType
from torch.profiler import ProfilerActivity, profile


@dataclass
class Busy:
    """`share` is the busy share of the time from the first kernel to the last, between 0 and 1; None without any."""

    share: float | None = None


@contextmanager
def busy_share(device: str) -> Iterator[Busy]:
    """Watch `device` (cuda or cpu) while the block runs; the share is known when it ends."""
    cuda = device == "cuda"
    found = Busy()
    with profile(activities=[ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU], acc_events=True) as profiler:
        yield found
    kind = DeviceType.CUDA if cuda else DeviceType.CPU
    events = [event for event in profiler.events() or () if event.device_type == kind]
    found.share = covered_share([(event.time_range.start, event.time_range.end) for event in events])


def covered_share(intervals: Iterable[tuple[float, float]]) -> float | None:
    """The share of the time between the earliest start and the latest end that lies in at least one interval."""
    ordered = sorted(intervals)
    if not ordered:
        return None
    first, reached, covered = ordered[0][0], ordered[0][0], 0.0
    for start, end in ordered:
        covered += max(end - max(start, reached), 0.0)
        reached = max(reached, end)
    return covered / (reached - first) if reached > first else 1.0
