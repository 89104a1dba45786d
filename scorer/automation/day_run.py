"""One day of a job: its steps one after the other, each when what it needs has ended well.

What is known of the day is kept before and after each step, and the manifest is written anew with it. So a run that is
killed is known by what it left.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from scorer.automation.gate import no_rival, promote, refuse_in_use
from scorer.automation.job_file import Job, Plan
from scorer.automation.planned_step import PlannedStep
from scorer.automation.run_folder import RunFolder, StepMemory
from scorer.automation.run_record import RunRecord, StepRecord
from scorer.automation.standing import decide, memory_of
from scorer.automation.step_process import PROGRAM, Ended, PassedSignals, run_step
from scorer.config import GateConfig, RunConfig
from scorer.errors import ANEW, ScorerError, exit_code_of
from scorer.runs.console import Console
from scorer.stores.workspace import FileLease


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What all days of a run share: who holds the job's `folder`, where signals go, what starts a step."""

    folder: RunFolder
    lease: FileLease
    signals: PassedSignals
    console: Console
    program: Sequence[str] = PROGRAM


class DayRun:
    """The run of the `plan` of one day."""

    def __init__(self, job: Job, plan: Plan, config: RunConfig, around: Surroundings) -> None:
        self._plan = plan
        self._gates = tuple(gate for _, gate in job.on(plan.day).gates)  # those of other steps count, too
        self._config = config
        self._around = around
        self._memory = around.folder.recall(plan.day)
        self.record = RunRecord(job=job.name, file=str(job.path), day=plan.day)

    def is_done(self) -> bool:
        """Whether an earlier run ended well for this day, with every step as it is now."""
        known = (self._memory.get(step.name) for step in self._plan.steps)
        return all(
            memory is not None and memory.state == "done" and memory.settings == step.settings
            for memory, step in zip(known, self._plan.steps, strict=True)
        )

    @property
    def manifest(self) -> Path:
        """Where the manifest is, as soon as `run` has written it."""
        return self._around.folder.manifest(self.record.name)

    def run(self) -> Path:
        """Do what is to be done; the path of the manifest, which is complete."""
        self._write()
        for step in self._plan.steps:
            if self._around.signals.received is not None:
                self._note(_interrupted(step, self._around.signals.received))
                break
            self._note(self._outcome_of(step))
        self.record.end()
        return self._write()

    def fail(self, exit_code: int, reason: str) -> None:
        """Something else than a step made the run fail; the manifest says so."""
        self.record.fail(exit_code, reason)
        self._write()

    def _outcome_of(self, step: PlannedStep) -> StepRecord:
        if not self.record.well(step.needs):
            unwell = [name for name in step.needs if not self.record.well((name,))]
            return StepRecord(
                name=step.name, command=step.command, outcome="skipped", reason=f"needs {', '.join(unwell)}"
            )
        if reason := self._no_rival(step):
            compared = memory_of(step, None, self._memory.get(step.name), force=False)
            self._remember(step, replace(compared, state="done"))
            return StepRecord(name=step.name, command=step.command, outcome="stood", reason=reason)
        identity = step.identity() if step.can_stand else None
        known = self._memory.get(step.name)
        decision = decide(step, known, identity, force=self._config.force)
        begun = memory_of(step, identity, known, force=self._config.force)
        if decision.stands:
            self._remember(step, replace(begun, state="done"))
            return StepRecord(name=step.name, command=step.command, outcome="stood", reason="done before")
        self._remember(step, begun)
        done = self._do(step, decision.flags)
        self._remember(step, _after(done, begun, decision.flags))
        return done

    def _do(self, step: PlannedStep, flags: Sequence[str]) -> StepRecord:
        started = time.monotonic()
        if isinstance(step.config, GateConfig):
            ended, arguments = self._let_through(step.config), []
        else:
            arguments = step.arguments(*flags)
            ended = self._start(step, arguments)
        stopped = self._around.signals.received is not None and ended.exit_code > 128
        return StepRecord(
            name=step.name,
            command=step.command,
            outcome="interrupted" if stopped else "failed" if ended.exit_code else "done",
            exit_code=ended.exit_code,
            reason=ended.reason,
            seconds=round(time.monotonic() - started, 3),
            arguments=arguments,
            summary=ended.summary,
        )

    def _start(self, step: PlannedStep, arguments: Sequence[str]) -> Ended:
        try:
            for gate in self._gates:
                refuse_in_use(gate, step)
            step.make_folders()
        except ScorerError as error:
            return self._refused(error)
        inherited = {**os.environ, **({"SCORER_QUIET": "1"} if self._config.quiet else {})}
        return run_step(
            arguments,
            environment=step.environment(inherited),
            lease=self._around.lease,
            reason=self._around.folder.reason,
            signals=self._around.signals,
            program=self._around.program,
        )

    def _let_through(self, gate: GateConfig) -> Ended:
        try:
            moved = promote(gate)
        except ScorerError as error:
            return self._refused(error)
        return Ended(
            0, {"link": str(gate.link), "model": gate.model, "previous": str(gate.link_before), "moved": moved}
        )

    def _refused(self, error: ScorerError) -> Ended:
        """The end of a step that this process itself could not do."""
        self._around.console.warn(str(error))
        return Ended(exit_code_of(error), reason=str(error))

    def _no_rival(self, step: PlannedStep) -> str | None:
        """Why `step` has no two models to compare; None when it has, or does something else."""
        return next((reason for gate in self._gates if (reason := no_rival(gate, step))), None)

    def _remember(self, step: PlannedStep, known: StepMemory) -> None:
        self._memory[step.name] = known
        self._around.folder.remember(self._plan.day, self._memory)

    def _note(self, record: StepRecord) -> None:
        self.record.steps.append(record)
        self._write()
        self._around.console.say(f"{self._plan.day} {_told(record)}")

    def _write(self) -> Path:
        return self._around.folder.write(self.record.name, self.record.as_document())


def _interrupted(step: PlannedStep, number: int) -> StepRecord:
    return StepRecord(
        name=step.name, command=step.command, outcome="interrupted", exit_code=128 + number, reason="not begun"
    )


def _after(done: StepRecord, begun: StepMemory, flags: Sequence[str]) -> StepMemory:
    """What is remembered of a step behind it, which was called with these `flags`; one that was interrupted, or killed
    by anybody, is one that was begun. Where a fit cannot go on from what an earlier try of it left, as that of another
    version, the next one begins anew."""
    if done.outcome == "done":
        return replace(begun, state="done")
    if "--resume" in flags and ANEW in (done.reason or ""):
        begun = replace(begun, left_by="")
    killed = done.exit_code is None or done.exit_code > 128
    return replace(begun, state="failed") if done.outcome == "failed" and not killed else begun


def _told(record: StepRecord) -> str:
    """A line for a log."""
    how = {"done": f"done in {record.seconds:.0f} s", "stood": record.reason, "skipped": f"skipped, {record.reason}"}
    return f"{record.name}: {how.get(record.outcome) or f'{record.outcome}, exit code {record.exit_code}'}"
