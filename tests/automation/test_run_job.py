"""The order of things in a job, by a program that stands in for scorer: steps, days, gates, locks, signals, hooks."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from scorer.automation.day_run import DayRun
from scorer.automation.run_folder import RunFolder
from scorer.automation.run_record import RunRecord
from scorer.automation.status import status_of
from scorer.automation.step_process import PROGRAM
from scorer.errors import (
    ANEW,
    Busy,
    ConfigError,
    InputMissing,
    Interrupted,
    OutputRefused,
    ScorerError,
    StepFailed,
    StorageError,
    UsageError,
)
from tests.automation.conftest import TODAY, Desk, kill
from tests.permissions import as_anybody

THREE = """
[steps.check]
data = "train.csv"
[steps.score]
source = "in/{date}/"
target = "out/"
[steps.again]
command = "score"
needs = ["check"]
source = "in/{date}/"
target = "again/"
"""
GATED = """
[steps.fit]
train = "train.csv"
output = "models/{date}"
[steps.evaluate]
data = "held-out.csv"
model = "models/{date}"
min_metric = "macro_f1=0.8"
report = "{date}.html"
[steps.diff]
old = "models/latest"
new = "models/{date}"
data = "held-out.csv"
[steps.gate]
model = "models/{date}"
[steps.score]
needs = []
source = "in/"
target = "out/"
"""


@pytest.fixture
def gated(desk: Desk) -> Desk:
    desk.write(GATED)
    for name in ("train.csv", "held-out.csv"):
        (desk.path / name).write_text("text,score\na,1\n")
    return desk


def latest() -> str:
    return str(Path("models/latest").readlink())


def test_steps_are_done_in_their_order_and_the_manifest_says_it(desk):
    desk.write(THREE)
    summary = desk.run()
    assert desk.calls() == [
        "check -- train.csv",
        "score -- in/2026-03-31/ out/",
        "score -- in/2026-03-31/ again/",
    ]
    ((record, path),) = summary.runs
    manifest = json.loads(path.read_text())
    assert manifest == record.as_document()
    assert path.parent == desk.path / "runs/job"
    assert (manifest["job"], manifest["date"]) == ("job", "2026-03-31")
    assert (manifest["exit_code"], manifest["reason"]) == (0, None)
    assert manifest["started"] <= manifest["ended"]
    assert [step["outcome"] for step in manifest["steps"]] == ["done"] * 3
    assert manifest["steps"][0]["summary"] == {"command": "check", "quiet": None}
    assert manifest["steps"][1]["arguments"] == ["score", "--", "in/2026-03-31/", "out/"]
    assert summary.as_dict()["days"]["2026-03-31"]["steps"] == dict.fromkeys(("check", "score", "again"), "done")
    summary.refuse_failure()


def test_a_step_that_fails_takes_with_it_what_needs_it_and_nothing_else(desk):
    desk.write(THREE.replace('needs = ["check"]', "needs = []"))
    desk.tell(check={"exit": 65, "reason": "train.csv: too few"})
    summary = desk.run()
    record = summary.failed
    assert [(step.name, step.outcome) for step in record.steps] == [
        ("check", "failed"),
        ("score", "skipped"),
        ("again", "done"),
    ]
    assert record.steps[1].reason == "needs check"
    assert (record.exit_code, record.reason) == (65, "check: train.csv: too few")
    with pytest.raises(StepFailed, match="step check of 2026-03-31 ended with 65") as raised:
        summary.refuse_failure()
    assert raised.value.exit_code == 65


def test_the_exit_code_is_that_of_the_first_step_that_fails(desk):
    desk.write(THREE)
    desk.tell(score={"exit": 74}, check={"exit": 0})
    assert desk.run().failed.exit_code == 74
    desk.tell(check={"kill": signal.SIGKILL})
    record = desk.run().failed
    assert (record.exit_code, record.reason) == (137, "check: by signal SIGKILL")


def test_one_step_is_done_with_what_it_needs(desk):
    desk.write(THREE)
    assert desk.outcomes(step="again") == {"check": "done", "again": "done"}
    with pytest.raises(UsageError, match="is called so; did you mean again"):
        desk.run(step="agin")


def test_each_day_of_several_is_done_once(desk):
    desk.write(THREE)
    desk.run(date="2026-03-30")
    desk.calls()
    desk.tell(score={"exit": 66})
    summary = desk.run(from_="2026-03-29")
    assert [str(record.day) for record, _ in summary.runs] == ["2026-03-29", "2026-03-31"]
    assert summary.left == [date(2026, 3, 30)]
    assert summary.failed.day == date(2026, 3, 29)
    desk.tell()
    desk.calls()
    summary = desk.run(from_="2026-03-29", to="2026-03-31")
    assert [str(record.day) for record, _ in summary.runs] == ["2026-03-29", "2026-03-31"]
    assert not desk.run(from_="2026-03-29").runs
    desk.calls()
    assert len(desk.run(from_="2026-03-29", force=True).runs) == 3
    assert "score --force -- in/2026-03-30/ out/" in desk.calls()


def test_a_step_that_has_changed_is_done_again_for_days_that_are_done(desk):
    desk.write(THREE)
    desk.run(from_="2026-03-30")
    desk.write(THREE.replace("again/", "elsewhere/"))
    assert len(desk.run(from_="2026-03-30").runs) == 2


def test_days_end_where_the_trouble_is_not_that_of_a_day(desk):
    desk.write(THREE)
    desk.tell(score={"exit": 74, "reason": "disk full"})
    summary = desk.run(from_="2026-03-29")
    assert [str(record.day) for record, _ in summary.runs] == ["2026-03-29"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"date": "31.3."}, "--date 31.3.: no day"),
        ({"to": "2026-03-01"}, "has no --from"),
        ({"from_": "2026-04-01"}, "behind the last day, 2026-03-31"),
        ({"from_": "2026-03-01", "date": "2026-03-01"}, "leave one of the two out"),
    ],
)
def test_days_that_cannot_be_meant_are_refused(desk, options, complaint):
    desk.write(THREE)
    with pytest.raises(UsageError, match=complaint):
        desk.run(**options)


def test_what_is_wrong_with_a_later_day_is_found_before_anything_is_done(desk):
    desk.write(THREE.replace("again/", "{date+9000y}"))
    with pytest.raises(ConfigError, match="no such day"):
        desk.run()
    assert desk.calls() == []


def test_the_first_model_needs_no_other_to_be_compared_with(gated):
    assert gated.outcomes() == {
        "fit": "done",
        "evaluate": "done",
        "diff": "stood",
        "gate": "done",
        "score": "done",
    }
    assert latest() == "2026-03-31"
    assert "fit --output=models/2026-03-31 --no-latest -- train.csv" in gated.calls()


@pytest.mark.parametrize("command", ["evaluate", "diff", "fit"])
def test_a_model_that_is_rejected_leaves_the_link(gated, command):
    gated.run(date="2026-03-24")
    gated.calls()
    gated.tell(**{command: {"exit": 65, "reason": "worse"}})
    summary = gated.run()
    outcomes = {step.name: step.outcome for step in summary.failed.steps}
    assert (outcomes[command], outcomes["gate"], outcomes["score"]) == ("failed", "skipped", "done")
    assert summary.failed.exit_code == 65
    assert latest() == "2026-03-24"
    assert not Path("models/latest-previous").exists()


def test_a_model_that_passes_takes_the_link_and_the_old_one_is_kept(gated):
    gated.run(date="2026-03-24")
    gated.run()
    assert latest() == "2026-03-31"
    assert str(Path("models/latest-previous").readlink()) == "2026-03-24"


def test_a_second_run_of_a_day_does_what_has_changed(gated):
    gated.run()
    gated.calls()
    assert gated.outcomes()["fit"] == gated.outcomes()["evaluate"] == "stood"
    gated.calls()
    (gated.path / "held-out.csv").write_text("text,score\nb,2\n")
    outcomes = gated.outcomes()
    assert (outcomes["fit"], outcomes["evaluate"], outcomes["diff"]) == ("stood", "done", "stood")
    called = gated.calls()
    assert any(call.startswith("evaluate") and " --force " in call for call in called)
    assert not any(call.startswith("fit") for call in called)


def test_force_does_not_replace_the_model_in_use_before_it_is_judged(gated):
    gated.run()
    gated.calls()
    outcomes = gated.outcomes(force=True)
    assert (outcomes["fit"], outcomes["gate"]) == ("failed", "skipped")
    assert not any(call.startswith("fit") for call in gated.calls())
    assert gated.outcomes(force=True, step="fit") == {"fit": "failed"}


def test_a_fit_that_cannot_go_on_from_what_it_left_begins_anew(desk):
    """As after an upgrade, when its job is described otherwise than before."""
    desk.write('[steps.fit]\ntrain = "train.csv"\noutput = "m"\n')
    Path("train.csv").write_text("text,score\na,1\n")

    def called(exit_code: int, reason: str, left: str) -> str:
        desk.tell(fit={"exit": exit_code, "reason": reason})
        desk.run()
        Path("m.unfinished").mkdir(exist_ok=True)
        Path("m.unfinished/job.json").write_text(left)
        (call,) = desk.calls()
        return call

    plain = "fit --output=m --no-latest -- train.csv"
    resumed, anew = plain.replace(" -- ", " --resume -- "), plain.replace(" -- ", " --force -- ")
    other = f"was left by another job; {ANEW}"
    assert called(137, "", "by the version before") == plain
    assert called(78, "no base model", "by the version before") == resumed, "nothing is wrong with what was left"
    assert called(78, other, "by the version before") == resumed
    assert called(78, "no base model", "by the version before") == anew
    assert called(137, "", "by this version") == anew, "it had not come so far as to delete that"
    assert called(137, "", "by this version") == resumed
    assert called(78, other, "by this version") == resumed
    desk.tell()
    assert desk.outcomes() == {"fit": "done"}
    assert desk.calls() == [anew]


def test_variables_count_for_what_a_step_is_known_by(gated, monkeypatch):
    gated.run()
    monkeypatch.setenv("SCORER_SLICE", "word")  # of evaluate alone
    outcomes = gated.outcomes()
    assert (outcomes["fit"], outcomes["evaluate"]) == ("stood", "done")
    monkeypatch.setenv("SCORER_QUIET", "1")
    outcomes = gated.outcomes()
    assert (outcomes["fit"], outcomes["evaluate"]) == ("stood", "stood")
    monkeypatch.setenv("SCORER_SEED", "7")  # of fit, whose model is in use
    assert gated.outcomes()["fit"] == "failed"


def test_a_run_that_was_interrupted_goes_on_in_its_step(gated):
    gated.tell(evaluate={"wait": True})
    process = gated.start()
    gated.wait_for("waiting")
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "interrupted in step evaluate; the same command goes on there" in said
    (known,) = gated.days.values()
    assert (known["fit"]["state"], known["evaluate"]["state"]) == ("done", "begun")
    gated.calls()
    gated.tell()
    assert gated.outcomes() == {"fit": "stood", "evaluate": "done", "diff": "stood", "gate": "done", "score": "done"}


def test_a_run_that_is_interrupted_calls_no_hook(gated):
    gated.write('on_failure = "touch failed"\n' + GATED)
    gated.tell(fit={"wait": True})
    process = gated.start()
    gated.wait_for("waiting")
    kill(process, signal.SIGINT)
    assert process.returncode == 130
    assert not (gated.path / "failed").exists()
    gated.tell(fit={"exit": 65})
    process = gated.start()
    process.communicate(timeout=60)
    assert process.returncode == 65
    assert (gated.path / "failed").exists(), "else nothing was seen above"


def test_a_signal_ends_a_hook_and_all_that_it_has_started(desk):
    desk.write('on_success = "sleep 300 & echo $! > number; touch waiting; wait"\n' + THREE)
    process = desk.start()
    desk.wait_for("waiting")
    try:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 143
    assert "--on-success ended with 143; all steps ended well" in said
    number = int(Path("number").read_text())
    deadline = time.monotonic() + 20
    while is_running(number):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    desk.run()  # nobody holds the job


def is_running(number: int) -> bool:
    """Whether there is a process of that number which is more than its entry in the table of processes."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except FileNotFoundError:
        return False


