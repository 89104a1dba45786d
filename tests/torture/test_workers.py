"""A hundred workers, actors and raylets are killed: the folder is that of one process, and no run hangs."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scorer
from tests.engines.test_folder_job import ALONE, seen
from tests.engines.test_processes import children, named, start
from tests.models import sentences

pytestmark = pytest.mark.torture
FILES, ROWS = 60, 300
KILLS = {"processes": 25, "ray": 50, "raylet": 25}
# So much time (seconds) lies between two kills, and the oldest worker is killed: it has ended a shard by then, so
# that no shard is killed three times, which would end the run.
BETWEEN = 7.0
# A run of these files takes half a minute; one that takes so long (seconds) hangs.
PATIENCE = 240.0


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("in")
    for number in range(FILES):
        texts = [f"{text} {number}" for text in sentences(ROWS, seed=number)]
        pq.write_table(pa.table({"id": range(ROWS), "text": texts}), folder / f"{number:02}.parquet")
    return folder


@pytest.fixture(scope="module")
def fresh(source: Path, tmp_path_factory: pytest.TempPathFactory, tiny_model: Callable[..., Path]) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("fresh")
    scorer.score(source, f"{folder}/out/", model=tiny_model("bert"), window_rows=12, **ALONE)
    return seen(folder / "out")


def victims(pid: int, kind: str) -> list[int]:
    if kind == "processes":
        return children(pid)
    return named(pid, "ray::_Actor" if kind == "ray" else "raylet/raylet")


def publications(target: Path) -> int:
    journal = target / ".scorer" / "journal"
    return journal.read_bytes().count(b"published") if journal.exists() else 0


def kill_some(process: subprocess.Popen[bytes], kind: str, most: int, chance: random.Random) -> int:
    """Kill up to so many workers of a run, one after the other; how many died of it before the run had ended."""
    killed, seen_first = 0, dict[int, float]()
    begun = last = time.monotonic()
    wait = chance.uniform(0, 8) if kind == "raylet" else BETWEEN
    while process.poll() is None and killed < most:
        time.sleep(0.05)
        now = time.monotonic()
        assert now - begun < PATIENCE, f"the run hangs after {killed} kills"
        try:
            alive = victims(process.pid, kind)
        except (FileNotFoundError, ProcessLookupError):
            continue
        seen_first |= {one: now for one in alive if one not in seen_first}
        if kind == "raylet" and not has_actors(process.pid):
            last = now
        if not alive or now - last < wait:
            continue
        try:
            os.kill(min(alive, key=seen_first.__getitem__), signal.SIGKILL)
        except ProcessLookupError:
            continue
        last = now
        killed += process.poll() is None
        if kind == "raylet":
            break
    return killed


def has_actors(pid: int) -> bool:
    """Whether the run of `pid` has an actor. Where a raylet dies earlier, Ray itself ends the run, with 1."""
    return bool(named(pid, "ray::_Actor"))


@pytest.mark.parametrize("kind", KILLS)
def test_workers_that_are_killed_change_no_byte(
    source: Path, fresh: dict[str, bytes], tmp_path: Path, tiny_model: Callable[..., Path], kind: str
) -> None:
    if kind != "processes":
        pytest.importorskip("ray", reason="Ray is not installed (make test-ray)")
    engine = ("--engine", "local" if kind == "processes" else "ray")
    chance = random.Random(kind)
    killed, runs, ended_by_raylet, begun = 0, 0, 0, time.monotonic()
    while killed < KILLS[kind]:
        target = tmp_path / f"out-{runs}"
        runs += 1
        code = None
        while code != 0:
            process = start(source, target, tiny_model("bert"), *engine)
            before, published = killed, publications(target)
            killed += kill_some(process, kind, KILLS[kind] - killed, chance)
            _, stderr = process.communicate(timeout=PATIENCE)
            code = process.returncode
            assert code in ((0, 69) if kind == "raylet" else (0,)), stderr
            ended_by_raylet += code == 69
            assert killed > before or code == 0, stderr
            assert publications(target) >= published or code == 0
        assert seen(target) == fresh
    seconds = time.monotonic() - begun
    print(f"{kind}: {killed} killed in {runs} folders, {ended_by_raylet} runs ended with 69, {seconds:.0f} s")  # noqa: T201
