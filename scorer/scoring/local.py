"""The local engine: one process, one device; reading, encoding, the device, appending and writing overlap.

Owns threads and bounded queues. Does not know what the stages do: they are callables, and order is theirs to keep.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

from scorer.scoring.windows import ClassifiedWindow, EncodedWindow, ScoredWindow, Window

In = TypeVar("In")
Out = TypeVar("Out")

# One window in reserve is enough where every stage is faster than the device, and memory is windows in flight.
_QUEUED_WINDOWS = 1


@dataclass(frozen=True)
class _Failure:
    error: BaseException


class _End:
    pass


class GivenUp(Exception):
    """A stage stops in the middle of a window, because another has failed; nobody gets to see this one."""


@dataclass(frozen=True)
class Pace:
    """How long a stream took in seconds, and each stage's busy share of that time, between 0 and 1."""

    seconds: float
    busy: dict[str, float]

    @property
    def stage_seconds(self) -> dict[str, float]:
        """How long each stage worked, in seconds."""
        return {stage: round(share * self.seconds, 3) for stage, share in self.busy.items()}


class BusyClock:
    """Adds up how long each stage works; time spent waiting for another stage does not count."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._seconds: dict[str, float] = {}

    def timed(self, stage: str, work: Callable[[In], Out]) -> Callable[[In], Out]:
        """`work`, its time added to `stage`."""

        def clocked(item: In) -> Out:
            begun = time.monotonic()
            try:
                return work(item)
            finally:
                self._seconds[stage] = self._seconds.get(stage, 0.0) + time.monotonic() - begun

        return clocked

    def read(self) -> Pace:
        """What has been added up since the start."""
        elapsed = time.monotonic() - self._started
        busy = {stage: round(seconds / max(elapsed, 1e-9), 3) for stage, seconds in self._seconds.items()}
        return Pace(elapsed, busy)


def run(
    windows: Iterable[Window],
    *,
    encode: Callable[[Window], EncodedWindow],
    classify: Callable[[EncodedWindow], ClassifiedWindow],
    append: Callable[[ClassifiedWindow], ScoredWindow],
    write: Callable[[ScoredWindow], None],
    given_up: threading.Event | None = None,
) -> Pace:
    """Send `windows` through the stages; each runs in a thread of its own, `write` in the caller's.

    An error in any stage stops all of them and is raised here. When this returns, or raises, every thread has ended;
    lest that wait for the windows that are under way, a stage may look whether they are `given_up` and raise GivenUp.
    """
    clock = BusyClock()
    with (
        closing(_ahead(_reading(windows, clock), lambda window: window, "read")) as read,
        closing(_ahead(read, clock.timed("encode", encode), "encode")) as encoded,
        closing(_ahead(encoded, clock.timed("classify", classify), "classify")) as classified,
        closing(_ahead(classified, clock.timed("append", append), "append")) as scored,
    ):
        try:
            for window in scored:
                clock.timed("write", write)(window)
        except BaseException:
            if given_up is not None:
                given_up.set()
            raise
    return clock.read()


def _reading(windows: Iterable[Window], clock: BusyClock) -> Generator[Window]:
    """`windows`, the time to read each counted."""
    end = _End()
    iterator = iter(windows)
    read = clock.timed("read", lambda end: next(iterator, end))
    while not isinstance(window := read(end), _End):
        yield window


def _ahead(items: Iterable[In], work: Callable[[In], Out], name: str) -> Generator[Out]:
    """`work` of each item, done in a thread called `name` up to `_QUEUED_WINDOWS` ahead of whoever iterates.

    Closing the generator ends the thread; an error in the thread is raised to whoever iterates.
    """
    done: queue.Queue[Out | _Failure | _End] = queue.Queue(_QUEUED_WINDOWS)
    stopped = threading.Event()

    def produce() -> None:
        try:
            for item in items:
                if stopped.is_set():
                    return
                done.put(work(item))
            done.put(_End())
        except BaseException as error:  # noqa: BLE001  raised again by the consumer
            done.put(_Failure(error))

    thread = threading.Thread(target=produce, name=f"scorer-{name}")
    thread.start()
    try:
        while not isinstance(result := done.get(), _End):
            if isinstance(result, _Failure):
                raise result.error
            yield result
    finally:
        stopped.set()
        # Whoever waits to put finds room now, and sees that it is to stop before it puts anything more.
        while thread.is_alive():
            _drain(done)
            thread.join(timeout=0.05)


def _drain(results: queue.Queue[Out]) -> None:
    try:
        while True:
            results.get_nowait()
    except queue.Empty:
        return
