"""The commands of jobs/bench, run as commands on a few rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

BENCH = Path(__file__).parents[2] / "jobs" / "bench"


def run(script, *arguments):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SCORER_")}
    return subprocess.run(
        [sys.executable, str(BENCH / script), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=environment | {"HF_HUB_OFFLINE": "1"},
    )


def test_score_speed_measures_and_prints_a_page(tmp_path, tiny_model):
    model = tiny_model(max_positions=256)
    common = ["--model", model, "--cache", tmp_path, "--limit", 16, "--rounds", 1, "--threads", 1]
    done = run("score_speed.py", *common, "--workload", "mixed", "--peers", "scorer-job")
    assert done.returncode == 0, done.stderr
    rows = [line.split(" | ")[0] for line in done.stdout.splitlines() if line.startswith("| scorer")]
    assert rows == ["| scorer-job"]
    assert "stand-ins" in done.stdout
    assert "Busy share of the stages" in done.stdout
    assert not (BENCH / "RESULTS.md").exists() or "16 rows" not in (BENCH / "RESULTS.md").read_text(encoding="utf-8")


def test_forward_speed_measures_every_budget(tmp_path, tiny_model):
    model = tiny_model(max_positions=256)
    options = ["--backends", "packed", "--precisions", "fp32", "--budgets", 256, 512, "--rounds", 1, "--threads", 1]
    done = run("forward_speed.py", "--model", model, "--cache", tmp_path, "--limit", 16, *options)
    assert done.returncode == 0, done.stderr
    assert [line.split()[2] for line in done.stdout.splitlines() if line.startswith("packed")] == ["256", "512"]


def test_score_gpu_runs_on_a_cpu_with_few_rows(tmp_path):
    few = ["--shape", "tiny", "--rows", 40, "--pipeline-rows", 10, "--cache", tmp_path]
    done = run("score_gpu.py", "--device", "cpu", "--precision", "fp32", *few)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["scorer"]["rows"] == 40
    assert found["scorer"]["tokens_per_second"] > 0
    assert found["pipeline"]["batch_size"] in map(int, found["pipeline"]["all"])
    assert (found["pipeline"]["rows"], found["pipeline"]["flips"]) == (10, 0)
    assert found["pipeline"]["largest_difference"] < 1e-5
    assert found["matrix_tflops"] > 0


@pytest.mark.parametrize("script", ["overhead_speed.py", "cache_speed.py"])
def test_what_a_job_costs_beside_its_model_is_measured_without_real_data(tmp_path, tiny_model, script):
    model = tiny_model(max_positions=256)
    done = run(script, "--model", model, "--cache", tmp_path, "--rows", 40, "--rounds", 1)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("40 rows") if script == "overhead_speed.py" else "38 of them known" in done.stdout


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_score_gpu_says_so_where_there_is_no_gpu(tmp_path):
    done = run("score_gpu.py", "--cache", tmp_path)
    assert done.returncode == 1
    assert "no CUDA device; --device cpu" in done.stderr
