"""Workers make the same parts whatever happens to them, and none is left when the driver has gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scorer
from scorer.engines.processes import Share, shares
from tests.engines.test_folder_job import ALONE, seen
from tests.models import sentences

ROOT = Path(__file__).parents[2]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return thirty_files(tmp_path / "in")


def thirty_files(folder: Path) -> Path:
    """`folder`, made with as many files of different texts."""
    folder.mkdir()
    for number in range(30):
        texts = [f"{text} {number}" for text in sentences(30, seed=number)]
        pq.write_table(pa.table({"text": texts}), folder / f"{number:02}.parquet")
    return folder


def children(pid: int) -> list[int]:
    """The worker processes of `pid`: those that multiprocessing has spawned for work."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in listed if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def named(pid: int, what: str) -> list[int]:
    """The processes below `pid` whose command begins with `what`."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            parents = _parents(int(path.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
        if what in command and pid in parents:
            found.append(int(path.name))
    return found


def _parents(pid: int) -> set[int]:
    found: set[int] = set()
    while pid > 1 and pid not in found:
        found.add(pid)
        pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    return found


def start(source: Path, target: Path, model: Path, *more: str) -> subprocess.Popen[bytes]:
    arguments = ["score", str(source), f"{target}/", "-m", str(model), "--workers", "2", "--window-rows", "12"]
    arguments += ["--precision", "fp32", "--batch-tokens", "1", *more]
    return subprocess.Popen(
        [sys.executable, "-m", "scorer", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=ROOT
    )


def until(condition, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_worker_that_is_killed_costs_its_shard_alone(source, tmp_path, tiny_model):
    model = tiny_model("bert")
    process = start(source, tmp_path / "out", model)
    journal = tmp_path / "out" / ".scorer" / "journal"
    until(lambda: process.poll() is not None or (journal.exists() and b"published" in journal.read_bytes()))
    assert process.poll() is None
    os.kill(children(process.pid)[0], signal.SIGKILL)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    scorer.score(source, f"{tmp_path}/fresh/", model=model, **ALONE, window_rows=12)
    assert seen(tmp_path / "out") == seen(tmp_path / "fresh")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGKILL, -9), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_workers_end_with_their_driver_and_the_next_run_goes_on(source, tmp_path, tiny_model, number, code):
    process = start(source, tmp_path / "out", tiny_model("bert"))
    until(lambda: process.poll() is not None or len(children(process.pid)) == 2)
    workers = children(process.pid)
    journal = tmp_path / "out" / ".scorer" / "journal"
    until(lambda: process.poll() is not None or journal.exists())
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == code
    until(lambda: all(map(gone, workers)), 30)
    scorer.score(source, f"{tmp_path}/out/", model=tiny_model("bert"), **ALONE, window_rows=12)
    scorer.score(source, f"{tmp_path}/fresh/", model=tiny_model("bert"), **ALONE, window_rows=12)
    assert seen(tmp_path / "out") == seen(tmp_path / "fresh")


def test_a_shard_that_kills_each_worker_is_given_up(source, tmp_path, tiny_model):
    """Somebody kills every worker as soon as it is there."""
    process = start(source, tmp_path / "out", tiny_model("bert"))
    ended = threading.Event()

    def kill() -> None:
        while not ended.is_set():
            try:
                for child in children(process.pid):
                    os.kill(child, signal.SIGKILL)
            except (FileNotFoundError, ProcessLookupError):
                pass
            time.sleep(0.05)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        _, stderr = process.communicate(timeout=120)
    finally:
        ended.set()
        killer.join()
    assert process.returncode == 69
    assert b"ended 3 times (by signal SIGKILL)" in stderr


@pytest.mark.parametrize(
    ("workers", "gpus", "found"),
    [(2, 2, [Share(device="cuda:0"), Share(device="cuda:1")]), (3, 2, [Share(device=f"cuda:{n}") for n in (0, 1, 0)])],
)
def test_each_worker_has_a_gpu(workers, gpus, found):
    assert shares(workers, gpus=gpus) == found


def test_each_worker_has_cores_of_its_own():
    cores = sorted(os.sched_getaffinity(0))
    found = [core for share in shares(len(cores)) for core in share.cores]
    assert found == cores
    assert [len(share.cores) for share in shares(1)] == [len(cores)]
    assert all(len(share.cores) == 1 for share in shares(len(cores) + 3))