def test_a_run_that_is_killed_leaves_its_lock_to_its_step(gated):
    """While the step is at work no other run begins; then the next one goes on."""
    gated.tell(fit={"wait": True})
    process = gated.start()
    gated.wait_for("waiting")
    kill(process)
    with pytest.raises(Busy, match=r"job\.toml: process \d+ is running this job; try again later"):
        gated.run(on_failure="touch failed")
    assert not Path("failed").exists()
    (gated.path / "go").touch()
    gated.wait_for("models/2026-03-31")
    gated.tell()
    while True:
        try:
            outcomes = gated.outcomes()
            break
        except Busy:
            continue
    assert (outcomes["fit"], outcomes["gate"]) == ("stood", "done")
    (first, second) = sorted((gated.path / "runs/job").glob("*.json"))
    assert (json.loads(first.read_text())["ended"], json.loads(second.read_text())["exit_code"]) == (None, 0)


def test_only_one_of_two_runs_holds_the_job(gated):
    gated.tell(fit={"wait": True})
    process = gated.start()
    gated.wait_for("waiting")
    with pytest.raises(Busy):
        gated.run(date="2026-03-01")
    (gated.path / "go").touch()
    assert process.communicate(timeout=60)[0] is None
    assert process.returncode == 0


def test_hooks_know_the_manifest(desk):
    desk.write(THREE)
    hook = 'cp "$SCORER_MANIFEST" told && echo $SCORER_EXIT_CODE > code'
    desk.run(on_success=hook, on_failure="false")
    assert json.loads(Path("told").read_text())["exit_code"] == 0
    desk.tell(check={"exit": 65})
    desk.run(on_failure=hook, on_success="touch wrong")
    assert json.loads(Path("told").read_text())["exit_code"] == 65
    assert Path("code").read_text() == "65\n"
    assert not Path("wrong").exists()


