"""The engine that runs shards in processes: one for each GPU, or for each share of the cores.

A worker is spawned, builds a Scorer from the task's spec alone and takes one shard after the other. Workers die with
their driver, which holds the output.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from scorer.engines.leases import Answer, answer_of
from scorer.engines.reporting import Unwatched
from scorer.runs.runtime import end_at_once, how_it_ended, keep_to, leave_signals_to_parent, own_cores
from scorer.scoring.scorer import Scorer, ScorerSpec
from scorer.scoring.shards import run_shard
from scorer.scoring.tasks import ShardTask

# How long a worker may take to end by itself.
_PATIENCE = 5.0


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


@dataclass(frozen=True)
class ProcessWorker:
    process: BaseProcess
    connection: Connection


@dataclass(frozen=True)
class Processes:
    """A crew of spawned processes, one for each of the `shares`."""

    shares: Sequence[Share]

    @property
    def places(self) -> int:
        return len(self.shares)

    def start(self, place: int) -> ProcessWorker:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self.shares[place]), name="scorer-worker", daemon=True)
        process.start()
        theirs.close()
        return ProcessWorker(process, ours)

    def give(self, worker: ProcessWorker, task: ShardTask) -> None:
        with suppress(OSError):  # a worker that is dead already is seen by its end
            worker.connection.send(task)

    def answers(self, workers: Sequence[ProcessWorker], seconds: float) -> list[tuple[ProcessWorker, Answer]]:
        ready = wait([worker.connection for worker in workers], seconds)
        return [(worker, self._answer(worker)) for worker in workers if worker.connection in ready]

    def _answer(self, worker: ProcessWorker) -> Answer:
        try:
            answer: Answer = worker.connection.recv()
        except (EOFError, OSError):
            return None
        return answer

    def bury(self, worker: ProcessWorker) -> str:
        worker.process.join(_PATIENCE)
        worker.connection.close()
        return how_it_ended(worker.process.exitcode)

    def end(self, workers: Sequence[ProcessWorker]) -> None:
        for worker in workers:
            worker.connection.close()
        for worker in workers:
            worker.process.join(_PATIENCE)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()


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
                scorer, loaded = build(task.scorer, share), task.scorer
            answer: Any = run_shard(task, scorer, Unwatched())
        except Exception as error:  # noqa: BLE001  raised by the driver
            answer = answer_of(error)
        connection.send(answer)


def build(spec: ScorerSpec, share: Share) -> Scorer:
    """The Scorer of the `spec`, on what a worker has of its machine."""
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
