"""A job file from its first check to its summary: which days, the lock, one run a day, and what is told of each.

Everything that the file alone shows to be wrong is found before anything is done, for all days. A day is a run of its
own, with its own manifest. The days that `--from` and `--to` name go on behind a day whose data is wrong or missing.
Behind anything else, such as a full disk, they do not, since it would be the same for the next one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

from scorer.automation.dates import days_between, parse_day
from scorer.automation.day_run import DayRun, Surroundings
from scorer.automation.hooks import Hooks
from scorer.automation.job_file import Job, Plan, read_job
from scorer.automation.job_metrics import job_metrics
from scorer.automation.run_folder import RunFolder
from scorer.automation.run_record import RunRecord
from scorer.automation.step_process import PROGRAM, PassedSignals
from scorer.config import RunConfig
from scorer.errors import (
    DataError,
    InputMissing,
    Interrupted,
    ScorerError,
    StepFailed,
    UsageError,
    exit_code_of,
    from_os_error,
    near,
)
from scorer.runs.console import Console
from scorer.stores.atomic import read_if_there, write_whole
from scorer.stores.checks import Inputs, check_files

# What may be wrong with one day and right with the next.
_OF_THE_DAY: Final = (DataError.exit_code, InputMissing.exit_code)


@dataclass
class JobSummary:
    """What a call of a job came to: the record of each day that was run, with the path of its manifest, and the days
    that were left since they had ended well before. `stopped` is the signal that came between two days."""

    job: str
    runs: list[tuple[RunRecord, Path]] = field(default_factory=list)
    left: list[date] = field(default_factory=list)
    stopped: int | None = None

    @property
    def failed(self) -> RunRecord | None:
        """The first run of which a step did not end well."""
        return next((record for record, _ in self.runs if record.failed is not None), None)

    @property
    def unheard(self) -> RunRecord | None:
        """The first run that ended well, but for its hook."""
        return next((record for record, _ in self.runs if record.failed is None and record.exit_code), None)

    @property
    def exit_code(self) -> int | None:
        """That of the first step that failed; else that of a signal; else that of a hook that failed."""
        if self.failed is not None:
            return self.failed.exit_code
        if self.stopped is not None:
            return 128 + self.stopped
        return self.unheard.exit_code if self.unheard is not None else 0

    def as_dict(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "job": self.job,
            "exit_code": self.exit_code,
            "days": {
                record.day.isoformat(): {
                    "exit_code": record.exit_code,
                    "reason": record.reason,
                    "steps": {step.name: step.outcome for step in record.steps},
                    "manifest": str(manifest),
                }
                for record, manifest in self.runs
            },
            "done_before": [day.isoformat() for day in self.left],
        }

    def refuse_failure(self) -> None:
        """StepFailed with the exit code of the first step that failed; Interrupted when a signal ended the call."""
        if (failed := self.failed) is None:
            if self.stopped is not None:
                raise Interrupted(self.stopped, "interrupted between two days; the same command does the others")
            if (unheard := self.unheard) is not None:
                assert unheard.exit_code, "a hook that ended well; this is a bug"
                raise StepFailed(unheard.exit_code, f"{unheard.day}: {unheard.reason}; all steps ended well")
            return
        step = failed.failed
        assert step is not None, "no step of it failed; this is a bug"
        assert failed.exit_code is not None, "the run goes on; this is a bug"
        if step.outcome == "interrupted":
            raise Interrupted(
                failed.exit_code - 128, f"{failed.day}: interrupted in step {step.name}; the same command goes on there"
            )
        raise StepFailed(
            failed.exit_code,
            f"{failed.file}: step {step.name} of {failed.day} ended with {step.exit_code}; --status says why",
        )


def go_to_folder(config: RunConfig) -> None:
    """Make the folder of `config` the current one, in which the steps work; this process is the run's own."""
    if config.folder is None:
        return
    try:
        os.chdir(config.folder)
    except OSError as error:
        raise from_os_error(error) from error


