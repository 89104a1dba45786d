"""Batches side by side: on a CPU one a core; of those for a GPU one is prepared while others are computed and fetched.

Threads that share a batch wait for each other at every operation. Threads that have a batch each never do. Here are
their number, the threads themselves and the order of results; what a batch is, is not known here.
"""

from __future__ import annotations

import itertools
import math
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TypeVar

import torch

from scorer.classifier.forks import renew_in_forks

Item = TypeVar("Item")
Result = TypeVar("Result")

# One is prepared, one computed, one fetched; their work on the GPU is one behind the other (see DeviceQueue).
_ON_GPU = 3
# Batches that wait for each worker, so that none is idle while results are being kept.
_AHEAD = 2
_default_threads = threading.Lock()


def worker_count(device: torch.device, *, granted: float | None = None) -> int:
    """How many batches at once: on a CPU as many as torch would use threads (see OMP_NUM_THREADS, which has the last
    word), and no more than the cores that this process is `granted`, by its control groups where not given."""
    if device.type == "cuda":
        return _ON_GPU
    threads = torch.get_num_threads()
    if os.environ.get("OMP_NUM_THREADS"):
        return threads
    return math.ceil(min(threads, max(granted_cores() if granted is None else granted, 1)))


def usable_cores() -> float:
    """How many cores this process may use, and its control groups grant."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, granted_cores())


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


def compute_alone() -> None:
    """From now on the calling thread does all of torch's work on the CPU itself; other threads keep their setting.

    torch keeps one number for each thread, and one that new threads begin with. Setting a thread's own sets the other
    one, too, so a short-lived thread puts that back.
    """
    with _default_threads:
        # A thread takes the common number over when it first asks for its own. After this it does not do so again.
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        restorer = threading.Thread(target=torch.set_num_threads, args=(threads,), name="scorer-threads")
        restorer.start()
        restorer.join()


class Cores:
    """The cores that this process may use, which one holder at a time may have its threads kept on.

    A thread that moves to another core finds none of its weights in that core's cache. But two threads that are kept on
    the same core wait for each other while another core may be idle.
    """

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Nobody has them, as in a fork."""
        self._lock = threading.Lock()
        self._holder: object | None = None
        self._calls = 0

    @contextmanager
    def lent_to(self, holder: object) -> Iterator[bool]:
        """Whether `holder` has the cores in this block. It has them unless another one does; several blocks of the
        same holder share them."""
        with self._lock:
            if self._holder is None:
                self._holder = holder
            lent = self._holder is holder
            self._calls += lent
        try:
            yield lent
        finally:
            with self._lock:
                self._calls -= lent
                if lent and not self._calls:
                    self._holder = None


CORES = Cores()


class Workers:
    """`count` threads, each of which computes on one core, or issues work to `device`.

    Several threads may call `map` at once. On a CPU, workers that fill the machine are kept on a core each while the
    `cores` are lent to them; see `Cores`. Where that is None they never are.
    """

    def __init__(self, count: int, device: torch.device, *, cores: Cores | None = CORES) -> None:
        self.count = count
        self._arbiter = cores
        if cores is not None:
            renew_in_forks(cores)
        self._usable = _usable_cores(device)
        self._own = threading.local()
        self._numbers = itertools.count()
        self._kept = False
        self._pool = ThreadPoolExecutor(count, "scorer-worker", initializer=self._settle, initargs=(device,))
        # All begin here and now: for a moment, each changes what other new threads would begin with.
        begun = threading.Barrier(count + 1)
        for _ in range(count):
            self._pool.submit(begun.wait)
        begun.wait()

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Generator[Result]:
        """`work` of each item, in order. An error is raised in its item's place. After that, and when the generator is
        closed, what was not begun is not done, and nothing runs any more.

        A single item has one core as well: its last bits must not depend on how many stand beside it.
        """
        with self._arbiter.lent_to(self) if self._arbiter is not None else nullcontext(False) as lent:
            self._kept = lent and len(self._usable) == self.count
            waiting: deque[Future[Result]] = deque()
            try:
                for item in items:
                    waiting.append(self._pool.submit(self._do, work, item))
                    if len(waiting) > self.count * _AHEAD:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()
                wait(waiting)

    def _do(self, work: Callable[[Item], Result], item: Item) -> Result:
        if self._own.kept != self._kept:
            self._own.kept = self._kept
            _keep_on({self._usable[self._own.number]} if self._kept else set(self._usable))
        return work(item)

    def _settle(self, device: torch.device) -> None:
        """Make the calling thread a worker. Each thread has a current GPU; all use its default stream, on which the
        weights were brought there."""
        self._own.number, self._own.kept = next(self._numbers), False
        compute_alone()
        if device.type == "cuda":
            torch.cuda.set_device(device)


def _usable_cores(device: torch.device) -> list[int]:
    """The cores that this process may use where threads can be kept on one; else none."""
    if device.type != "cpu" or not hasattr(os, "sched_setaffinity"):
        return []
    return sorted(os.sched_getaffinity(0))


def _keep_on(cores: set[int]) -> None:
    """Let the calling thread run on `cores` only."""
    # Where it is forbidden, or the cores were taken away meanwhile, the system finds a place.
    with suppress(OSError):
        os.sched_setaffinity(0, cores)