def test_a_hook_that_fails_is_told(desk, capfd):
    desk.write(THREE)
    summary = desk.run(on_success="echo out; exit 3")
    with pytest.raises(StepFailed, match="--on-success ended with 3") as raised:
        summary.refuse_failure()
    assert raised.value.exit_code == summary.as_dict()["exit_code"] == 3
    desk.tell(check={"exit": 65})
    summary = desk.run(on_failure="exit 3")
    assert summary.as_dict()["exit_code"] == 65
    out, err = capfd.readouterr()
    assert out == ""
    assert "warning: --on-failure: the command ended with 3" in err


def test_a_hook_that_fails_is_in_the_manifest_the_status_and_the_metrics(desk):
    desk.write(THREE)
    desk.run(metrics="job.prom")
    before = success(Path("job.prom").read_text())
    ((record, path),) = desk.run(metrics="job.prom", on_success="exit 3").runs
    manifest = json.loads(path.read_text())
    assert (manifest["exit_code"], manifest["reason"]) == (3, "--on-success ended with 3")
    assert [step["outcome"] for step in manifest["steps"]] == ["done"] * 3
    assert status_of("job", RunFolder(path.parent))["runs"][0]["exit_code"] == 3
    metrics = Path("job.prom").read_text()
    assert 'scorer_job_exit_code{job="job"} 3' in metrics
    assert success(metrics) == before, "it is no success"
    assert not desk.run(from_="2026-03-31").runs, "the day is done all the same"
    assert record.exit_code == 3


