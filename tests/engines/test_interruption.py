"""Runs that are stopped or killed in the middle, in processes of their own, go on to the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

import scorer
from scorer.errors import Busy
from tests.models import sentences
from tests.scoring.files import write

ROOT = Path(__file__).parents[2]
ROWS = 8_000
OPTIONS = {"precision": "fp32", "window_rows": 200, "batch_tokens": 512}


@pytest.fixture(scope="module")
def model(tiny_model) -> Path:
    return tiny_model("bert")


def start(source: Path, target: Path, model: Path) -> subprocess.Popen[str]:
    """The score command; it has written some windows, but by far not all, when this returns."""
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in OPTIONS.items()]
    process = subprocess.Popen(
        [sys.executable, "-m", "scorer", "score", str(source), str(target), "-m", str(model), *flags],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    partial = target.with_name(target.name + ".unfinished") / f"partial.{target.name}"
    begun = written(partial)
    deadline = time.monotonic() + 60
    while process.poll() is None and written(partial) <= max(begun, 20_000):
        assert time.monotonic() < deadline, "nothing was written within a minute"
        begun = min(begun, written(partial))
        time.sleep(0.01)
    assert process.poll() is None, f"ended too early: {process.communicate()[1]}"
    return process


def written(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def test_a_run_that_is_stopped_and_then_killed_ends_with_the_bytes_of_one_that_was_not(tmp_path, model):
    texts = [f"{text} {number}" for number, text in enumerate(sentences(ROWS, seed=21))]
    texts[ROWS // 2 :: 7] = texts[: len(texts[ROWS // 2 :: 7])]
    source = write(tmp_path / "in.parquet", pa.table({"n": range(ROWS), "text": texts}))
    target, whole = tmp_path / "out.parquet", tmp_path / "whole.parquet"
    uninterrupted = scorer.score(source, whole, model=str(model), **OPTIONS)

    stopped = start(source, target, model)
    with pytest.raises(Busy, match=f"process {stopped.pid} is writing this output"):
        scorer.score(source, target, model=str(model), **OPTIONS)
    stopped.send_signal(signal.SIGINT)
    out, error = stopped.communicate(timeout=60)
    assert stopped.returncode == 130
    assert out == ""
    assert error == "scorer: error: interrupted; what was done so far is kept for a run that goes on from it\n"
    assert not target.exists()

    killed = start(source, target, model)
    killed.kill()
    killed.communicate(timeout=60)
    assert not target.exists()

    summary = scorer.score(source, target, model=str(model), **OPTIONS)
    assert summary.rows == ROWS
    assert summary.reused_rows > uninterrupted.reused_rows
    assert target.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet", "out.parquet", "whole.parquet"]


def test_a_run_that_waits_for_its_input_stops_at_the_first_signal(tmp_path, model):
    (tmp_path / "spool").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "scorer", "score", "-", str(tmp_path / "out.parquet"), "-m", str(model)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "spool")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    # More than is looked at to tell the format, so that the copy has begun; the end does not come.
    process.stdin.write(b"text\n" + b"good room\n" * 1_000)
    process.stdin.flush()
    deadline = time.monotonic() + 60
    while not list((tmp_path / "spool").glob("scorer-stdin-*")):
        assert time.monotonic() < deadline, "nothing was copied within a minute"
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    try:
        assert process.wait(timeout=30) == 143
    finally:
        process.kill()
        process.communicate()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["spool"]
