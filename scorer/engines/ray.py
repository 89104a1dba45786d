"""The engine that runs shards on Ray: the worker of `processes`, as actors on the nodes of a cluster.

Only Ray's core is used. An actor is asked now and then whether it is alive, since a call to a dead one has been seen to
hang; one that does not answer is ended, and its shard goes to another. Files and the folder of OUT must be the same on
all nodes, as on a shared file system.
"""

from __future__ import annotations

import logging
import math
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from scorer.engines.leases import Answer, answer_of
from scorer.engines.processes import Share, build
from scorer.engines.reporting import Unwatched
from scorer.errors import ConfigError, DeviceError
from scorer.runs.runtime import claim_cores, keep_to, kept_handlers
from scorer.scoring.shards import run_shard
from scorer.scoring.tasks import ShardOutcome, ShardTask

# How often an actor at work is asked whether it is alive, and how long it may take to say so.
_ASKED_SECONDS = 5.0
_PATIENCE = 120.0
# How long a cluster may be without a node that an actor fits in: as long as it takes to get one in the place of others.
_NODE_SECONDS = 900.0
# With so much of the best share of the cores at work, fewer actors are better than more.
_BUSY = 0.9
_CONNECT_SECONDS = 10.0


def ray_library() -> Any:
    """Ray. ConfigError where it is not installed."""
    try:
        import ray
    except ImportError as error:
        raise ConfigError("--engine ray: Ray is not installed; pip install 'scorer[ray]'") from error
    return ray


