"""Batches side by side: on a CPU one a core, beside a GPU one that is prepared while another is computed.

Threads that share a batch wait for each other at every operation, and each other's place on a busy core; threads with a
batch each never do. Owns their number, the threads and the order of results. Does not know models or what a batch is.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

_ON_GPU = 2
# Batches that wait for each worker, so that none is idle while results are being kept.
_AHEAD = 2


def worker_count(device: torch.device, *, granted: float | None = None) -> int:
    """How many batches at once: on a CPU as many as torch would use threads (see OMP_NUM_THREADS, which has the last
    word), and no more than the cores that this process is `granted`, by its control groups where not given."""
    if device.type == "cuda":
        return _ON_GPU
    threads = torch.get_num_threads()
    if os.environ.get("OMP_NUM_THREADS"):
        return threads
    return math.ceil(min(threads, max(granted_cores() if granted is None else granted, 1)))


def granted_cores(groups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float:
    """As many cores as have the CPU time that the control groups (version 2) of this process leave it; infinity where
    they set no limit. A container that has such a quota sees all cores of the machine, as torch does.

    `groups` is where they are mounted, `own` the file that says which is ours.
    """
    limits = [math.inf]
    with suppress(OSError):
        for line in own.read_text().splitlines():
            if line.startswith("0::"):
                group = groups / line.removeprefix("0::").strip("/")
                limits += [_limit(folder / "cpu.max") for folder in (group, *group.parents)]
    return min(limits)


def _limit(file: Path) -> float:
    """Microseconds of CPU time in each period over those of the period."""
    try:
        time, period = file.read_text().split()
        return int(time) / int(period)
    except (OSError, ValueError):  # not there, or "max"
        return math.inf


class Workers:
    """`count` threads, each of which computes on one core, or issues work to a stream of its own on `device`."""

    def __init__(self, count: int, device: torch.device) -> None:
        self.count = count
        cores = iter(_cores(count, device))
        self._pool = ThreadPoolExecutor(count, "scorer-worker", initializer=_settle, initargs=(device, cores))

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Generator[Result]:
        """`work` of each item, in order. An error is raised in its item's place. After that, and when the generator is
        closed, what was not begun is not done, and nothing runs any more.

        A single item has one core as well: its last bits must not depend on how many stand beside it.
        """
        with _one_thread_each():
            waiting: deque[Future[Result]] = deque()
            try:
                for item in items:
                    waiting.append(self._pool.submit(work, item))
                    if len(waiting) > self.count * _AHEAD:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()
                wait(waiting)


def _cores(count: int, device: torch.device) -> list[int]:
    """A core for each of `count` workers, if that is every core this process may use; else none.

    A thread that moves to another core finds none of its weights in that core's cache. With fewer workers than cores
    the place of each is better left to the system, which knows what else runs.
    """
    if device.type != "cpu" or not hasattr(os, "sched_setaffinity"):
        return []
    cores = sorted(os.sched_getaffinity(0))
    return cores if len(cores) == count else []


def _settle(device: torch.device, cores: Iterator[int]) -> None:
    """Make this thread a worker, on the next of the `cores` if there is one.

    A copy from a GPU waits for whatever was issued to its stream before: on a stream that workers share, for the batch
    of another, too.
    """
    torch.set_num_threads(1)
    core = next(cores, None)
    if core is not None:
        # Where it is forbidden, or the cores were taken away meanwhile, the system finds a place.
        with suppress(OSError):
            os.sched_setaffinity(0, {core})
    if device.type == "cuda":
        # The weights were brought there on another stream.
        torch.cuda.synchronize(device)
        torch.cuda.set_stream(torch.cuda.Stream(device))


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let torch's operations be done by the thread that calls them; the setting is the process's, and is put back."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
