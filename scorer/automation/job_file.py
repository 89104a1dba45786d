"""A job file: its steps, what each needs, and whether all of it can be meant.

    keep = 30

    [steps.score]
    source = "inbox/day={date}/"
    target = "scored/day={date}/"

A step is called by its name, which is its command unless `command` names that. Its other keys are the settings and the
arguments of the command. It needs the step before it in the file, unless `needs` names others, or none.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from scorer.automation.dates import filled
from scorer.automation.gate import same
from scorer.automation.planned_step import PlannedStep
from scorer.config import STEPS, DiffConfig, EvaluateConfig, FitConfig, GateConfig, JobConfig, ScoreConfig
from scorer.config.reading import parse_file, read_environment, read_mapping
from scorer.errors import ConfigError, ScorerError, UsageError, near
from scorer.evaluation.requirements import Requirement
from scorer.stores.location import Location

_STEPS: Final = "steps"
_OWN: Final = ("command", "needs")
_WITHOUT_DAY: Final = ("folder", "runs", "metrics")


@dataclass(frozen=True)
class Step:
    """A step as the file has it: `said` are settings and arguments, their dates not filled in; `where` is what a
    message calls it."""

    name: str
    command: str
    needs: tuple[str, ...]
    said: Mapping[str, Any]
    where: str

    def on(self, day: date) -> PlannedStep:
        """The step as it is done for `day`. ConfigError for a setting that is wrong."""
        kind = STEPS[self.command]
        filled_in = {key: filled(value, day, where=f"{self.where}: {key}") for key, value in self.said.items()}
        values = read_mapping(filled_in, kind, where=self.where, arguments=True)
        if kind is FitConfig:
            values |= _fit_of_a_job(values, self.where)
        # The step's process will read the environment, too; here it counts for what the step is known by.
        surrounding = read_environment(os.environ, kind)
        if lacking := _lacking(kind, values):
            raise ConfigError(f"{self.where}: lacks {', '.join(lacking)}")
        try:
            config = kind(**{**surrounding, **values})
            _refuse_values(config)
            _refuse_streams(config)
        except ScorerError as error:
            raise ConfigError(f"{self.where}: {error}") from error
        return PlannedStep(self.name, self.command, self.needs, config, frozenset(values))


@dataclass(frozen=True)
class Plan:
    """The steps of a job for one `day`, each after those that it needs."""

    day: date
    steps: tuple[PlannedStep, ...]

    def only(self, name: str) -> Plan:
        """The step `name` and what it needs."""
        wanted = {name}
        for step in reversed(self.steps):
            if step.name in wanted:
                wanted.update(step.needs)
        return Plan(self.day, tuple(step for step in self.steps if step.name in wanted))

    def needed_by(self, step: PlannedStep) -> tuple[PlannedStep, ...]:
        """All steps that `step` needs, and those that they need."""
        return tuple(other for other in self.only(step.name).steps if other is not step)

    @property
    def gates(self) -> Iterator[tuple[PlannedStep, GateConfig]]:
        """The steps that are gates."""
        for step in self.steps:
            if isinstance(step.config, GateConfig):
                yield step, step.config


@dataclass(frozen=True)
class Job:
    """The job in the file `path`; `said` is what it says of the whole job, by the names of JobConfig's fields."""

    path: Path
    said: Mapping[str, Any]
    steps: tuple[Step, ...]

    @property
    def name(self) -> str:
        return self.path.stem

    def on(self, day: date) -> Plan:
        """What is done for `day`. ConfigError for what is wrong with a step, or with a gate."""
        plan = Plan(day, tuple(step.on(day) for step in self.steps))
        for step, gate in plan.gates:
            _check_gate(f"{self.path}: step {step.name}", step, gate, plan)
        return plan


def read_job(path: Path) -> Job:
    """The job in the TOML or JSON file `path`. InputMissing when there is none; ConfigError for what is wrong but shows
    itself only when a day is filled in, which `Job.on` tells."""
    document = parse_file(path)
    tables = document.pop(_STEPS, None)
    if not isinstance(tables, dict) or not tables:
        raise ConfigError(f"{path}: no steps; a job has at least one, such as [steps.score]")
    said = read_mapping(document, JobConfig, where=str(path))
    for key in _WITHOUT_DAY:
        if "{" in str(said.get(key, "")):
            raise ConfigError(f"{path}: {key}: belongs to the whole job, of which all days are; leave {{date}} out")
    steps: list[Step] = []
    before: tuple[str, ...] = ()
    for name, table in tables.items():
        steps.append(_step(name, table, where=f"{path}: step {name}", before=before))
        before = (name,)
    return Job(path, said, _in_order(steps, path))