@contextmanager
def cluster(address: str | None) -> Iterator[Any]:
    """Ray, connected to the cluster at `address`, or to one of this machine alone that ends with the block.

    DeviceError where there is no cluster at the address, or where this one cannot be started.
    """
    ray = ray_library()
    if ray.is_initialized():
        yield ray
        return
    where = f"--address {address}" if address else "--engine ray"
    try:
        if address is not None:
            _check_answers(address)
        with kept_handlers():  # Ray would end this process at a SIGTERM, whatever it is at
            ray.init(address=address or "local", include_dashboard=False if address is None else None, **_QUIET)
    except Exception as error:  # Ray raises bare ones, too, where a node dies while it starts
        raise DeviceError(f"{where}: no Ray cluster answers ({_said(error)})") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """OSError where nobody listens at an address; Ray itself would try for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()


_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": False}


@dataclass(frozen=True)
class Node:
    """What a node of the cluster has for actors."""

    cores: int
    gpus: int

    def slots(self, cores: int, *, gpu: bool) -> float:
        """How many actors have room, each with so many `cores`, and with a GPU where `gpu` says so."""
        by_cores = self.cores // cores if cores else math.inf
        return min(by_cores, self.gpus) if gpu else by_cores


def _nodes(ray: Any) -> list[Node]:
    """Those that are alive."""
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [Node(int(has.get("CPU", 0)), int(has.get("GPU", 0))) for has in alive]


def _cores_each(nodes: Sequence[Node], places: int, *, gpu: bool) -> int:
    """The most cores with which all the actors have room on the `nodes` at once; 0, which asks for none, where there
    are fewer cores than actors."""
    most = max((node.cores for node in nodes), default=0)
    fitting = (cores for cores in range(most, 0, -1) if sum(node.slots(cores, gpu=gpu) for node in nodes) >= places)
    return next(fitting, 0)


def _cores_of_best(nodes: Sequence[Node]) -> int:
    """The most cores an actor with which nearly as many cores of all `nodes` are at work as with any other number; 0
    where there are none. Each actor holds a model of its own."""
    most = max((node.cores for node in nodes), default=0)
    used = {cores: cores * sum(node.cores // cores for node in nodes) for cores in range(1, most + 1)}
    return max((cores for cores, busy in used.items() if busy >= _BUSY * max(used.values())), default=0)


@dataclass
class RayWorker:
    """An actor; `answer` is the reference to what it will say of its shard, `pulse` to whether it is alive."""

    actor: Any
    answer: Any = None
    pulse: Any = None
    asked: float = 0.0
    lives: bool = False
    how: str = ""


@dataclass
class Actors:
    """A crew of so many actors (`places`) of a cluster, each with `cores`, and with a GPU where `gpu` says so."""

    ray: Any
    places: int
    cores: int
    gpu: bool
    patience: float = _PATIENCE
    _kind: Any = field(init=False)
    _looked: float = 0.0
    # Since when no node has had room for an actor.
    _unfit: float | None = None

    def __post_init__(self) -> None:
        # One thread scores, another one says that it is alive. A dead actor stays dead: its shard is leased anew.
        options = {"num_cpus": self.cores, "num_gpus": int(self.gpu), "max_concurrency": 2, "max_restarts": 0}
        self._kind = self.ray.remote(**options)(_Actor)

    @classmethod
    def of(cls, ray: Any, *, workers: int | None, gpu: bool) -> Actors:
        """So many `workers`: where not given, one for each GPU of the cluster, or as many as keep its cores busy."""
        nodes = [node for node in _nodes(ray) if (node.gpus if gpu else node.cores)]
        if gpu and not nodes:
            raise DeviceError("--engine ray: no node of the cluster has a GPU; --device cpu scores without")
        if not gpu and workers is None:
            cores = _cores_of_best(nodes)
            return cls(ray, max(sum(node.cores // cores for node in nodes), 1) if cores else 1, cores, gpu)
        gpus = sum(node.gpus for node in nodes)
        places = min(workers or gpus, gpus) if gpu else workers or 1
        return cls(ray, places, _cores_each(nodes, places, gpu=gpu), gpu)

    def start(self, place: int) -> RayWorker:  # noqa: ARG002  Ray finds a place
        return RayWorker(self._kind.remote(self.cores))

    def give(self, worker: RayWorker, task: ShardTask) -> None:
        worker.answer = worker.actor.score.remote(task)

    def answers(self, workers: Sequence[RayWorker], seconds: float) -> list[tuple[RayWorker, Answer]]:
        self._check_nodes(time.monotonic())
        by_answer = {worker.answer: worker for worker in workers}
        ready, _ = self.ray.wait(list(by_answer), num_returns=1, timeout=seconds)
        came = [(by_answer[answer], self._answer(by_answer[answer])) for answer in ready]
        return came + [(worker, None) for worker in workers if worker.answer not in ready and self._is_dead(worker)]

    def _check_nodes(self, now: float) -> None:
        """DeviceError where no node is alive any more, or none for long that an actor fits in: Ray would wait for one
        for ever."""
        if now - self._looked <= _ASKED_SECONDS:
            return
        self._looked = now
        nodes = _nodes(self.ray)
        if not nodes:
            raise DeviceError("--engine ray: no node of the cluster is alive; run the same command again")
        if any(node.slots(self.cores, gpu=self.gpu) for node in nodes):
            self._unfit = None
        elif self._unfit is None:
            self._unfit = now
        elif now - self._unfit > _NODE_SECONDS:
            what = f"{self.cores} cores" + (" and a GPU" if self.gpu else "")
            raise DeviceError(
                f"--engine ray: no node of the cluster has {what} any more, as its workers need; run the same command "
                "again"
            )

    def _answer(self, worker: RayWorker) -> Answer:
        gone = self.ray.exceptions
        try:
            answer: Answer = self.ray.get(worker.answer)
        except (gone.LocalRayletDiedError, gone.RaySystemError) as error:
            raise _without_ray(error) from error
        except gone.RayTaskError:
            raise
        except gone.RayError as error:  # it died, or Ray ended it: its memory monitor does that by an error of its own
            worker.how = _said(error)
            return None
        return answer

    def _is_dead(self, worker: RayWorker) -> bool:
        """Whether a worker that has not answered has not said for long that it is alive. One whose process has not
        begun yet waits for its node."""
        now = time.monotonic()
        if worker.pulse is None:
            if now - worker.asked > _ASKED_SECONDS:
                worker.pulse, worker.asked = worker.actor.lives.remote(), now
            return False
        if self.ray.wait([worker.pulse], timeout=0)[0]:
            # Where it is dead, the answer tells so, too.
            worker.pulse, worker.lives = None, True
            return False
        if worker.lives and now - worker.asked > self.patience:
            worker.how = f"no answer for {self.patience:.0f} s"
            return True
        return False

    def bury(self, worker: RayWorker) -> str:
        self._kill(worker)
        return worker.how

    def end(self, workers: Sequence[RayWorker]) -> None:
        for worker in workers:
            self._kill(worker)

    def _kill(self, worker: RayWorker) -> None:
        with suppress(self.ray.exceptions.RayError):  # it is dead already, or Ray itself is gone
            self.ray.kill(worker.actor)


class _Actor:
    """A worker with so many cores of its node."""

    def __init__(self, cores: int) -> None:
        self._claim = claim_cores(cores)
        if self._claim.cores:
            keep_to(self._claim.cores)
        self._scorer: Any = None
        self._loaded: Any = None

    def lives(self) -> bool:
        return True

    def score(self, task: ShardTask) -> ShardOutcome | BaseException:
        try:
            if self._scorer is None or task.scorer != self._loaded:
                self._scorer, self._loaded = build(task.scorer, Share()), task.scorer
            return run_shard(task, self._scorer, Unwatched())
        except Exception as error:  # noqa: BLE001  raised by the driver
            return answer_of(error)


def _said(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _without_ray(error: BaseException) -> DeviceError:
    return DeviceError(f"--engine ray: Ray ended on this machine ({_said(error)}); run the same command again")
