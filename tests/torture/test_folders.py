"""Twelve changes of a folder, each under forty kills: the output is that of a fresh run, byte for byte."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.engines.test_folder_job import CHANGES, fill, seen
from tests.torture.launcher import Launcher

pytestmark = pytest.mark.torture
FILES = 50
KILLS = 40
# A row is computed alone; a shard has a few files.
HOW = ("--precision", "fp32", "--batch-tokens", "1", "--window-rows", "48", "--mirror")
OPTIONS: dict[str, tuple[str, ...]] = {"threshold": ("--probabilities",), "option": ("--prefix", "p_")}


def rows_of(folder: Path) -> Counter[tuple[str, Any]]:
    """How often each row is in the Parquet parts, by part and number."""
    found: Counter[tuple[str, Any]] = Counter()
    for path in folder.rglob("*.parquet"):
        if not path.relative_to(folder).parts[0].startswith("."):
            found.update((path.name, number) for number in pq.read_table(path)["id"].to_pylist())
    return found


@pytest.mark.parametrize("change", [*CHANGES, *OPTIONS, "model"])
def test_a_change_under_forty_kills(launcher: Launcher, tmp_path: Path, tiny_model: Callable[..., Path], change: str):
    source, target, fresh = (tmp_path / name for name in ("in", "out", "fresh"))
    fill(source, FILES)
    model = tiny_model("bert")
    chance = random.Random(change)

    def arguments(to: Path) -> list[str]:
        return ["score", str(source), f"{to}/", "-m", str(model), *HOW, *options]

    def seconds_of(to: Path) -> float:
        begun = time.monotonic()
        ended = launcher.run(arguments(to))
        assert ended.code == 0, ended.stderr
        return time.monotonic() - begun

    def kill(times: int, within: float, *, before: Path) -> None:
        """Kill so many runs at random moments. One that ended by then begins anew from what was there `before`."""
        killed = 0
        while killed < times:
            pid = launcher.start(arguments(target))
            time.sleep(chance.uniform(0.0, within))
            os.kill(pid, signal.SIGKILL)
            (ended,) = launcher.wait()
            assert ended.code in (0, -signal.SIGKILL), ended.stderr
            if ended.code == 0:
                shutil.rmtree(target)
                shutil.copytree(before, target)
            killed += ended.code != 0

    options: tuple[str, ...] = ()
    whole = seconds_of(tmp_path / "timed")
    nothing, half_done = tmp_path / "nothing", tmp_path / "half done"
    nothing.mkdir()
    kill(KILLS // 2, whole, before=nothing)
    shutil.copytree(target, half_done)
    if change in CHANGES:
        CHANGES[change][0](source)
    elif change in OPTIONS:
        options = OPTIONS[change]
    else:
        model = tiny_model("bert", seed=5)
    kill(KILLS - KILLS // 2, whole, before=half_done)
    seconds_of(target)
    seconds_of(fresh)
    found, wanted = seen(target), seen(fresh)
    stale = [name for name in wanted if found.get(name) != wanted[name]]
    lost, twice = rows_of(fresh) - rows_of(target), rows_of(target) - rows_of(fresh)
    print(f"{change}: {KILLS} killed, {len(stale)} stale, {len(lost)} lost, {len(twice)} twice")  # noqa: T201
    assert (stale, lost, twice, found.keys()) == ([], Counter(), Counter(), wanted.keys())
