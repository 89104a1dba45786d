"""`scorer run` on the command line: one JSON document, the exit code of a step, where settings come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

JOB = '[steps.check]\ndata = "train-{date}.csv"\n'


@pytest.fixture
def job(tmp_path):
    """A job whose step finds no file, so that it ends at once: 66."""
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs/nightly.toml").write_text('keep = 7\nfolder = ".."\n' + JOB)
    return "jobs/nightly.toml"


def test_the_exit_code_and_the_summary_are_those_of_the_step(cli, job, tmp_path):
    ran = cli("run", job, "--date", "2026-03-31")
    assert ran.code == 66
    (line,) = ran.out.splitlines()
    found = json.loads(line)
    assert (found["job"], found["exit_code"]) == ("nightly", 66)
    day = found["days"]["2026-03-31"]
    assert day["reason"] == "check: train-2026-03-31.csv: no such file or folder"
    assert Path(day["manifest"]).parent == tmp_path / "jobs/runs/nightly"
    assert ran.err.splitlines()[-1].startswith("scorer: error: ")
    assert "step check of 2026-03-31 ended with 66" in ran.err


def test_a_check_shows_the_commands_and_does_nothing(cli, job, tmp_path):
    ran = cli("run", job, "--check", "--from", "2026-03-30", "--to", "2026-03-31")
    assert (ran.code, ran.err) == (0, "")
    commands = {day: steps["check"]["arguments"] for day, steps in json.loads(ran.out)["days"].items()}
    assert commands["2026-03-30"] == ["check", "--", "train-2026-03-30.csv"]
    assert list(commands) == ["2026-03-30", "2026-03-31"]
    assert not (tmp_path / "jobs/runs").exists()


def test_the_status_is_json_where_there_is_no_terminal(cli, job):
    empty = cli("run", job, "--status")
    assert json.loads(empty.out) == {"job": "nightly", "running": None, "runs": []}
    cli("run", job, "--date", "2026-03-31", "--quiet")
    (run,) = json.loads(cli("run", job, "--status").out)["runs"]
    assert (run["date"], run["exit_code"], run["steps"][0]["outcome"]) == ("2026-03-31", 66, "failed")


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["run", "none.toml"], 66, "none.toml: no such configuration file"),
        (["run", "JOB", "--step", "chek"], 2, "did you mean check?"),
        (["run", "JOB", "--keep", "0"], 2, "0 is not in the range"),
        (["run", "JOB", "--date", "tomorrow"], 2, "--date tomorrow: no day"),
        (["run", "JOB", "--to", "2026-01-01"], 2, "has no --from"),
        (["run"], 2, "Missing argument 'JOB'"),
    ],
)
def test_what_is_asked_wrong_is_one_line(cli, job, arguments, code, complaint):
    ran = cli(*[job if argument == "JOB" else argument for argument in arguments])
    assert (ran.code, ran.out, ran.err.count("\n")) == (code, "", 1)
    assert complaint in ran.err


def test_a_wrong_file_is_a_wrong_configuration(cli, job, tmp_path):
    (tmp_path / job).write_text(JOB + 'lable_column = "a"\n')
    ran = cli("run", job)
    assert (ran.code, ran.out) == (78, "")
    assert ran.err.endswith("nightly.toml: step check: unknown key 'lable_column'; did you mean 'label_column'?\n")


def test_a_flag_goes_before_a_variable_and_that_before_the_file(cli, job, tmp_path):
    for number in range(5):
        cli("run", job, "--date", f"2026-03-0{number + 1}", "--quiet")
    runs = tmp_path / "jobs/runs/nightly"
    assert len(list(runs.glob("*.json"))) == 5
    cli("run", job, "--quiet", SCORER_KEEP="3")
    assert len(list(runs.glob("*.json"))) == 3
    cli("run", job, "--quiet", "--keep", "2", SCORER_KEEP="3")
    assert len(list(runs.glob("*.json"))) == 2


def test_the_folder_is_seen_from_the_job_file(cli, job, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    cli("run", tmp_path / job, "--date", "2026-03-31")
    (tmp_path / "train-2026-03-31.csv").write_text("text,score\n" + "".join(f"word {n},{n % 2}\n" for n in range(60)))
    monkeypatch.chdir(tmp_path / "elsewhere")
    ran = cli("run", "../" + job, "--date", "2026-03-31", "--metrics", "job.prom")
    assert ran.code == 0
    assert (tmp_path / "job.prom").exists()
