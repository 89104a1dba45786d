"""Who scores the shards of a job: this process, or a crew of workers on this machine or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, assert_never

from scorer.classifier.device import gpu_count
from scorer.classifier.execution import Execution
from scorer.classifier.profile import Profile
from scorer.config import ScoreConfig
from scorer.engines import leases, processes, ray
from scorer.engines.leases import Crew, Stop
from scorer.scoring.pieces import run_in_pieces
from scorer.scoring.tasks import ShardOutcome, ShardTask


@contextmanager
def crew_of(config: ScoreConfig, execution: Execution) -> Iterator[Crew[Any] | None]:
    """The workers that `config` asks for, where logits are computed by `execution`; None where this process is to do
    the work itself. DeviceError where there is no cluster."""
    on_gpu = execution.device.startswith("cuda")
    match config.engine:
        case "local":
            workers, gpus = _workers(config, execution), _gpus(config, execution)
            alike = on_gpu and not gpus
            shares = [processes.Share()] * workers if alike else processes.shares(workers, gpus=gpus)
            yield None if workers == 1 else processes.Processes(shares)
        case "ray":
            with ray.cluster(config.address) as library:
                yield ray.Actors.of(library, workers=config.workers, gpu=on_gpu)
        case _:
            assert_never(config.engine)


def has_crew(config: ScoreConfig, execution: Execution) -> bool:
    """Whether `crew_of` gives workers."""
    return config.engine != "local" or _workers(config, execution) > 1


def _workers(config: ScoreConfig, execution: Execution) -> int:
    """How many work on this machine."""
    return config.workers or max(_gpus(config, execution), 1)


def _gpus(config: ScoreConfig, execution: Execution) -> int:
    """How many GPUs they share; 0 where they compute on none, or on the one that was named."""
    return gpu_count() if execution.device.startswith("cuda") and ":" not in config.device else 0


def run_shards(
    tasks: Sequence[ShardTask],
    crew: Crew[Any],
    *,
    stop: Stop,
    profile: Profile | None,
    told: Callable[[ShardOutcome], object] = lambda _: None,
) -> Iterator[tuple[ShardTask, ShardOutcome]]:
    """Score the shards with `crew`, large files in pieces: as `leases.run_shards` and `pieces.run_in_pieces`."""
    return run_in_pieces(tasks, lambda asked: leases.run_shards(asked, crew, stop=stop), profile=profile, told=told)