def run_job(config: RunConfig, console: Console, *, today: date, program: Sequence[str] = PROGRAM) -> JobSummary:
    """Do the steps of `config.job` for the days that `config` names, in the folder that it names, which is the current
    one then; each step is started as `program` with arguments.

    Raises ConfigError, InputMissing or UsageError for a wrong file or call, Busy when another run holds the job. How
    steps ended is in the summary.
    """
    job = read_job(config.job)
    days, several = days_of(config, today=today)
    folder = RunFolder(runs_of(config))
    summary = JobSummary(job.name)
    with PassedSignals() as signals, (hooks := Hooks(config, signals, console)).told_of_errors():
        go_to_folder(config)
        plans = plans_of(job, config, days)
        check_files({"--metrics": config.metrics}, Inputs([config.job]), force=True)
        with folder.held(config.job) as lease:
            around = Surroundings(folder=folder, lease=lease, signals=signals, console=console, program=program)
            for plan in plans:
                if signals.received is not None and summary.runs:
                    summary.stopped = signals.received
                    break
                run = DayRun(job, plan, config, around)
                if several and not config.force and run.is_done():
                    summary.left.append(plan.day)
                    continue
                hooks.manifest = run.manifest
                summary.runs.append((run.record, _do(run, config, folder, hooks)))
                hooks.manifest = None  # its hook has been called; an error from here on is none of that day
                failed = run.record.failed
                if failed is not None and failed.exit_code not in _OF_THE_DAY:
                    break
    return summary


def days_of(config: RunConfig, *, today: date) -> tuple[list[date], bool]:
    """The days of a call, and whether they are those that --from and --to name."""
    if config.from_ is None:
        if config.to is not None:
            raise UsageError(f"--to {config.to}: has no --from; say both, or --date for one day")
        return [parse_day(config.date, flag="--date") if config.date is not None else today], False
    if config.date is not None:
        raise UsageError(f"--date {config.date}: one day, and --from names several; leave one of the two out")
    first = parse_day(config.from_, flag="--from")
    last = parse_day(config.to, flag="--to") if config.to is not None else today
    if first > last:
        raise UsageError(f"--from {first}: behind the last day, {last}; say the earlier one first")
    return list(days_between(first, last)), True


def plans_of(job: Job, config: RunConfig, days: Sequence[date]) -> list[Plan]:
    """What is done on each of the `days`. ConfigError for what is wrong; UsageError for a step that there is not."""
    plans = [job.on(day) for day in days]
    if config.step is None:
        return plans
    names = [step.name for step in job.steps]
    if config.step not in names:
        close = near(config.step, names)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"
        raise UsageError(f"--step {config.step}: no step of {job.path} is called so; {hint}")
    return [plan.only(config.step) for plan in plans]


def runs_of(config: RunConfig) -> Path:
    """The folder of what the job keeps."""
    return config.runs or config.job.parent / "runs" / config.job.stem


def preview(config: RunConfig, *, today: date) -> dict[str, Any]:
    """`--check`: the commands of each day, when nothing is wrong with the file; errors as of `run_job`."""
    job = read_job(config.job)
    days, _ = days_of(config, today=today)
    return {"job": job.name, "days": dict(_commands(plans_of(job, config, days)))}


def _commands(plans: Sequence[Plan]) -> Iterator[tuple[str, dict[str, Any]]]:
    for plan in plans:
        steps = {step.name: {"needs": list(step.needs), "arguments": step.arguments()} for step in plan.steps}
        yield plan.day.isoformat(), steps


def _do(run: DayRun, config: RunConfig, folder: RunFolder, hooks: Hooks) -> Path:
    """Do the steps of a day, and let Prometheus and the hook know how they ended; the manifest. A run that was
    interrupted has no hook: it goes on later. An error of this process is in the manifest, if that can be written."""
    try:
        before = read_if_there(config.metrics) if config.metrics is not None else ""
        manifest = run.run()
        folder.keep(config.keep)
        _write_metrics(run.record, config, before)
    except Exception as error:
        with suppress(ScorerError, OSError):  # the first error is the one that counts
            run.fail(exit_code_of(error), str(error) if isinstance(error, ScorerError) else type(error).__name__)
        raise
    assert run.record.exit_code is not None, "the run goes on; this is a bug"
    if run.record.interrupted:
        return manifest
    code = hooks.call(run.record.exit_code)
    if code and not run.record.exit_code:
        run.fail(code, f"--on-success ended with {code}")
        _write_metrics(run.record, config, before)
    return manifest


def _write_metrics(record: RunRecord, config: RunConfig, before: str) -> None:
    """Write the metrics of a run; `before` is what the file held when it began."""
    if config.metrics is not None:
        write_whole(config.metrics, job_metrics(record, before=before))