def _step(name: str, table: Any, *, where: str, before: tuple[str, ...]) -> Step:
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: a table of settings is expected, not {type(table).__name__}")
    if not name.replace("-", "").replace("_", "").isalnum():
        raise ConfigError(f"{where}: the name of a step is made of letters, digits, - and _")
    command = name if table.get("command") is None else table["command"]
    if not isinstance(command, str) or command not in STEPS:
        close = near(str(command), STEPS)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(STEPS)}"
        how = "command" if "command" in table else "a step's name is its command where no command is named;"
        raise ConfigError(f"{where}: {how} {command!r} is none; {hint}")
    needs = list(before) if table.get("needs") is None else table["needs"]
    if not isinstance(needs, list) or not all(isinstance(other, str) for other in needs):
        raise ConfigError(f"{where}: needs: a list of names of steps is expected")
    said = {key: value for key, value in table.items() if key not in _OWN}
    return Step(name, command, tuple(needs), said, where)


def _in_order(steps: list[Step], path: Path) -> tuple[Step, ...]:
    """The steps, each after those that it needs, else as in the file. ConfigError for a circle and unknown names."""
    names = [step.name for step in steps]
    for step in steps:
        for other in step.needs:
            if other not in names:
                close = near(other, names)
                hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names)}"
                raise ConfigError(f"{step.where}: needs: there is no step {other!r}; {hint}")
    ordered: dict[str, Step] = {}
    while len(ordered) < len(steps):
        ready = (step for step in steps if step.name not in ordered and all(other in ordered for other in step.needs))
        if (chosen := next(ready, None)) is None:
            left = ", ".join(name for name in names if name not in ordered)
            raise ConfigError(f"{path}: steps {left} need each other in a circle; take one out of a list of needs")
        ordered[chosen.name] = chosen
    return tuple(ordered.values())


def _lacking(kind: type, values: Mapping[str, Any]) -> list[str]:
    """The keys of the configuration `kind` that must be said and are not."""
    needed = (field for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING)
    return [field.name.rstrip("_") for field in needed if field.name not in values]


def _refuse_values(config: Any) -> None:
    """UsageError for what else can be seen of a configuration alone."""
    if isinstance(config, EvaluateConfig):
        Requirement.all_of(config)


def _fit_of_a_job(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """What is otherwise with a fit in a job: other steps must know where its model is, and a gate lets it in."""
    if values.get("output") is None:
        raise ConfigError(f"{where}: lacks output: the model directory, such as models/reviews-{{date}}")
    if values.get("resume"):
        raise ConfigError(f"{where}: resume: a job goes on by itself; leave it out")
    if values.get("latest"):
        raise ConfigError(f'{where}: latest: a fit in a job moves no link; add a step with command = "gate"')
    return {"latest": False}


def _refuse_streams(config: Any) -> None:
    """UsageError for a standard stream, or whatever else can be read or written once."""
    data = [getattr(config, name).places for name in ("data", "train") if hasattr(config, name)]
    inputs = [place for places in data for place in places]
    outputs = []
    if isinstance(config, ScoreConfig):
        inputs, outputs = [config.source], [config.target]
    places = [*map(Location.of_input, inputs), *map(Location.of_output, outputs)]
    if streams := [place.said for place in places if place.is_stream]:
        raise UsageError(f"{streams[0]} is a stream, and a job has none; name a file or a folder")


def _check_gate(where: str, step: PlannedStep, gate: GateConfig, plan: Plan) -> None:
    """ConfigError unless the gate needs an evaluation of its model that can fail, and a comparison of it with the one
    in use."""
    judged = {same(gate.model)}
    needed = [other.config for other in plan.needed_by(step)]
    evaluations = [one for one in needed if isinstance(one, EvaluateConfig) and same(one.model) in judged]
    # With folds other models are judged, which are fitted on the data.
    if not any((one.min_metric or one.max_metric) and one.folds is None for one in evaluations):
        raise ConfigError(
            f"{where}: needs no step that evaluates {gate.model} with min_metric or max_metric and without folds, so "
            "it would let any model through"
        )
    comparisons = [one for one in needed if isinstance(one, DiffConfig)]
    if not any(same(one.new) in judged and same(one.old) == same(gate.link) for one in comparisons):
        raise ConfigError(f"{where}: needs no diff step with old = {str(gate.link)!r} and new = {gate.model!r}")
