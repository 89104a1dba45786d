"""How long a device computes, from torch's profiler: the union of its kernels' intervals.

Kernels are seen whichever thread launched them. On a CPU operators stand in for kernels, but only those of the calling
thread are seen, so that there the time of a job, whose stages are threads, is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from torch._C._autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

# What the profiler calls copies and fills.
_COPIES = ("Memcpy", "Memset")


@dataclass
class Busy:
    """When at least one kernel was running: `intervals` (start, end) in seconds, in any order."""

    intervals: list[tuple[float, float]] = field(default_factory=list)

    def seconds(self, *, last: float = float("inf")) -> float:
        """How long, within the `last` seconds before the end of the last kernel."""
        begin = max((end for _, end in self.intervals), default=0.0) - last
        return covered((max(start, begin), end) for start, end in self.intervals if end > begin)


@contextmanager
def busy_time(device: str) -> Iterator[Busy]:
    """Watch `device` (cuda or cpu) while the block runs; what is found is there when it ends. Copies are no kernels."""
    cuda = device == "cuda"
    found = Busy()
    with profile(activities=[ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU], acc_events=True) as profiler:
        yield found
    kind = DeviceType.CUDA if cuda else DeviceType.CPU
    found.intervals += [
        (event.time_range.start / 1e6, event.time_range.end / 1e6)
        for event in profiler.events() or ()
        if event.device_type == kind and not event.name.startswith(_COPIES)
    ]


def covered(intervals: Iterable[tuple[float, float]]) -> float:
    """How much lies in at least one of the `intervals` (start, end)."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        total += max(end - max(start, reached), 0.0)
        reached = max(reached, end)
    return total
