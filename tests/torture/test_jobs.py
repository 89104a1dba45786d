"""A job with a gate, killed at any moment: the same command, run again, ends as if nothing had happened.

Its steps are those of a stand-in, so that most of the time is that of `scorer run` itself.
"""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from scorer.errors import Busy
from tests.automation.conftest import TODAY, Desk, desk
from tests.automation.test_run_job import GATED

__all__ = ["desk"]
KILLS = 60


def holder(desk: Desk) -> int | None:
    """The process that has signed the lock."""
    path = desk.path / "runs/job/lock"
    text = path.read_text().strip() if path.exists() else ""
    return int(text) if text else None


def until_done(desk: Desk, **options: object) -> dict[str, str]:
    deadline = time.monotonic() + 60
    while True:
        try:
            return desk.outcomes(**options)
        except Busy:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.torture
def test_a_job_is_killed_at_any_moment(desk):
    desk.write(GATED)
    for name in ("train.csv", "held-out.csv"):
        (desk.path / name).write_text("text,score\na,1\n")
    draw = random.Random(20)
    begun = time.monotonic()
    desk.outcomes(date=str(TODAY))
    longest = time.monotonic() - begun
    before, found = str(TODAY), {"none": 0, "some": 0, "all": 0}
    for number in range(1, KILLS + 1):
        day = TODAY + timedelta(days=number)
        desk.calls()
        process = desk.start(day)
        if number % 4:  # else while it starts, which takes the longest
            desk.wait_for("calls")
        time.sleep(draw.uniform(0.0, longest))
        step = holder(desk)
        process.send_signal(signal.SIGKILL)
        if step is not None and draw.random() < 0.5:
            with suppress(ProcessLookupError):
                os.kill(step, signal.SIGKILL)
        process.communicate(timeout=60)
        done = len(desk.calls())
        found["none" if not done else "some" if done < 4 else "all"] += 1
        link = str(Path("models/latest").readlink())
        assert link in (before, str(day))
        outcomes = until_done(desk, date=str(day))
        assert set(outcomes.values()) <= {"done", "stood"}, outcomes
        assert str(Path("models/latest").readlink()) == str(day)
        assert str(Path("models/latest-previous").readlink()) == before
        assert Path(f"models/{day}/config.json").exists()
        assert sum(call.startswith("fit") for call in desk.calls()) <= 1
        before = str(day)
    print(f"killed before, in and behind the steps: {found}")  # noqa: T201  what a torture test found
    assert all(found.values())
