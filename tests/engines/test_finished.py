"""A job that is finished already is answered at once: no torch, no weights, no rows; and any other job is not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scorer
from scorer.classifier.directory import open_model
from scorer.classifier.execution import Execution
from scorer.classifier.known_executions import KnownExecution, library_version
from scorer.classifier.labels import LabelSet
from scorer.classifier.metadata import ModelMetadata, known_sha256, sha256
from scorer.config import FrameConfig
from scorer.errors import ModelError
from scorer.stores.fingerprints import KnownHashes
from tests.models import sentences

ROOT = Path(__file__).parents[2]
# Of that, the import of pyarrow.parquet takes half.
SLOWER_THAN_CLICK = 8
ENGINE = Execution(
    device="cpu", precision="bf16", backend="packed", reason="", workers=2, batch_tokens=64, max_length=9
)

# What the run has loaded is printed on the way out.
CODE = """
import atexit, runpy, sys
heavy = ("torch", "transformers", "tokenizers", "polars", "pyarrow.compute", "scorer.scoring.shards", "scorer.cli.fit")
atexit.register(lambda: print("loaded", *(name for name in heavy if name in sys.modules), file=sys.stderr))
runpy.run_module("scorer", run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def directory(tiny_model):
    return open_model(str(tiny_model("bert")))


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"text": sentences(40, seed=3)}), path)
    an_hour_ago = time.time() - 3600
    os.utime(path, (an_hour_ago, an_hour_ago))
    return path


@pytest.fixture
def score(tmp_path, source, tiny_model):
    """`score(*options)`: the job in a process of its own; its summary, what it loaded, how it ended."""

    def score(*options: str, code: int = 0):
        arguments = ("score", str(source), str(tmp_path / "out.parquet"), "-m", str(tiny_model("bert")), *options)
        done = subprocess.run(
            [sys.executable, "-c", CODE, *arguments],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "xdg")},
        )
        assert done.returncode == code, done.stderr
        loaded = done.stderr.splitlines()[-1].split()[1:]
        return json.loads(done.stdout) if done.stdout else {}, loaded

    return score


def test_a_finished_job_is_answered_without_torch(score, tmp_path):
    first, loaded = score("--precision", "fp32")
    assert not first["finished_before"]
    assert "torch" in loaded
    before = (tmp_path / "out.parquet").stat()
    again, loaded = score("--precision", "fp32", "--report", str(tmp_path / "report.json"))
    assert (again["finished_before"], loaded) == (True, [])
    for name in ("rows", "statuses", "engine", "output", "rejected", "drift"):
        assert again[name] == first[name], name
    after = (tmp_path / "out.parquet").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    manifest = json.loads((tmp_path / "report.json").read_text())
    assert (manifest["exit_code"], manifest["job"]["options"]["precision"]) == (0, "fp32")


def test_another_job_is_refused_without_torch_and_left_as_it_is(score, source, tmp_path):
    score("--precision", "fp32")
    written = (tmp_path / "out.parquet").read_bytes()
    _, loaded = score("--precision", "fp32", "--token-count", code=73)
    assert loaded == []
    pq.write_table(pa.table({"text": sentences(41, seed=3)}), source)
    _, loaded = score("--precision", "fp32", code=73)
    assert loaded == []
    assert (tmp_path / "out.parquet").read_bytes() == written


def test_limits_hold_for_what_stands(score):
    score("--precision", "fp32")
    _, loaded = score("--precision", "fp32", "--min-rows", "41", code=65)
    assert loaded == []


def test_where_nobody_knows_what_auto_comes_to_torch_is_asked(score, tmp_path):
    score("--precision", "fp32")
    for entry in (tmp_path / "xdg").rglob("*.json"):
        entry.write_text("{")
    again, loaded = score("--precision", "fp32")
    assert again["finished_before"]
    assert "torch" in loaded


