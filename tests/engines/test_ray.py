"""Shards on a real Ray of this machine: the bytes of one process, whoever is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scorer
from scorer.errors import ConfigError, DeviceError
from tests.engines.test_folder_job import ALONE, seen
from tests.engines.test_processes import named, start, thirty_files
from tests.models import sentences

ray = pytest.importorskip("ray", reason="Ray is not installed (make test-ray)")

pytestmark = pytest.mark.ray

OPTIONS = ALONE | {"window_rows": 12}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return thirty_files(tmp_path / "in")


@pytest.fixture
def fresh(source, tmp_path, tiny_model) -> dict:
    scorer.score(source, f"{tmp_path}/fresh/", model=tiny_model("bert"), **OPTIONS)
    return seen(tmp_path / "fresh")


def until_published(process: subprocess.Popen[bytes], target: Path, seconds: float = 240) -> None:
    journal, deadline = target / ".scorer" / "journal", time.monotonic() + seconds
    while process.poll() is None and not (journal.exists() and b"published" in journal.read_bytes()):
        assert time.monotonic() < deadline, "nothing was ever published"
        time.sleep(0.02)
    assert process.poll() is None, process.stderr.read().decode()


def test_ray_writes_the_bytes_of_one_process_and_pieces_too(source, fresh, tmp_path, tiny_model):
    options = {"model": tiny_model("bert"), "workers": 2, **OPTIONS}
    summary = scorer.score(source, f"{tmp_path}/out/", engine="ray", **options)
    assert summary.rows == sum(pq.read_metadata(path).num_rows for path in source.rglob("*.parquet")) > 0
    assert seen(tmp_path / "out") == fresh
    large = tmp_path / "large.parquet"
    pq.write_table(pa.table({"text": sentences(400, seed=8)}), large, row_group_size=60)
    scorer.score(large, tmp_path / "ray.parquet", engine="ray", **options)
    scorer.score(large, tmp_path / "processes.parquet", **options)
    assert (tmp_path / "ray.parquet").read_bytes() == (tmp_path / "processes.parquet").read_bytes()
    assert not ray.is_initialized()


def test_an_actor_that_is_killed_costs_its_shard_alone(source, fresh, tmp_path, tiny_model):
    process = start(source, tmp_path / "out", tiny_model("bert"), "--engine", "ray")
    until_published(process, tmp_path / "out")
    actors = named(process.pid, "ray::_Actor")
    assert len(actors) == 2
    os.kill(actors[0], signal.SIGKILL)
    _, stderr = process.communicate(timeout=240)
    assert process.returncode == 0, stderr
    assert seen(tmp_path / "out") == fresh


def test_without_its_raylet_a_run_ends_and_the_next_goes_on(source, fresh, tmp_path, tiny_model):
    process = start(source, tmp_path / "out", tiny_model("bert"), "--engine", "ray")
    deadline = time.monotonic() + 240
    while process.poll() is None and len(named(process.pid, "ray::_Actor")) < 2:
        assert time.monotonic() < deadline, "no actor ever began"
        time.sleep(0.1)
    raylets = named(process.pid, "raylet/raylet")
    assert raylets
    for pid in raylets:
        os.kill(pid, signal.SIGKILL)
    _, stderr = process.communicate(timeout=240)
    assert process.returncode == 69, stderr
    assert b"Traceback" not in stderr
    scorer.score(source, f"{tmp_path}/out/", model=tiny_model("bert"), **OPTIONS)
    assert seen(tmp_path / "out") == fresh


def test_a_cluster_that_is_not_there_is_named(source, tmp_path, tiny_model):
    with pytest.raises(DeviceError, match=r"--address 127\.0\.0\.1:1: no Ray cluster answers"):
        scorer.score(
            source, f"{tmp_path}/out/", model=tiny_model("bert"), engine="ray", address="127.0.0.1:1", **OPTIONS
        )


def test_an_actor_that_says_nothing_is_given_up():
    from scorer.engines.ray import Actors, RayWorker, cluster

    class Silent:
        def lives(self):
            return True

        def score(self, _task):
            time.sleep(600)

    with cluster(None) as library:
        crew = Actors(library, places=1, cores=0, gpu=False, patience=1.0)
        actor = library.remote(max_concurrency=1)(Silent).remote()
        library.get(actor.lives.remote())
        worker = RayWorker(actor, lives=True)
        crew.give(worker, None)
        deadline = time.monotonic() + 60
        while not (came := crew.answers([worker], 0.2)):
            assert time.monotonic() < deadline
        assert came == [(worker, None)]
        assert crew.bury(worker) == "no answer for 1 s"


def test_what_is_wrong_with_a_file_is_said_as_ever(source, tmp_path, tiny_model):
    (source / "00.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(scorer.errors.DataError, match=r"00\.parquet"):
        scorer.score(source, f"{tmp_path}/out/", model=tiny_model("bert"), engine="ray", **OPTIONS)


def test_ray_is_named_where_it_is_missing(monkeypatch):
    from scorer.engines.ray import ray_library

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"pip install 'scorer\[ray\]'"):
        ray_library()


def test_ray_lays_parts_out_as_processes_do(source, tmp_path, tiny_model):
    options = {"model": tiny_model("bert"), "rows_per_file": 25, "partition_by": "score", **OPTIONS}
    scorer.score(source, f"{tmp_path}/here/", **options)
    scorer.score(source, f"{tmp_path}/ray/", engine="ray", workers=2, **options)
    found = seen(tmp_path / "ray")
    assert len(found) > 60
    assert found == seen(tmp_path / "here")
