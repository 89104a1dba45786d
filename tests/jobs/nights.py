"""Nights at a site: files that arrive by the day, the runs of the job files, and what may happen to them."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from scorer.automation.job_file import read_job
from scorer.automation.run_job import JobSummary, run_job
from scorer.config import RunConfig
from scorer.errors import Busy
from scorer.runs.console import Console
from tests.models import sentences

ROOT = Path(__file__).parents[2]
FIRST = date(2026, 3, 1)


def run(name: str, program: Sequence[str], **options: Any) -> JobSummary:
    """A run of the job file `name` of this site, whose steps `program` does. Its own folder is the site's."""
    path = Path("jobs") / name
    said = {key: value for key, value in read_job(path).said.items() if key != "folder"}
    return run_job(RunConfig(job=path, **{**said, **options}), Console(), today=FIRST, program=program)


@dataclass
class Nights:
    """The site in the current folder. `days` have had their files; `made` counts rows, so that no two are alike."""

    program: Sequence[str]
    draw: random.Random
    days: list[date] = field(default_factory=list)
    made: int = 0

    def day(self, number: int) -> date:
        return FIRST + timedelta(days=number)

    def arrive(self, day: date, *, files: int | None = None) -> None:
        """The files of `day`."""
        self.days.append(day)
        for number in range(files or self.draw.randint(1, 3)):
            self.write(day, f"{number}.{self.draw.choice(('csv', 'parquet'))}", self.draw.randint(1, 9))

    def write(self, day: date, name: str, count: int) -> Path:
        path = Path(f"data/inbox/day={day}/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        texts = sentences(count, seed=self.made, longest=9)
        table = pa.table({"id": range(self.made, self.made + count), "text": texts})
        self.made += count
        pc.write_csv(table, path) if path.suffix == ".csv" else pq.write_table(table, path)
        return path

    def night(self, day: date, **options: Any) -> int:
        """The run of the night behind `day`; its exit code."""
        return run("nightly.toml", self.program, date=str(day + timedelta(days=1)), **options).as_dict()["exit_code"]

    def crash(self, day: date) -> None:
        """The run of the night behind `day` begins, and the machine stops."""
        command = [sys.executable, "-m", "tests.automation.driver", "jobs/nightly.toml", str(day + timedelta(days=1))]
        inherited = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen([*command, *self.program], env=inherited, stderr=subprocess.DEVNULL)
        journal = Path(f"data/scored/day={day}/.scorer/journal")
        deadline = time.monotonic() + 100
        while not journal.exists():
            assert time.monotonic() < deadline, "the run never came to its rows"
            time.sleep(0.002)
        step = int(Path("jobs/runs/nightly/lock").read_text())
        for number in (process.pid, step):
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL

    def after_a_crash(self, day: date) -> int:
        """The next run, as soon as what was killed is gone."""
        deadline = time.monotonic() + 60
        while True:
            try:
                if (code := self.night(day)) != Busy.exit_code:
                    return code
            except Busy:
                pass
            assert time.monotonic() < deadline, "the lock of a run that was killed stays"
            time.sleep(0.05)


def scored(folder: Path) -> dict[str, bytes]:
    """The bytes of all that is seen in `data/scored` of the site in `folder`."""
    root = folder / "data/scored"
    found = {path.relative_to(root): path for path in root.rglob("*") if path.is_file()}
    hidden = {name for name in found if any(part.startswith(".") for part in name.parts)}
    return {str(name): found[name].read_bytes() for name in found.keys() - hidden}


def rows_in(parts: dict[str, bytes]) -> int:
    """How many rows the manifests among the `parts` count."""
    manifests = (json.loads(content) for name, content in parts.items() if name.endswith("_manifest.json"))
    return sum(manifest["totals"]["rows"] for manifest in manifests)
