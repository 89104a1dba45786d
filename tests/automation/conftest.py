"""What tests of jobs share: a folder with a job file, and its runs by a program in the place of scorer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from scorer.automation.run_job import JobSummary, run_job
from scorer.config import RunConfig
from scorer.runs.console import Console

ROOT = Path(__file__).parents[2]
STAND_IN = (sys.executable, "-S", "-E", str(Path(__file__).with_name("stand_in.py")))
TODAY = date(2026, 3, 31)


@dataclass
class Desk:
    """The folder `path`, which is the current one, with the job file `job.toml`."""

    path: Path
    program: tuple[str, ...] = STAND_IN

    def write(self, text: str) -> None:
        (self.path / "job.toml").write_text(text, encoding="utf-8")

    def tell(self, **commands: dict[str, Any]) -> None:
        """What each command is to do from now on."""
        (self.path / "told.json").write_text(json.dumps(commands))

    def run(self, **options: Any) -> JobSummary:
        config = RunConfig(job=self.path / "job.toml", **options)
        return run_job(config, Console(), today=TODAY, program=self.program)

    def outcomes(self, **options: Any) -> dict[str, str]:
        """What became of each step of a run of one day."""
        ((record, _),) = self.run(**options).runs
        return {step.name: step.outcome for step in record.steps}

    def calls(self) -> list[str]:
        """The commands that were called since this was last asked."""
        path = self.path / "calls"
        found = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return found

    def start(self, day: date = TODAY) -> subprocess.Popen[str]:
        """A run in a process of its own."""
        command = [sys.executable, "-m", "tests.automation.driver", str(self.path / "job.toml"), str(day)]
        return subprocess.Popen(
            [*command, *self.program],
            cwd=self.path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, name: str) -> None:
        deadline = time.monotonic() + 60
        while not (self.path / name).exists():
            assert time.monotonic() < deadline, f"{name} never came"
            time.sleep(0.005)

    @property
    def days(self) -> dict[str, Any]:
        """What is known of each day."""
        files = (self.path / "runs/job/days").glob("*.json")
        return {path.stem: json.loads(path.read_text()) for path in files}


def kill(process: subprocess.Popen[str], number: int = signal.SIGKILL) -> None:
    process.send_signal(number)
    process.wait(60)
    assert process.stderr is not None
    process.stderr.close()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("SCORER_"):
            monkeypatch.delenv(name)
    return Desk(tmp_path)
