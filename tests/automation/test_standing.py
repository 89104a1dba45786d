"""Whether a step stands, and with which flags it is done again: a table of cases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scorer.automation.planned_step import PlannedStep
from scorer.automation.run_folder import StepMemory
from scorer.automation.standing import decide, memory_of
from scorer.config import CheckConfig, EvaluateConfig, FitConfig, ScoreConfig

FIT = PlannedStep("fit", "fit", (), FitConfig(train="a.csv", output="m"), frozenset())
EVALUATE = PlannedStep("evaluate", "evaluate", (), EvaluateConfig(data="a.csv", report="r.html"), frozenset())
CHECK = PlannedStep("check", "check", (), CheckConfig(data="a.csv", report="r.html"), frozenset())
SCORE = PlannedStep("score", "score", (), ScoreConfig(source="a", target="b"), frozenset())


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def memory(step: PlannedStep, state: str, known: StepMemory | None = None, *, force: bool = False) -> StepMemory:
    return replace(memory_of(step, "same", known, force=force), state=state)


def decided(step: PlannedStep, known: StepMemory | None, identity: str | None = "same", *, force: bool = False):
    found = decide(step, known, identity, force=force)
    return "stands" if found.stands else found.flags


def write(name: str) -> None:
    path = Path(name)
    if path.suffix == ".html":
        path.write_text("")
    else:
        path.mkdir()


@pytest.mark.parametrize("step", [FIT, EVALUATE, CHECK, SCORE])
def test_what_was_never_begun_is_done_as_it_is_said(step):
    assert decided(step, None) == ()


def test_what_ended_well_stands_while_nothing_has_changed():
    known = memory(EVALUATE, "done")
    assert decided(EVALUATE, known) == ("--force",)  # its report is gone
    write("r.html")
    assert decided(EVALUATE, known) == "stands"
    assert decided(EVALUATE, known, "other") == ("--force",)
    assert decided(EVALUATE, known, None) == ("--force",)
    assert decided(EVALUATE, memory(EVALUATE, "failed", known)) == ("--force",)
    assert decided(EVALUATE, memory(EVALUATE, "begun", known)) == ("--force",)


def test_what_stood_before_the_first_try_is_not_replaced_unasked():
    write("r.html")
    known = memory(EVALUATE, "failed")
    for _ in range(3):
        assert decided(EVALUATE, known) == ()
        known = memory(EVALUATE, "failed", known)
    assert decided(EVALUATE, memory(EVALUATE, "failed", known, force=True)) == ("--force",)


def test_a_check_replaces_its_report_without_a_word():
    write("r.html")
    assert decided(CHECK, memory(CHECK, "failed")) == ()


def test_a_report_of_another_name_is_not_replaced_unasked():
    write("r.html")
    other = replace(EVALUATE, config=EvaluateConfig(data="a.csv", report="other.html"))
    assert decided(other, memory(EVALUATE, "done"), "other") == ()


def test_a_score_is_always_done_since_it_knows_itself_what_is():
    assert decided(SCORE, memory(SCORE, "done")) == ()


def test_a_model_that_stands_is_never_replaced_unasked():
    known = memory(FIT, "done")
    write("m")
    assert decided(FIT, known) == "stands"
    assert decided(FIT, known, "other") == ()
    assert decided(FIT, known, "other", force=True) == ("--force",)


def test_a_fit_that_left_checkpoints_goes_on_and_one_of_another_job_begins_anew():
    known = memory(FIT, "begun")
    write("m.unfinished")
    assert decided(FIT, known) == ()  # it has not even been begun
    Path("m.unfinished/job.json").write_text("{}")
    assert decided(FIT, known) == ("--resume",)
    again = memory(FIT, "failed", known)
    assert decided(FIT, again) == decided(FIT, memory(FIT, "failed", again)) == ("--resume",)
    assert decided(FIT, known, "other") == ("--force",)
    assert decided(FIT, None) == decided(FIT, memory(FIT, "failed")) == ()  # of somebody else


def test_a_fit_that_died_before_it_could_begin_anew_does_so_again():
    known = memory(FIT, "begun")
    write("m.unfinished")
    Path("m.unfinished/job.json").write_text("that of the same")
    other = replace(memory_of(FIT, "other", known, force=False), state="failed")
    assert decided(FIT, other, "other") == ("--force",)
    assert decided(FIT, other, "same") == ("--resume",)
    Path("m.unfinished/job.json").write_text("that of the other")
    assert decided(FIT, other, "other") == ("--resume",)
    assert decided(FIT, other, "same") == ("--force",)


def test_a_fit_that_was_killed_behind_its_model_stands():
    before, forced = memory(FIT, "begun"), memory(FIT, "begun", force=True)
    write("m")
    assert decided(FIT, before) == "stands"
    assert decided(FIT, forced) == ()
    assert decided(FIT, memory(FIT, "begun")) == ()  # the model stood before it was begun
    assert decided(FIT, before, "other") == ()


def test_force_does_everything_again():
    write("r.html")
    assert decided(EVALUATE, memory(EVALUATE, "done"), force=True) == ("--force",)
    assert decided(CHECK, memory(CHECK, "done"), force=True) == ()