def test_days_go_on_behind_one_whose_hook_failed(desk):
    desk.write(THREE)
    summary = desk.run(from_="2026-03-30", on_success="exit 3")
    assert [record.exit_code for record, _ in summary.runs] == [3, 3]
    desk.tell(check={"exit": 65})
    summary = desk.run(from_="2026-03-30", force=True, on_failure="exit 3")
    assert summary.as_dict()["exit_code"] == 65


def hears(command: str = "") -> str:
    """A hook that writes down what it is told."""
    return f'echo "$SCORER_EXIT_CODE $(cat "$SCORER_MANIFEST" | wc -c)" >> heard; {command}'


@pytest.mark.parametrize("gone", ["runs", "metrics"])
def test_a_run_that_cannot_write_its_own_files_calls_the_hook_for_failures(desk, gone):
    """Whatever it is; here the step removes the folder."""
    desk.write(THREE)
    Path("metrics").mkdir()
    broken = replace(desk, program=("/bin/sh", "-c", f"rm -r {gone}", "step"))
    with pytest.raises(ScorerError) as raised:
        broken.run(metrics="metrics/job.prom", on_failure=hears(), on_success="touch well")
    code, size = Path("heard").read_text().split()
    assert int(code) == raised.value.exit_code
    assert not Path("well").exists()
    if gone == "metrics":
        (path,) = Path("runs/job").glob("*.json")
        manifest = json.loads(path.read_text())
        assert int(size) == path.stat().st_size
        assert (manifest["exit_code"], "metrics" in manifest["reason"]) == (int(code), True)


