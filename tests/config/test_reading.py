"""Keys, values and precedence, wherever the settings come from: a caller, the environment, a file, a preset."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click
import pytest

import scorer
from scorer.cli.options import config_options
from scorer.config import (
    CheckConfig,
    Data,
    DiffConfig,
    EvaluateConfig,
    FitConfig,
    FrameConfig,
    PredictConfig,
    ScoreConfig,
    Setting,
)
from scorer.config.reading import configure, preset_values, read_environment, read_file, read_mapping, variable_of
from scorer.errors import ConfigError, UsageError
from tests.config.seconds import FIRSTS, cases, names

FIT = {"train": "train.csv"}


@pytest.fixture
def file(tmp_path: Path):
    """`file(text)`: a TOML file with that text."""

    def make(text: str) -> Path:
        (tmp_path / "settings.toml").write_text(text, encoding="utf-8")
        return tmp_path / "settings.toml"

    return make


def test_a_caller_beats_the_environment_beats_the_file_beats_the_preset_beats_the_default(file):
    path, environment = file('preset = "quick"\nmax_length = 11\nseed = 1\nlr = 1e-3\n'), {"SCORER_SEED": "2"}
    environment["SCORER_LEARNING_RATE"] = "2e-3"
    found = configure(FitConfig, {**FIT, "lr": 3e-3}, environment=environment, file=path, defaults={"quiet": True})
    assert (found.learning_rate, found.seed, found.max_length, found.epochs) == (3e-3, 2, 11, 1.0)
    assert (found.batch_size, found.quiet, found.train) == (32, True, Data("train.csv"))
    assert not configure(FitConfig, {**FIT, "quiet": False}, defaults={"quiet": True}).quiet
    assert configure(FitConfig, FIT) == FitConfig(train="train.csv")


def as_text(value: Any) -> str:
    return "\n".join(value) if isinstance(value, tuple) else str(value)


@pytest.mark.parametrize(("config", "name", "said", "second"), cases(*FIRSTS), ids=names)
def test_every_setting_is_read_from_everywhere_as_click_reads_it(config, name, said, second):
    """Values, texts and variables of the environment come to the same as the command's own options."""
    value = list(second) if isinstance(second, tuple) else second
    plain = str(value) if isinstance(value, Path) else value
    if not isinstance(said, Setting):
        with pytest.raises(ConfigError, match=f"unknown key '{name}'"):
            read_mapping({name: plain}, config, where="here")
        return
    for key in (name, name.replace("_", "-"), *said.aliases):
        assert read_mapping({key: plain}, config, where="here") == {name: second}
    assert read_environment({variable_of(name): as_text(second)}, config) == {name: second}
    given = {
        field.name: getattr(FIRSTS[config], field.name)
        for field in dataclasses.fields(config)
        if field.default is dataclasses.MISSING
    }
    assert getattr(configure(config, {**given, name: value}), name) == second

    @click.command()
    @config_options(config)
    def command(**settings: Any) -> None:
        raise AssertionError(settings)

    with pytest.MonkeyPatch.context() as patch:
        for said_name, said_value in {**given, name: second}.items():
            patch.setenv(variable_of(said_name), as_text(said_value))
        assert command.make_context("it", []).params[name] == second


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epoch": 3}, "unknown key 'epoch'; did you mean 'epochs'?"),
        ({"EPOCHS_": 3}, "unknown key 'EPOCHS_'; did you mean 'epochs'?"),
        ({"lr": 1.0, "learning_rate": 2.0}, "'learning_rate' sets learning_rate a second time"),
        ({"epochs": "many"}, "epochs: 'many' is not a valid number"),
        ({"seed": 1.5}, "seed: '1.5' is not a valid integer"),
        ({"seed": True}, "seed: a text or a number is expected"),
        ({"seed": -1}, "seed: -1 is not in the range: 0 is the least"),
        ({"epochs": float("nan")}, "--epochs nan"),
        ({"precision": "fp8"}, "precision: 'fp8' is not one of 'auto', 'fp32', 'bf16', 'fp16'"),
        ({"class_weight": None}, "--class-weight None: not one of none, balanced"),
        ({"preset": "slow"}, "preset: 'slow' is not one of"),
        ({"quiet": "perhaps"}, "quiet: 'perhaps' is not a valid boolean"),
        ({"text_column": {"a": 1}}, "text_column: one value is expected, not dict"),
    ],
)
def test_what_a_caller_says_wrong_is_a_usage_error(given, message):
    with pytest.raises(UsageError) as raised:
        configure(FitConfig, {**FIT, **given})
    assert message in str(raised.value)


def test_python_says_what_the_commands_say():
    with pytest.raises(UsageError, match="unknown key 'prefx'; did you mean 'prefix'"):
        scorer.score("in.csv", "out.csv", prefx="a")
    with pytest.raises(UsageError, match="unknown key 'learning_rte'; did you mean 'learning_rate'"):
        scorer.fit("in.csv", learning_rte=1.0)
    with pytest.raises(UsageError, match="unknown key 'maxlength'; did you mean 'max_length'"):
        scorer.load("nowhere", maxlength=3)


def test_a_wrong_variable_is_named():
    with pytest.raises(UsageError, match="SCORER_SEED: 'x' is not a valid integer"):
        configure(FitConfig, FIT, environment={"SCORER_SEED": "x"})
    assert read_environment({"SCORER_SEED": "", "SEED": "7", "SCORER_OTHER": "7"}, FitConfig) == {}


def test_a_file_sets_no_argument_and_says_where_it_is_wrong(file):
    path = file('train = "other.csv"\n')
    with pytest.raises(ConfigError, match="unknown key 'train'") as raised:
        read_file(path, FitConfig)
    assert str(raised.value).startswith(f"{path}: ")


def test_a_key_that_stands_twice_in_a_json_file_is_refused(tmp_path):
    """TOML has it so. The first one would count for nothing."""
    path = tmp_path / "settings.json"
    path.write_text('{"seed": 1, "epochs": 2, "seed": 3}')
    with pytest.raises(ConfigError, match="the key 'seed' stands twice in one object; keep one of the two"):
        read_file(path, FitConfig)


def test_a_preset_is_for_what_has_one():
    assert preset_values(FitConfig, {"preset": "quick", "epochs": 9.0}) == {"max_length": 64}
    for config in (CheckConfig, DiffConfig, EvaluateConfig, FrameConfig, PredictConfig, ScoreConfig):
        assert preset_values(config, {"preset": "quick"}) == {}


def test_a_model_may_be_a_path():
    assert configure(FrameConfig, {"model": Path("models") / "mine"}).model == str(Path("models") / "mine")
    assert configure(ScoreConfig, {"source": Path("a"), "target": "b"}).source == "a"
