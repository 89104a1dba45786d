"""Stages that overlap: each works in a thread of its own, one item ahead of the next stage.

The queues between them are bounded, and the order of the items is kept. A stage is any callable that takes an item and
gives one.

    pace = Pipeline.of(windows).then("encode", encode).then("classify", classify).into("write", write)
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Generic, TypeVar

In = TypeVar("In")
Out = TypeVar("Out")

# One item in reserve is enough where every stage is faster than the device, and memory is items in flight.
_QUEUED = 1


@dataclass(frozen=True)
class _Failure:
    error: BaseException


class _End:
    pass


class GivenUp(Exception):
    """A stage stops in the middle of an item, because a later stage has failed; nobody gets to see this error."""


class _Unwanted:
    """Whether nobody takes any more what a stage makes. Then nobody takes what the stages `before` it make either."""

    def __init__(self, before: _Unwanted | None = None) -> None:
        self.before = before
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()
        if self.before is not None:
            self.before.set()

    def is_set(self) -> bool:
        return self._event.is_set()


@dataclass(frozen=True)
class Pace:
    """How long a stream took in seconds, and each stage's busy share of that time, between 0 and 1."""

    seconds: float
    busy: dict[str, float]

    @classmethod
    def of(cls, paces: Sequence[Pace], *, seconds: float | None = None) -> Pace:
        """That of several streams, one after the other; or side by side within so many `seconds`, in which a stage may
        have been busy more than once at a time."""
        seconds = sum(pace.seconds for pace in paces) if seconds is None else seconds
        stages = dict.fromkeys(stage for pace in paces for stage in pace.busy)
        busy = {stage: sum(pace.busy.get(stage, 0.0) * pace.seconds for pace in paces) for stage in stages}
        return cls(seconds, {stage: round(worked / max(seconds, 1e-9), 3) for stage, worked in busy.items()})

    @property
    def stage_seconds(self) -> dict[str, float]:
        """How long each stage worked, in seconds."""
        return {stage: round(share * self.seconds, 3) for stage, share in self.busy.items()}


class Pipeline(Generic[In]):
    """Items, read in a thread of their own as soon as `into` runs; each `then` adds a stage behind those before.

    `check` is for a last stage that takes long, or waits: it raises GivenUp once a stage behind it has failed, so that
    nobody waits for the rest of an item. Stages before it may fail meanwhile: what they gave it is still wanted.
    """

    def __init__(self, items: Generator[In], clock: _BusyClock, unwanted: _Unwanted) -> None:
        self._items = items
        self._clock = clock
        self._unwanted = unwanted

    @classmethod
    def of(cls, items: Iterable[In]) -> Pipeline[In]:
        """The `items`, read ahead, without any stage so far."""
        clock, unwanted = _BusyClock(), _Unwanted()
        return cls(_ahead(clock.reading(items), lambda item: item, "read", unwanted), clock, unwanted)

    def check(self) -> None:
        """Raise GivenUp if nobody takes any more what the last stage so far makes."""
        if self._unwanted.is_set():
            raise GivenUp

    def then(self, name: str, work: Callable[[In], Out]) -> Pipeline[Out]:
        """The same pipeline with one more stage, whose thread and time have this `name`."""
        unwanted = _Unwanted(self._unwanted)
        return Pipeline(_ahead(self._items, self._clock.timed(name, work), name, unwanted), self._clock, unwanted)

    def into(self, name: str, work: Callable[[In], None]) -> Pace:
        """Run everything; the last stage, `work`, runs in the caller's thread.

        The first error of any stage stops all of them and is raised here. When this returns, or raises, every thread
        has ended.
        """
        work = self._clock.timed(name, work)
        self._clock.start()
        with closing(self._items):
            for item in self._items:
                work(item)
        return self._clock.read()


class _BusyClock:
    """Adds up how long each stage works; time spent waiting for another stage does not count."""

    def __init__(self) -> None:
        self._started = 0.0
        self._seconds: dict[str, float] = {}

    def start(self) -> None:
        self._started = time.monotonic()

    def timed(self, stage: str, work: Callable[[In], Out]) -> Callable[[In], Out]:
        """`work`, its time added to `stage`."""

        def clocked(item: In) -> Out:
            begun = time.monotonic()
            try:
                return work(item)
            finally:
                self._seconds[stage] = self._seconds.get(stage, 0.0) + time.monotonic() - begun

        return clocked

    def reading(self, items: Iterable[In]) -> Generator[In]:
        """`items`, the time to read each counted."""
        end = _End()
        iterator = iter(items)
        read = self.timed("read", lambda end: next(iterator, end))
        while not isinstance(item := read(end), _End):
            yield item

    def read(self) -> Pace:
        """What has been added up since the start."""
        elapsed = time.monotonic() - self._started
        busy = {stage: round(seconds / max(elapsed, 1e-9), 3) for stage, seconds in self._seconds.items()}
        return Pace(elapsed, busy)


def _ahead(items: Generator[In], work: Callable[[In], Out], name: str, unwanted: _Unwanted) -> Generator[Out]:
    """`work` of each item, done in a thread called `name` up to `_QUEUED` ahead of whoever iterates.

    Closing the generator ends the thread and then closes `items`; an error in the thread is raised to whoever iterates.
    Both first say to this stage, or to those before it, that what they make is `unwanted`: one that waits for a stream
    would not end by itself.
    """
    done: queue.Queue[Out | _Failure | _End] = queue.Queue(_QUEUED)

    def produce() -> None:
        try:
            for item in items:
                if unwanted.is_set():
                    raise GivenUp
                done.put(work(item))
            done.put(_End())
        except BaseException as error:  # noqa: BLE001  raised again by the consumer
            # What came before the failure has left the stages before; they are at what comes after it.
            if unwanted.before is not None:
                unwanted.before.set()
            done.put(_Failure(error))

    thread = threading.Thread(target=produce, name=f"scorer-{name}")
    with closing(items):
        try:
            thread.start()
            while not isinstance(result := done.get(), _End):
                if isinstance(result, _Failure):
                    raise result.error
                yield result
        except BaseException:
            unwanted.set()
            raise
        finally:
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
