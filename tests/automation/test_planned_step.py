"""The command line that a step is done with, and what a step is known by."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

from scorer.automation.planned_step import PlannedStep
from scorer.cli.main import main
from scorer.config import (
    STEPS,
    CheckConfig,
    DiffConfig,
    EvaluateConfig,
    FitConfig,
    GateConfig,
    ScoreConfig,
    Setting,
    declared_of,
)
from tests.config.seconds import FIRSTS, cases, names

COMMANDS = {name: kind for name, kind in STEPS.items() if kind is not GateConfig}


def planned(config: Any, *said: str) -> PlannedStep:
    command = next(name for name, kind in STEPS.items() if kind is type(config))
    return PlannedStep("it", command, (), config, frozenset(said))


@pytest.mark.parametrize(("config", "name", "said", "second"), cases(*COMMANDS.values()), ids=names)
def test_the_command_reads_what_the_step_says(config, name, said, second):
    """The command line, read by the command itself, comes to the value that the step has."""
    needed = [field.name for field, _, _ in declared_of(config) if field.default is dataclasses.MISSING]
    step = planned(dataclasses.replace(FIRSTS[config], **{name: second}), name, *needed)
    command = main.get_command(main.make_context("scorer", [step.command]), step.command)
    found = command.make_context(step.command, step.arguments()[1:]).params[name]
    if isinstance(said, Setting):
        assert found == second
    else:
        assert found == (second.places if hasattr(second, "places") else second)


def test_a_value_may_look_like_a_flag():
    step = planned(ScoreConfig(source="-a.csv", target="--force", prefix="--x", delimiter="-"), "prefix", "delimiter")
    assert step.arguments("--force") == [
        *("score", "--prefix=--x", "--delimiter=-", "--force"),
        *("--", "-a.csv", "--force"),
    ]


def test_what_the_step_says_no_variable_overrules():
    step = planned(ScoreConfig(source="a", target="b", force=False), "force")
    assert step.environment({"SCORER_FORCE": "1", "SCORER_TOP_K": "2", "HOME": "/"}) == {
        "SCORER_TOP_K": "2",
        "HOME": "/",
    }


def test_what_a_step_writes():
    assert planned(FitConfig(train="a", output="m")).outputs == (Path("m"),)
    assert planned(EvaluateConfig(data="a", report="a.html", rows="b.csv")).outputs == (Path("a.html"), Path("b.csv"))
    assert planned(ScoreConfig(source="a", target="b")).outputs == ()


def test_the_identity_is_that_of_settings_and_contents(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/a.csv").write_text("text,score\na,1\n")
    Path("data/b.csv").write_text("text,score\nb,2\n")
    seen = {}

    def identity(what: str, config: Any) -> None:
        seen[what] = planned(config).identity()

    identity("folder", CheckConfig(data="data"))
    identity("again", CheckConfig(data="data"))
    identity("setting", CheckConfig(data="data", strict=True))
    identity("file", CheckConfig(data="data/a.csv"))
    identity("several", CheckConfig(data=["data/a.csv", "data/b.csv"]))
    identity("pattern", CheckConfig(data="data/[ab].csv"))
    os.utime("data/a.csv", (1, 1))
    identity("touched", CheckConfig(data="data"))
    Path("data/c.csv").write_text("text,score\nb,2\n")
    identity("grown", CheckConfig(data="data"))
    Path("data/a.csv").write_text("text,score\na,2\n")
    identity("changed", CheckConfig(data="data"))
    identity("missing", CheckConfig(data="none.csv"))
    assert seen["folder"] == seen["again"] == seen["touched"]
    assert seen.pop("missing") is None
    del seen["again"], seen["touched"]
    assert len(set(seen.values())) == len(seen)


def test_a_model_is_known_by_its_files_and_not_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("text\na\n")
    for name in ("old", "new"):
        Path(name).mkdir()
        Path(name, "config.json").write_text("{}")
        Path(name, "model.safetensors").write_bytes(name.encode())
    Path("latest").symlink_to("old")
    config = DiffConfig(old="latest", new="new", data="a.csv")
    before = planned(config).identity()
    Path("latest").unlink()
    Path("latest").symlink_to("new")
    assert None not in (before, planned(config).identity())
    assert before != planned(config).identity()
    assert planned(dataclasses.replace(config, old="microsoft/none")).identity() is None


def test_the_folders_of_everything_that_a_step_writes_are_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ("report", "report_html", "textfile", "rejects")
    said = {name: f"{name}/day/it" for name in names}
    planned(ScoreConfig(source="a", target="out/day/b.parquet", **said)).make_folders()
    assert {path.name for path in tmp_path.iterdir()} == {*names, "out"}


def test_a_step_is_known_by_the_models_that_it_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("base", "large"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    (tmp_path / "a.csv").write_text("text,label\n")
    fit = planned(FitConfig(train="a.csv", output="m", base_model="base", teacher="large"))
    check = planned(CheckConfig(data="a.csv", base_model="base"))
    for step, name in ((fit, "base"), (fit, "large"), (check, "base")):
        first = step.identity()
        (tmp_path / name / "config.json").write_text('{"another": 1}')
        assert step.identity() != first, name
        (tmp_path / name / "config.json").write_text("{}")
        assert step.identity() == first
    assert planned(FitConfig(train="a.csv", output="m", base_model="owner/name")).identity() is not None


def test_a_default_is_no_part_of_what_a_step_is_known_by(monkeypatch):
    """A later version has more of them."""
    step = planned(FitConfig(train="a.csv", output="m", epochs=2.0))
    first = step.settings
    declared = [one for one in declared_of(FitConfig) if one[0].name not in ("seed", "warmup")]
    monkeypatch.setattr("scorer.automation.planned_step.declared_of", lambda _: declared)
    assert step.settings == first
