"""Shards leased to workers that may die: whose lease ends gets the next one, and a dead worker's shard goes to another.

Descriptions of shards go one way and receipts the other; rows never travel. The next worker goes on from the scores
that a dead one kept. A shard whose worker dies three times has a reason to be looked at. A worker that finds no shard
left is ended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Generic, Protocol, TypeVar

from scorer.errors import DeviceError, ScorerError, from_os_error
from scorer.scoring.tasks import ShardOutcome, ShardTask

MOST_ATTEMPTS: Final = 3
# How often the driver looks whether it is to stop.
_LOOK_SECONDS: Final = 0.2

Worker = TypeVar("Worker")
Answer = ShardOutcome | BaseException | None
"""What a worker says of its shard: what came of it, or what went wrong; None when the worker is dead."""


def answer_of(error: Exception) -> Exception:
    """What a worker sends of an `error`, for its driver to raise. What is no ScorerError may not survive the way: then
    its kind is what matters."""
    if isinstance(error, ScorerError):
        return error
    if isinstance(error, OSError):
        return from_os_error(error)
    if isinstance(error, MemoryError):
        return MemoryError(str(error))
    return RuntimeError(f"{type(error).__name__}: {error}")


class Stop(Protocol):
    """What tells a run to stop."""

    def check(self) -> None:
        """Raise when the run is to stop."""
        ...


class Crew(Protocol[Worker]):
    """The workers of one engine, at `places` that are counted from 0."""

    @property
    def places(self) -> int:
        """The most workers at a time."""
        ...

    def start(self, place: int) -> Worker:
        """A new worker."""
        ...

    def give(self, worker: Worker, task: ShardTask) -> None:
        """Send a task to a worker that has none. One that is dead already is seen by its answer."""
        ...

    def answers(self, workers: Sequence[Worker], seconds: float) -> list[tuple[Worker, Answer]]:
        """What came from the `workers`, all of which have a task, within so many seconds."""
        ...

    def bury(self, worker: Worker) -> str:
        """Let go of a dead worker; how it ended, for a message."""
        ...

    def end(self, workers: Sequence[Worker]) -> None:
        """End these: those that are at work have kept what a later run goes on from."""
        ...


def run_shards(
    tasks: Iterable[ShardTask], crew: Crew[Worker], *, stop: Stop
) -> Iterator[tuple[ShardTask, ShardOutcome]]:
    """Score the shards with `crew`, in whatever order they end.

    What goes wrong with a shard is raised in its place; then every worker is ended. DeviceError when a shard's worker
    died so often that the shard is likely the cause.
    """
    leases = _Leases(crew, deque(tasks))
    try:
        yield from leases.run(stop)
    finally:
        crew.end([worker for worker, _ in leases.held.values()])


class _Leases(Generic[Worker]):
    def __init__(self, crew: Crew[Worker], left: deque[ShardTask]) -> None:
        self._crew = crew
        self._left = left
        self._attempts: dict[int, int] = {}
        self.held: dict[int, tuple[Worker, ShardTask]] = {}
        """The worker at each place, and the task that it has."""

    def run(self, stop: Stop) -> Iterator[tuple[ShardTask, ShardOutcome]]:
        for place in range(min(self._crew.places, len(self._left))):
            self._lease(place, self._crew.start(place), self._left.popleft())
        while self.held:
            stop.check()
            for worker, answer in self._crew.answers([worker for worker, _ in self.held.values()], _LOOK_SECONDS):
                place = next(place for place, (other, _) in self.held.items() if other is worker)
                task = self.held[place][1]
                if answer is None:
                    self._replace(place, worker, task)
                    continue
                if isinstance(answer, BaseException):
                    raise answer
                if self._left:
                    self._lease(place, worker, self._left.popleft())
                else:
                    # At once: another may wait for its cores, as where a cluster has lost a node.
                    del self.held[place]
                    self._crew.end([worker])
                yield task, answer

    def _lease(self, place: int, worker: Worker, task: ShardTask) -> None:
        self.held[place] = (worker, task)
        self._crew.give(worker, task)

    def _replace(self, place: int, worker: Worker, task: ShardTask) -> None:
        """Give the shard of a dead worker to a new one. DeviceError when too many died of it."""
        del self.held[place]
        how = self._crew.bury(worker)
        attempts = self._attempts[task.number] = self._attempts.get(task.number, 0) + 1
        if attempts >= MOST_ATTEMPTS:
            name = task.parts[0].output.target.name
            raise DeviceError(
                f"{name}: the worker that scored it ended {attempts} times ({how}); is there memory enough? try "
                "--workers 1, or fewer --window-rows"
            )
        self._lease(place, self._crew.start(place), task)
