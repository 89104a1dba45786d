"""What is shown of the last runs: who runs now, which was killed, why one failed."""

from __future__ import annotations

import json
import time

from scorer.automation.run_folder import RunFolder
from scorer.automation.status import status_of, status_table
from tests.automation.conftest import Desk, kill

JOB = '[steps.check]\ndata = "a.csv"\n[steps.score]\nsource = "in/"\ntarget = "out/"\n'


def status(desk: Desk) -> dict:
    return status_of("job", RunFolder(desk.path / "runs/job"))


def test_the_newest_run_comes_first_and_says_why_it_failed(desk):
    desk.write(JOB)
    assert status_table(status(desk)) == ["job: not running", "no run yet"]
    desk.run(date="2026-03-30")
    desk.tell(check={"exit": 65, "reason": "a.csv: no label"})
    desk.run(date="2026-03-31")
    found = status(desk)
    assert (found["running"], [run["date"] for run in found["runs"]]) == (None, ["2026-03-31", "2026-03-30"])
    head, names, first, second = status_table(found)
    assert (head, names.split()) == ("job: not running", ["date", "started", "exit", "seconds", "steps"])
    assert first.startswith("2026-03-31  20")
    assert first.endswith("65    0        check failed, score skipped (check: a.csv: no label)")
    assert second.endswith("0     0        check done, score done")


def test_a_run_is_at_work_until_it_ends_or_is_killed(desk):
    desk.write(JOB)
    desk.tell(score={"wait": True})
    process = desk.start()
    desk.wait_for("waiting")
    found = status(desk)
    assert found["running"] is not None
    assert (found["runs"][0]["reason"], found["runs"][0]["exit_code"]) == ("running", None)
    assert status_table(found)[0] == f"job: running: process {found['running']}"
    kill(process)
    assert status(desk)["runs"][0]["reason"] == "running"  # its step is, and holds the lock
    (desk.path / "go").touch()
    while status(desk)["running"]:
        time.sleep(0.01)
    assert status(desk)["runs"][0]["reason"] == "killed"
    assert status_table(status(desk))[2].endswith("check done (killed)")


def test_only_twenty_are_shown_and_a_damaged_one_is_no_trouble(desk):
    desk.write(JOB)
    desk.run()
    (path,) = (desk.path / "runs/job").glob("*.json")
    manifest = json.loads(path.read_text())
    for number in range(25):
        (path.parent / f"20260401T0230{number:02}.000000Z-12345678.json").write_text(json.dumps(manifest))
    (path.parent / "20990401T023000.000000Z-12345678.json").write_text("{")
    runs = status(desk)["runs"]
    assert (len(runs), runs[0]["reason"]) == (20, "not a manifest")
    assert len(status_table(status(desk))) == 22
