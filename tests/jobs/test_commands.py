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
        timeout=1200,
        env=environment | {"HF_HUB_OFFLINE": "1"},
    )


@pytest.mark.slow
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


@pytest.mark.slow
def test_forward_speed_measures_every_budget(tmp_path, tiny_model):
    model = tiny_model(max_positions=256)
    options = ["--backends", "packed", "--precisions", "fp32", "--budgets", 256, 512, "--rounds", 1, "--threads", 1]
    done = run("forward_speed.py", "--model", model, "--cache", tmp_path, "--limit", 16, *options)
    assert done.returncode == 0, done.stderr
    assert [line.split()[2] for line in done.stdout.splitlines() if line.startswith("packed")] == ["256", "512"]


@pytest.mark.slow
def test_frames_speed_compares_every_way_with_a_file(tiny_model):
    done = run("frames_speed.py", "--model", tiny_model(), "--rows", 300)
    assert done.returncode == 0, done.stderr
    ways = [line.split()[0] for line in done.stdout.splitlines()[1:]]
    assert ways == ["file", "polars", "polars-streaming", "duckdb", "datasets", "pandas"]


@pytest.mark.slow
def test_score_gpu_runs_on_a_cpu_with_few_rows(tmp_path):
    few = [
        "--shape",
        "tiny",
        "--rows",
        40,
        "--pipeline-rows",
        10,
        "--default-rows",
        0,
        "--fit-rows",
        0,
        "--cache",
        tmp_path,
    ]
    done = run("score_gpu.py", "--device", "cpu", "--precision", "fp32", *few)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["scorer"]["rows"] == 40
    assert found["scorer"]["tokens_per_second"] > 0
    assert found["pipeline"]["batch_size"] in map(int, found["pipeline"]["all"])
    assert (found["pipeline"]["rows"], found["pipeline"]["flips"]) == (10, 0)
    assert found["pipeline"]["largest_difference"] < 1e-5
    assert found["matrix_tflops"] > 0


@pytest.mark.slow
def test_what_a_gpu_is_asked_for_runs_on_a_cpu_and_writes_one_table(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SCORER_")}
    environment |= {"DEVICE": "cpu", "OUT": str(tmp_path / "out"), "PYTHON": sys.executable, "CACHE": str(tmp_path)}
    for part in ("1", "2"):
        done = subprocess.run(
            ["bash", str(BENCH / "gpu" / "plan.sh"), part],
            capture_output=True,
            text=True,
            check=False,
            timeout=3000,
            env=environment,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.strip("| ").split(" | ") for line in (tmp_path / "out" / "table.md").read_text().splitlines()]
    steps = {row[0] for row in rows[2:]}
    assert {"score", "of the matrix rate", "times the pipeline", "same labels as fp32", "forward"} <= steps
    assert {"score, reuse on, no text twice", "fit, times the plain script"} <= steps
    assert not any("failed" in row[2] for row in rows[2:])
    errors = [float(row[2].partition("error ")[2]) for row in rows[2:] if row[0] == "forward"]
    assert errors
    assert max(errors) < 1e-5
    assert "# tiny, as it is, 256 tokens" in (tmp_path / "out" / "profile.txt").read_text()


def test_a_plan_that_is_not_there_is_a_usage_error(tmp_path):
    command = ["bash", str(BENCH / "gpu" / "plan.sh"), "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"OUT": str(tmp_path)})
    assert done.returncode == 2
    assert "plan.sh 1|2" in done.stderr


def test_the_table_says_what_is_wanted_and_what_failed(tmp_path):
    scored = {
        "shape": "bert-base",
        "precision": "fp16",
        "scorer": {
            "tokens_per_second": 2.8e6,
            "of_matrix_rate": 0.61,
            "device_idle_share": 0.02,
            "engine": {"batch_tokens": 32768},
        },
        "fit": {"missing": "accelerate"},
    }
    lines = ["{'no': json}", json.dumps(scored, indent=2), "{", "rest"]
    (tmp_path / "score.txt").write_text("\n".join(lines))
    (tmp_path / "forward.txt").write_text(
        json.dumps({"shape": "tiny", "length": 9, "spread": 1, "way": "folded", "failed": "a | b"})
    )
    (tmp_path / "tests.txt").write_text("...\n==== 89 passed in 3 s ====\n")
    subprocess.run([sys.executable, str(BENCH / "gpu" / "table.py"), str(tmp_path)], check=True, capture_output=True)
    found = (tmp_path / "table.md").read_text().splitlines()
    of = "bert-base in fp16, 32,768 tokens a batch"
    assert found[2:] == [
        "| tests | pytest -m gpu | 89 passed in 3 s | all passed |",
        f"| score | {of} | 2,800,000 tokens/s | at least 2,700,000 tokens/s |",
        f"| of the matrix rate | {of} | 0.61 | at least 0.60 |",
        f"| idle | {of} | 2.0% | at most 3% |",
        f"| fit, times the plain script | {of} | lacks accelerate | at least 2 |",
        "| forward | tiny, 9 tokens, 1 fewer at most: folded | failed: a / b | no failure |",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("script", ["overhead_speed.py", "cache_speed.py"])
def test_what_a_job_costs_beside_its_model_is_measured_without_real_data(tmp_path, tiny_model, script):
    model = tiny_model(max_positions=256)
    done = run(script, "--model", model, "--cache", tmp_path, "--rows", 40, "--rounds", 1)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("40 rows") if script == "overhead_speed.py" else "38 of them known" in done.stdout


@pytest.mark.slow
def test_the_server_is_measured(tmp_path, tiny_model):
    options = ["--cache", tmp_path, "--rows", 300, "--rounds", 1, "--clients", 8, "--idle", 5]
    done = run("serve_speed.py", "--model", tiny_model(max_positions=256), *options)
    assert done.returncode == 0, done.stderr
    assert [line.partition(":")[0] for line in done.stdout.splitlines()[1:]] == [
        "8 clients, 1 a request",
        "8 clients, 16 a request",
        "idle, one text",
    ]


@pytest.mark.slow
def test_exports_are_measured(tmp_path, tiny_model):
    (tmp_path / "rows.csv").write_text("text\na good room\na bad soup\n")
    done = run("export_speed.py", tiny_model(), tmp_path / "rows.csv", "--rounds", 1, "--runtimes", "onnx")
    assert done.returncode == 0, done.stderr
    assert "onnx takes" in done.stdout
    assert [line.split(":")[0] for line in done.stdout.splitlines() if "MB" in line] == ["onnx, fp32", "onnx, int8"]
    assert done.stdout.count("rows.csv texts: 2 rows") == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_score_gpu_says_so_where_there_is_no_gpu(tmp_path):
    done = run("score_gpu.py", "--cache", tmp_path)
    assert done.returncode == 1
    assert "no CUDA device; --device cpu" in done.stderr


@pytest.mark.slow
def test_fit_company_compares_a_fit_alone_with_one_beside_others(tmp_path):
    train = tmp_path / "train.csv"
    train.write_text("text,label\n" + "good room,yes\nbad room,no\n" * 20, encoding="utf-8")
    done = run("fit_company.py", train, "--rounds", 1)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith("times as long, median of 1")