@pytest.fixture
def decayed(tmp_path, monkeypatch):
    """`decayed(model)`: flip a bit of the weights, leave their times, and let the memory of hashes vouch for them."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))

    def decay(model: Path) -> None:
        weights = model / "model.safetensors"
        status, was = weights.stat(), sha256(weights)
        with weights.open("r+b") as stream:
            stream.seek(-2, os.SEEK_END)
            (byte,) = stream.read(1)
            stream.seek(-2, os.SEEK_END)
            stream.write(bytes([byte ^ 1]))
        os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns))
        replace(KnownHashes.of_user(), settled_seconds=-60).hash_of(weights, "sha256", lambda _: was)
        assert known_sha256(weights) == was != sha256(weights)

    return decay


def test_weights_that_decayed_are_seen_before_they_are_loaded(source, tmp_path, tiny_model, decayed):
    model, out = tmp_path / "model", tmp_path / "out.parquet"
    shutil.copytree(tiny_model("bert"), model)
    labels = LabelSet.from_values([1, 2, 3, 4, 5])
    ModelMetadata(base_model="b", text_columns=("text",), label_column="l", labels=labels, max_length=64).write(model)
    scorer.score(source, out, model=model, precision="fp32")
    # Once more: torch, which is imported by now, sets variables that count.
    assert scorer.score(source, out, model=model, precision="fp32").finished_before
    written = out.read_bytes()
    decayed(model)
    # What is finished needs no weights.
    assert scorer.score(source, out, model=model, precision="fp32").finished_before
    for target, options in ((tmp_path / "other.parquet", {}), (out, {"force": True, "token_count": True})):
        with pytest.raises(ModelError, match=r"model\.safetensors: changed since"):
            scorer.score(source, target, model=model, precision="fp32", **options)
    assert out.read_bytes() == written
    assert not (tmp_path / "other.parquet").exists()


def test_a_model_that_names_no_hashes_is_what_its_bytes_are_when_it_is_loaded(tmp_path, tiny_model, decayed):
    model = tmp_path / "model"
    shutil.copytree(tiny_model("bert"), model)
    before = open_model(str(model)).fingerprint
    decayed(model)
    found = open_model(str(model), by_times=True)
    assert found.fingerprint == before
    assert found.for_loading().fingerprint == open_model(str(model)).fingerprint != before


def test_an_engine_is_recalled_for_the_same_question_alone(directory, tiny_model, tmp_path, monkeypatch):
    asked = FrameConfig(precision="bf16")
    assert KnownExecution(asked, directory, folder=tmp_path).recall() is None
    KnownExecution(asked, directory, folder=tmp_path).remember(ENGINE)
    assert KnownExecution(asked, directory, folder=tmp_path).recall() == ENGINE
    others = (
        FrameConfig(),
        FrameConfig(precision="bf16", device="cpu"),
        FrameConfig(precision="bf16", backend="padded"),
        FrameConfig(precision="bf16", max_length=9),
    )
    assert [KnownExecution(other, directory, folder=tmp_path).recall() for other in others] == [None] * 4
    assert KnownExecution(asked, open_model(str(tiny_model("roberta"))), folder=tmp_path).recall() is None
    assert KnownExecution(FrameConfig(precision="bf16", prefix="p"), directory, folder=tmp_path).recall() == ENGINE
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert KnownExecution(asked, directory, folder=tmp_path).recall() is None


def test_nothing_is_kept_where_nothing_can_be(directory, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.delenv("HOME")
    KnownExecution(FrameConfig(), directory).remember(ENGINE)
    assert KnownExecution(FrameConfig(), directory).recall() is None
    (tmp_path / "file").touch()
    KnownExecution(FrameConfig(), directory, folder=tmp_path / "file").remember(ENGINE)
    assert KnownExecution(FrameConfig(), directory, folder=tmp_path / "file").recall() is None


def test_versions_are_those_that_python_tells():
    named = ("torch", "transformers", "tokenizers", "numpy", "pyarrow", "click", "huggingface_hub", "Huggingface.Hub")
    assert [library_version(name) for name in named] == [version(name) for name in named]
    assert library_version("no-such-library") is None


def seconds_of(*command: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, *command], capture_output=True, check=True, cwd=ROOT)
    return time.perf_counter() - begun


@pytest.mark.stopwatch
def test_a_finished_job_is_answered_soon(score, source, tmp_path, tiny_model, monkeypatch):
    """In turns, and the best of each counts: the machine has other work. As in an installation, code is compiled."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(ROOT / ".cache" / "bytecode"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    score()
    job = ("-m", "scorer", "score", str(source), str(tmp_path / "out.parquet"), "-m", str(tiny_model("bert")))
    rounds = [(seconds_of("-c", "import click"), seconds_of(*job)) for _ in range(9)]
    click, ours = map(min, zip(*rounds, strict=True))
    print(f"click {click:.3f} s, a finished job {ours:.3f} s, {ours / click:.1f} times")  # noqa: T201
    assert ours <= SLOWER_THAN_CLICK * click
