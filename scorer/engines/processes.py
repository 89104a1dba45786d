"""The engine that runs shards in processes: one for each GPU, or for each share of the cores.

A worker is spawned, builds a Scorer from the task's spec alone and takes one shard after the other. Descriptions of
shards go one way and receipts the other; rows never travel. The driver holds the output. A worker that dies has its
shard given to another one, which goes on from the scores that were kept; a shard whose worker dies three times has a
reason to be looked at. Workers die with their driver.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from scorer.engines.reporting import Unwatched
from scorer.errors import DeviceError, ScorerError
from scorer.runs.runtime import end_at_once, how_it_ended, keep_to, leave_signals_to_parent, own_cores
from scorer.scoring.scorer import Scorer
from scorer.scoring.shards import run_shard
from scorer.scoring.tasks import ShardOutcome, ShardTask

MOST_ATTEMPTS = 3
# How long a worker may take to end by itself.
_PATIENCE = 5.0
# How often the driver looks whether it is to stop.
_LOOK_SECONDS = 0.2


class Stop(Protocol):
    """What tells a run to stop."""

    def check(self) -> None:
        """Raise when the run is to stop."""
        ...


@dataclass(frozen=True)
class Share:
    """What one worker has of the machine: `cores`, all of them where that is empty, and a `device`, or what the task
    says where it is empty."""

    cores: tuple[int, ...] = ()
    device: str = ""


def shares(workers: int, *, gpus: int = 0) -> list[Share]:
    """What each of so many workers has: one of the `gpus`, in turn, or a share of the cores of this process."""
    if gpus:
        return [Share(device=f"cuda:{number % gpus}") for number in range(workers)]
    cores = own_cores()
    if len(cores) < workers:
        return [Share(cores=(cores[number % len(cores)],)) for number in range(workers)]
    bounds = [len(cores) * number // workers for number in range(workers + 1)]
    return [Share(cores=tuple(cores[bounds[number] : bounds[number + 1]])) for number in range(workers)]


def run_shards(
    tasks: Iterable[ShardTask], *, stop: Stop, shares: Sequence[Share]
) -> Iterator[tuple[ShardTask, ShardOutcome]]:
    """Score the shards, in whatever order they end, in one worker for each of the `shares`.

    What goes wrong with a shard is raised in its place; then every worker is ended. DeviceError when a shard's worker
    died so often that the shard is likely the cause.
    """
    with _Pool(shares) as pool:
        yield from pool.run(deque(tasks), stop)


@dataclass
class _Worker:
    share: Share
    process: BaseProcess
    connection: Connection
    task: ShardTask | None = None

    @classmethod
    def start(cls, share: Share) -> _Worker:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, share), name="scorer-worker", daemon=True)
        process.start()
        theirs.close()
        return cls(share, process, ours)

    def give(self, task: ShardTask | None) -> None:
        """Send the next task, or the end of all."""
        self.task = task
        with suppress(OSError):  # a worker that is dead already is seen by its end
            self.connection.send(task)


@dataclass
class _Pool:
    shares: Sequence[Share]
    workers: list[_Worker] = field(default_factory=list)
    attempts: dict[int, int] = field(default_factory=dict)

    def __enter__(self) -> _Pool:
        return self

    def __exit__(self, *_: object) -> None:
        """End every worker: those that are at work have kept what a later run goes on from."""
        for worker in self.workers:
            worker.connection.close()
        for worker in self.workers:
            worker.process.join(_PATIENCE)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()

    def run(self, left: deque[ShardTask], stop: Stop) -> Iterator[tuple[ShardTask, ShardOutcome]]:
        self.workers += [_Worker.start(share) for share in self.shares[: len(left)]]
        for worker in self.workers:
            worker.give(left.popleft())
        while any(worker.task for worker in self.workers):
            stop.check()
            ready = wait([worker.connection for worker in self.workers if worker.task], _LOOK_SECONDS)
            for worker in [worker for worker in self.workers if worker.connection in ready]:
                task, answer = worker.task, self._answer(worker)
                assert task is not None
                if answer is None:
                    self._replace(worker, task)
                    continue
                worker.task = None
                if isinstance(answer, BaseException):
                    raise answer
                if left:
                    worker.give(left.popleft())
                yield task, answer

    def _answer(self, worker: _Worker) -> ShardOutcome | BaseException | None:
        """What the worker says of its shard; None when it is dead."""
        try:
            answer: ShardOutcome | BaseException = worker.connection.recv()
        except (EOFError, OSError):
            return None
        return answer

    def _replace(self, worker: _Worker, task: ShardTask) -> None:
        """Give the shard of a dead worker to a new one. DeviceError when too many died of it."""
        worker.process.join(_PATIENCE)
        self.attempts[task.number] = self.attempts.get(task.number, 0) + 1
        if self.attempts[task.number] >= MOST_ATTEMPTS:
            raise DeviceError(
                f"{task.parts[0].output.name}: the worker that scored it ended {MOST_ATTEMPTS} times "
                f"({how_it_ended(worker.process.exitcode)}); is there memory enough? try --workers 1, or fewer "
                "--window-rows"
            )
        worker.connection.close()
        self.workers[self.workers.index(worker)] = successor = _Worker.start(worker.share)
        successor.give(task)


def _work(connection: Connection, share: Share) -> None:
    """A worker: one shard after the other, until there are none."""
    leave_signals_to_parent()
    if share.cores:
        keep_to(share.cores)
    scorer, loaded = None, None
    tasks = _Inbox(connection)
    while (task := tasks.next()) is not None:
        try:
            if scorer is None or task.scorer != loaded:
                scorer, loaded = _build(task, share), task.scorer
            answer: Any = run_shard(task, scorer, Unwatched())
        except ScorerError as error:
            answer = error
        except Exception as error:  # noqa: BLE001  raised by the driver
            answer = RuntimeError(f"{type(error).__name__}: {error}")
        connection.send(answer)


def _build(task: ShardTask, share: Share) -> Scorer:
    spec = task.scorer
    if share.device:
        spec = replace(spec, options=replace(spec.options, device=share.device))
    return Scorer.build(spec)


class _Inbox:
    """The tasks that come through `connection`. The process ends at once when the driver is gone: nobody is left to
    publish what it would make."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._came = threading.Semaphore(0)
        self._tasks: deque[ShardTask | None] = deque()
        threading.Thread(target=self._listen, name="scorer-inbox", daemon=True).start()

    def next(self) -> ShardTask | None:
        self._came.acquire()
        return self._tasks.popleft()

    def _listen(self) -> None:
        while True:
            try:
                self._tasks.append(self._connection.recv())
            except (EOFError, OSError):
                end_at_once()
            self._came.release()