def test_a_run_that_cannot_begin_calls_the_hook_for_failures(desk):
    desk.write(THREE)
    Path("runs").write_text("no folder")
    with pytest.raises(ScorerError) as raised:
        desk.run(on_failure=hears())
    assert Path("heard").read_text().split() == [str(raised.value.exit_code), "0"]
    Path("runs").rename("heard")
    with pytest.raises(OutputRefused):
        desk.run(metrics="none/job.prom", on_failure=hears())
    assert Path("heard").read_text().endswith("73 0\n")
    Path("heard").unlink()
    with pytest.raises(UsageError):
        desk.run(step="none", on_failure=hears())
    assert not Path("heard").exists()


def test_the_hook_for_failures_is_called_where_nobody_can_look_for_the_manifest(desk):
    desk.write(THREE)
    closing = replace(desk, program=("/bin/sh", "-c", "chmod 0 runs", "step"))
    try:
        with as_anybody(), pytest.raises((ScorerError, PermissionError)):
            closing.run(on_failure=hears())
    finally:
        Path("runs").chmod(0o755)
    assert Path("heard").read_text() == "77 0\n"


def test_the_hook_for_failures_hears_of_a_folder_that_is_not_there(desk):
    desk.write(THREE)
    with pytest.raises(InputMissing, match="not-mounted"):
        desk.run(folder=Path("not-mounted"), on_failure=hears())
    assert Path("heard").read_text().split() == ["66", "0"]
    Path("mounted").mkdir()
    desk.run(folder=Path("mounted"))
    assert Path.cwd() == desk.path / "mounted"
    assert desk.calls() == []
    assert len(Path("calls").read_text().splitlines()) == 3


def test_the_hook_for_failures_is_not_given_the_manifest_of_another_day(desk):
    desk.write(THREE)
    desk.run(date="2026-03-30")
    (desk.path / "runs/job/days/2026-03-30.json").write_text("{")
    with pytest.raises(ConfigError, match="not what a run wrote"):
        desk.run(from_="2026-03-29", on_failure=hears())
    assert Path("heard").read_text() == "78 0\n"


def test_a_run_whose_old_manifests_cannot_be_deleted_has_one_hook(desk):
    desk.write(THREE)
    for day in ("2026-03-28", "2026-03-29"):
        ((_, oldest),) = desk.run(date=day).runs
    oldest.unlink()
    oldest.mkdir()
    hook = 'cat "$SCORER_MANIFEST" >> told'
    with pytest.raises(ScorerError) as raised:
        desk.run(keep=1, metrics="job.prom", on_failure=hook, on_success="touch well")
    assert json.loads(Path("told").read_text())["exit_code"] == raised.value.exit_code
    assert not Path("well").exists()
    assert not Path("job.prom").exists(), "it is no success"


def test_a_hook_that_cannot_be_started_leaves_the_error_as_it_was(desk, capsys):
    desk.write(THREE)
    long = f": {'x' * 200_000}"
    ((record, _),) = desk.run(on_success=long).runs
    assert (record.exit_code, record.reason) == (126, "--on-success ended with 126")
    Path("runs").rename("elsewhere")
    Path("runs").touch()
    with pytest.raises(StorageError):
        desk.run(on_failure=long)
    assert "warning: --on-failure: the command ended with 126" in capsys.readouterr().err


@pytest.mark.parametrize("code", [0, 65])
def test_a_signal_from_before_a_hook_does_not_end_it(desk, monkeypatch, code):
    desk.write(THREE)
    desk.tell(check={"exit": code})
    end = RunRecord.end

    def interrupting(record):
        end(record)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(RunRecord, "end", interrupting)
    hook = "sleep 0.2; echo $SCORER_EXIT_CODE > heard"
    assert desk.run(on_success=hook, on_failure=hook).as_dict()["exit_code"] == code
    assert Path("heard").read_text() == f"{code}\n"


