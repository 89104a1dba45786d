"""A job file: what it may say, what is refused, and in which order its steps come."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from scorer.automation.job_file import Job, read_job
from scorer.config import Data, FitConfig, GateConfig, ScoreConfig
from scorer.errors import ConfigError, InputMissing

DAY = date(2026, 3, 31)
SCORE = '[steps.score]\nsource = "in/{date}/"\ntarget = "out/"\n'
GATED = """
[steps.fit]
train = ["a.csv", "b.csv"]
output = "models/{date}"
lr = 1e-3

[steps.evaluate]
data = "held-out.csv"
model = "models/{date}"
min_metric = "macro_f1=0.8"

[steps.diff]
old = "models/latest"
new = "models/{date}/"
data = "held-out.csv"

[steps.gate]
model = "models/{date}"
"""


@pytest.fixture
def job(tmp_path: Path) -> Callable[[str], Job]:
    """`job(text)`: the job in a TOML file of that text."""

    def read(text: str) -> Job:
        (tmp_path / "nightly.toml").write_text(text, encoding="utf-8")
        return read_job(tmp_path / "nightly.toml")

    return read


def test_a_step_has_the_settings_and_arguments_of_its_command(job):
    found = job('keep = 3\non-failure = "mail"\n' + SCORE + "max-flagged = '1%'\nexpected = true\n")
    assert found.name == "nightly"
    assert found.said == {"keep": 3, "on_failure": "mail"}
    (step,) = found.on(DAY).steps
    assert step.config == ScoreConfig(source="in/2026-03-31/", target="out/", max_flagged="1%", expected=True)
    assert step.said == {"source", "target", "max_flagged", "expected"}


def test_json_says_the_same(tmp_path):
    path = tmp_path / "nightly.json"
    path.write_text(json.dumps({"keep": 3, "steps": {"score": {"source": "{date}", "target": "out/", "needs": None}}}))
    (step,) = read_job(path).on(DAY).steps
    assert step.config.source == "2026-03-31"


def test_two_steps_of_one_name_are_refused_in_json_too(tmp_path):
    path = tmp_path / "nightly.json"
    step = '"score": {"source": "a", "target": "out/"}'
    for text in (f'{{"steps": {{{step}, {step}}}}}', f'{{"steps": {{{step}}}, "steps": {{{step}}}}}'):
        path.write_text(text)
        with pytest.raises(ConfigError, match=r"nightly.json: the key '(score|steps)' stands twice"):
            read_job(path)


def test_a_fit_moves_no_link_and_takes_the_names_of_the_trainer_script(job):
    fit, _, _, gate = job(GATED).on(DAY).steps
    assert isinstance(fit.config, FitConfig)
    assert (fit.config.train, fit.config.learning_rate) == (Data("a.csv", "b.csv"), 1e-3)
    assert not fit.config.latest
    assert "--no-latest" in fit.arguments()
    assert isinstance(gate.config, GateConfig)
    assert str(gate.config.link_before) == "models/latest-previous"


def test_steps_need_the_one_before_unless_they_say_otherwise(job):
    found = job(
        '[steps.last]\ncommand = "score"\nneeds = ["second", "first"]\nsource = "a"\ntarget = "b"\n'
        '[steps.first]\ncommand = "check"\nneeds = []\ndata = "a"\n'
        '[steps.second]\ncommand = "check"\ndata = "a"\n'
    )
    assert [(step.name, step.needs) for step in found.steps] == [
        ("first", ()),
        ("second", ("first",)),
        ("last", ("second", "first")),
    ]
    plan = found.on(DAY)
    assert [step.name for step in plan.only("second").steps] == ["first", "second"]
    assert [step.name for step in plan.needed_by(plan.steps[-1])] == ["first", "second"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("keep = 3\n", "no steps; a job has at least one"),
        ('[steps.export]\nmodel = "m"\n', "lacks output, to"),
        ("steps = 3\n", "no steps"),
        ("[steps]\nscore = 3\n", "step score: a table of settings is expected, not int"),
        ("kep = 3\n" + SCORE, "unknown key 'kep'; did you mean 'keep'?"),
        ("date = '2026-01-01'\n" + SCORE, "unknown key 'date'"),
        ("keep = 0\n" + SCORE, "keep: 0 is not in the range"),
        ("[steps.scor]\n", "'scor' is none; did you mean 'score'?"),
        ("[steps.night]\ncommand = 'predict'\n", "command 'predict' is none; there are check, fit"),
        ("[steps.night]\ncommand = ['score']\n", "command ['score'] is none; did you mean 'score'?"),
        ("[steps.'a b']\ncommand = 'score'\n", "the name of a step is made of letters"),
        (SCORE + "trget = 'x'\n", "step score: unknown key 'trget'; did you mean 'target'?"),
        (SCORE + "top_k = 'many'\n", "step score: top_k: 'many' is not a valid integer"),
        ("[steps.score]\nsource = 'a'\n", "step score: lacks target"),
        ("[steps.score]\nsource = '{dte}'\ntarget = 'b'\n", "step score: source: {dte} means nothing"),
        ("[steps.score]\nsource = '-'\ntarget = 'b'\n", "- is a stream, and a job has none"),
        ("[steps.check]\ndata = ['a', '-']\n", "- is a stream"),
        (SCORE + "needs = ['chek']\n[steps.check]\ndata = 'a'\nneeds = []\n", "no step 'chek'; did you mean 'check'?"),
        (SCORE + "needs = 'check'\n", "needs: a list of names of steps is expected"),
        (SCORE + "needs = ['score']\n", "steps score need each other in a circle"),
        ("[steps.fit]\ntrain = 'a'\n", "step fit: lacks output"),
        ("[steps.fit]\ntrain = 'a'\noutput = 'b'\nlatest = true\n", "latest: a fit in a job moves no link"),
        ("[steps.evaluate]\ndata = 'a'\nmin_metric = '0.8'\n", "--min-metric 0.8: a metric and a number are needed"),
        ("[steps.score]\nsource = 'a'\ntarget = '/dev/stdout'\n", "/dev/stdout is a stream"),
        ("[steps.score]\nsource = 'hdfs://a'\ntarget = 'b'\n", "step score: hdfs://a: inputs are local or in"),
        ("[steps.fit]\ntrain = 'a'\noutput = 'b'\nresume = true\n", "resume: a job goes on by itself"),
        ("metrics = '{date}.prom'\n" + SCORE, "metrics: belongs to the whole job"),
        ("[steps.score\n", "not valid TOML"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(job, tmp_path, text, complaint):
    with pytest.raises(ConfigError) as raised:
        job(text).on(DAY)
    assert str(raised.value).startswith(f"{tmp_path / 'nightly.toml'}: ")
    assert complaint in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('min_metric = "macro_f1=0.8"\n', "", "and without folds, so it would let any model through"),
        ('min_metric = "macro_f1=0.8"\n', 'min_metric = "macro_f1=0.8"\nfolds = 3\n', "and without folds, so it would"),
        ('data = "held-out.csv"\nmodel = "models/{date}"\n', 'data = "held-out.csv"\n', "no step that evaluates"),
        ('new = "models/{date}/"', 'new = "models/other"', "needs no diff step with old = 'models/latest'"),
        ('old = "models/latest"', 'old = "models/other"', "needs no diff step with old = 'models/latest'"),
        ('[steps.gate]\nmodel = "models/{date}"', '[steps.gate]\nmodel = "models/other"', "evaluates models/other"),
        ("[steps.gate]\n", "[steps.gate]\nneeds = ['evaluate']\n", "needs no diff step"),
        ("[steps.gate]\n", '[steps.gate]\nlink = "models/other"\n', "needs no diff step with old = 'models/other'"),
    ],
)
def test_a_gate_needs_an_evaluation_and_a_comparison_of_its_model(job, old, new, complaint):
    assert old in GATED
    with pytest.raises(ConfigError) as raised:
        job(GATED.replace(old, new)).on(DAY)
    assert complaint in str(raised.value)


def test_a_missing_file_is_a_missing_input(tmp_path):
    with pytest.raises(InputMissing):
        read_job(tmp_path / "none.toml")
