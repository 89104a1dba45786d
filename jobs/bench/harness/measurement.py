"""All peers on one workload: each in a process of its own, one after the other, in rounds.

Owns the order of things: the reference first, then every peer is loaded, checked and tuned, then rounds in which each
runs once while the others sleep, with the matrix products measured at the beginning of each round.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from harness.answers import Agreement, compare
from harness.expected import Expected
from harness.peers import PEERS, Setup
from harness.processes import CallFailed, Remote
from harness.results import PeerResult, WorkloadResult, rotated
from harness.trial import Loaded, Run
from harness.workloads import COLUMN, Workload

CEILINGS = ("fp32", "bf16")
SLOW_SECONDS, SLOW_ROUNDS = 8.0, 2


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What holds for every workload of a measurement: the `model`, the `cache` folder, `rounds` and `threads`."""

    model: Path
    cache: Path
    rounds: int
    threads: int


@dataclass(kw_only=True)
class _Contestant:
    """A peer while it is measured."""

    name: str
    target: Path
    remote: Remote | None = None
    loaded: Loaded | None = None
    about: str = ""
    runs: list[Run] = field(default_factory=list)
    agreement: Agreement | None = None
    failure: str | None = None


def measure(workload: Workload, names: Sequence[str], conditions: Conditions) -> tuple[WorkloadResult, dict[str, str]]:
    """The results of the peers `names` on `workload`, and the versions of the libraries that they loaded."""
    threads = conditions.threads
    _say(f"{workload.name}: reference")
    with Remote(
        "harness.reference:Reference", conditions.model, conditions.cache / "reference", threads, threads=threads
    ) as reference:
        expected: Expected = reference.call("expected", workload.path, workload.max_length)
    versions: dict[str, str] = {}
    with ExitStack() as stack:
        ceiling = stack.enter_context(Remote("harness.ceiling:Ceiling", threads, threads=threads))
        contestants = {name: _start(name, workload, expected, conditions, stack) for name in names}
        ceilings = []
        for number in range(conditions.rounds):
            ceilings.append(ceiling.call("rates", CEILINGS))
            for contestant in _running(contestants, number):
                if not _known_well(contestant):
                    _run(contestant)
        for contestant in _running(contestants, 0):
            _finish(contestant, expected, versions)
    peers = [_result(contestant, expected) for contestant in contestants.values()]
    return (
        WorkloadResult(
            workload=workload,
            tokens=expected.tokens,
            flop_per_token=expected.flop_per_token,
            peers=peers,
            ceilings=ceilings,
        ),
        versions,
    )


def _start(name: str, workload: Workload, expected: Expected, conditions: Conditions, stack: ExitStack) -> _Contestant:
    """Load, check and tune a peer."""
    target = conditions.cache / "scored" / f"{workload.name}-{name}.parquet"
    target.parent.mkdir(parents=True, exist_ok=True)
    contestant = _Contestant(name=name, target=target)
    missing = PEERS[name].missing()
    if missing:
        contestant.failure = f"needs {', '.join(missing)}: pip install -c constraints.txt -e '.[bench]'"
        return contestant
    setup = Setup(
        model=conditions.model,
        exports=conditions.cache / f"exports-{conditions.model.name}",
        column=COLUMN,
        max_length=workload.max_length,
        threads=conditions.threads,
    )
    contestant.remote = stack.enter_context(
        Remote("harness.trial:Trial", name, setup, workload.path, target, threads=conditions.threads)
    )
    try:
        contestant.loaded = contestant.remote.call("load")
        contestant.remote.call("check", expected.file)
        contestant.about = contestant.remote.call("tune")
        _say(f"{workload.name}: {name} loaded, {contestant.about}")
    except CallFailed as error:
        _give_up(contestant, error)
    return contestant


def _running(contestants: dict[str, _Contestant], number: int) -> Iterator[_Contestant]:
    for name in rotated(list(contestants), number):
        if contestants[name].failure is None:
            yield contestants[name]


def _known_well(contestant: _Contestant) -> bool:
    """Whether more rounds would only take time: a long pass differs little from the next, and from others a lot."""
    slow = [run for run in contestant.runs if run.seconds > SLOW_SECONDS]
    return len(slow) >= SLOW_ROUNDS


def _run(contestant: _Contestant) -> None:
    assert contestant.remote is not None
    try:
        run: Run = contestant.remote.call("run")
    except CallFailed as error:
        _give_up(contestant, error)
        return
    contestant.runs.append(run)
    _say(f"  {contestant.name}: {run.seconds:.2f} s")


def _finish(contestant: _Contestant, expected: Expected, versions: dict[str, str]) -> None:
    """Compare what the last round wrote."""
    assert contestant.remote is not None
    try:
        contestant.about = contestant.remote.call("describe")
        versions.update(contestant.remote.call("versions"))
    except CallFailed as error:
        _give_up(contestant, error)
        return
    contestant.agreement = compare(contestant.target, expected.probabilities, expected.labels)


def _give_up(contestant: _Contestant, error: CallFailed) -> None:
    """A peer that cannot run is told in the results; the others are measured."""
    print(error, file=sys.stderr, flush=True)
    contestant.failure = str(error).strip().splitlines()[-1][:200]


def _result(contestant: _Contestant, expected: Expected) -> PeerResult:
    return PeerResult(
        name=contestant.name,
        form=PEERS[contestant.name].form,
        tokens=expected.tokens,
        about=contestant.about,
        loaded=contestant.loaded,
        runs=contestant.runs,
        agreement=contestant.agreement,
        failure=contestant.failure,
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