def test_hooks_find_the_programs_of_this_installation(desk, monkeypatch):
    """Cron and systemd call the command by its path, with a PATH of their own."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    desk.write(THREE)
    desk.run(on_success="command -v python3 > where && python3 -c 'import pyarrow' && echo $PATH >> where")
    found, path = Path("where").read_text().splitlines()
    assert Path(found).parent == Path(sys.executable).parent
    assert path.endswith(":/usr/bin:/bin")


def test_the_metrics_are_those_of_the_last_run(desk):
    desk.write(THREE)
    desk.run(metrics="job.prom")
    first = Path("job.prom").read_text()
    assert 'scorer_job_exit_code{job="job"} 0' in first
    assert 'scorer_job_step_exit_code{job="job",step="again"} 0' in first
    desk.tell(check={"exit": 65})
    desk.run(metrics="job.prom")
    second = Path("job.prom").read_text()
    assert 'scorer_job_exit_code{job="job"} 65' in second
    assert 'step="again"' not in second

    assert success(first) == success(second)


def success(metrics: str) -> str:
    """The line that says when a run last ended well."""
    (line,) = (line for line in metrics.splitlines() if line.startswith("scorer_job_last_success"))
    return line


def test_only_the_newest_manifests_are_kept_and_days_are_known_all_the_same(desk):
    desk.write(THREE)
    days = desk.run(from_="2026-03-28", keep=3)
    assert len(days.runs) == 4
    kept = sorted((desk.path / "runs/job").glob("*.json"))
    assert kept == [path for _, path in days.runs][-3:]
    assert not desk.run(from_="2026-03-28").runs


def test_a_damaged_memory_of_a_day_is_told(desk):
    desk.write(THREE)
    desk.run()
    path = desk.path / f"runs/job/days/{TODAY}.json"
    for text in ("{", "[]", '{"check": {"state": "done"}}', '{"check": 3}'):
        path.write_text(text)
        with pytest.raises(ConfigError, match="not what a run wrote; delete it"):
            desk.run()


def test_nothing_in_the_folder_of_the_data_is_run(desk):
    """A real step, which ends at once."""
    for name in ("json", "click", "scorer"):
        (desk.path / f"{name}.py").write_text("raise SystemExit(99)")
    desk.write(THREE)
    record = replace(desk, program=PROGRAM).run().failed
    assert (record.exit_code, record.reason) == (66, "check: train.csv: no such file or folder")


def test_quiet_is_passed_on(desk):
    desk.write(THREE)
    ((record, _),) = desk.run(quiet=True).runs
    assert record.steps[0].summary == {"command": "check", "quiet": "1"}


def test_a_signal_between_two_days_is_told(desk):
    desk.write(THREE)
    hook = "trap '' TERM; kill -TERM $PPID; sleep 0.2"
    summary = desk.run(from_="2026-03-29", on_success=hook)
    assert [str(record.day) for record, _ in summary.runs] == ["2026-03-29"]
    assert summary.as_dict()["exit_code"] == 143
    with pytest.raises(Interrupted, match="the same command does the others"):
        summary.refuse_failure()
    summary = desk.run(on_success=hook)
    assert summary.as_dict()["exit_code"] == 0  # nothing was left to do


def test_a_step_that_fails_while_a_signal_comes_has_failed(desk):
    desk.write(THREE)
    desk.tell(check={"wait": True, "stop": 65})
    process = desk.start()
    desk.wait_for("waiting")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 65


def test_a_file_beside_the_manifests_is_nobody_elses(desk):
    desk.write(THREE)
    desk.run()
    (desk.path / "runs/job/0000.json").write_text("mine")
    desk.run(keep=1)
    names = sorted(path.name for path in (desk.path / "runs/job").glob("*.json"))
    assert (names[0], len(names)) == ("0000.json", 2)


def test_a_signal_between_two_steps_begins_no_other(desk, monkeypatch):
    desk.write(THREE.replace('target = "again/"', 'target = "again/"\n'))
    note = DayRun._note

    def interrupting(self, record):
        note(self, record)
        if record.name == "check":
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(DayRun, "_note", interrupting)
    summary = desk.run()
    assert [(step.name, step.outcome) for step in summary.failed.steps] == [("check", "done"), ("score", "interrupted")]
    with pytest.raises(Interrupted) as raised:
        summary.refuse_failure()
    assert raised.value.exit_code == 143
    assert len(desk.calls()) == 1
