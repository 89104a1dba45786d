"""Options are made from the configurations: each setting has one, with the default that stands there once."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click
import pytest

from scorer.cli.fit import fit
from scorer.cli.predict import predict
from scorer.cli.score import score
from scorer.config import FitConfig, PredictConfig, ScoreConfig, settings_of

COMMANDS = [
    (fit, FitConfig, ["train.csv"], {"train": Path("train.csv")}),
    (score, ScoreConfig, ["in", "out"], {"source": "in", "target": "out"}),
    (predict, PredictConfig, [], {}),
]
by_command = pytest.mark.parametrize(
    ("command", "config", "arguments", "given"), COMMANDS, ids=["fit", "score", "predict"]
)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    import os

    for name in os.environ:
        if name.startswith("SCORER_"):
            monkeypatch.delenv(name)


def parsed(command: click.Command, config: type, arguments: list[str]):
    context = command.make_context("it", list(arguments))  # click empties the list
    names = {field.name for field in dataclasses.fields(config)}
    return config(**{name: value for name, value in context.params.items() if name in names})


@by_command
def test_without_flags_the_configuration_is_the_default(command, config, arguments, given):
    assert parsed(command, config, arguments) == config(**given)


@by_command
def test_every_setting_is_a_flag_a_variable_and_has_help(command, config, arguments, given):
    assert [part.name for part in command.params if isinstance(part, click.Argument)] == [*given] or not arguments
    options = {option.name: option for option in command.params if isinstance(option, click.Option)}
    settings = {field.name: (field, setting) for field, setting, _ in settings_of(config)}
    assert set(settings) == {field.name for field in dataclasses.fields(config)} - set(given)
    if command is predict:  # it reads texts, not columns
        del settings["text_column"]
    own = {"config", "debug"} if command is predict else {"config", "debug", "json"}
    assert set(options) == set(settings) | own
    for name, (field, setting) in settings.items():
        option = options[name]
        assert "--" + name.replace("_", "-") in option.opts
        assert option.envvar == "SCORER_" + name.upper()
        assert option.help == setting.help
        assert option.default == field.default
        if setting.short:
            assert setting.short in option.opts


def _samples(config: type, command: click.Command):
    for field, setting, kind in settings_of(config):
        if command is predict and field.name == "text_column":
            continue  # a file of settings may have it, for other commands
        if isinstance(field.default, bool):
            value, text = not field.default, str(not field.default).lower()
        elif "tuple" in str(kind):
            value, text = ("a",), "a"
        elif "Literal" in str(kind):
            value = next(option for option in _options(kind) if option != field.default)
            text = value
        elif "Path" in str(kind):
            value, text = Path("some/where"), "some/where"
        elif "int" in str(kind):
            value = int(setting.minimum or 0) + 8
            text = str(value)
        elif "float" in str(kind):
            value, text = 0.625, "0.625"
        else:
            value, text = "cpu", "cpu"
        yield field.name, value, text


def _options(kind) -> list[str]:
    from typing import get_args

    found = []
    for part in get_args(kind):
        found += _options(part) if get_args(part) else [part]
    return [part for part in found if isinstance(part, str)]


@by_command
def test_every_flag_reaches_its_field(command, config, arguments, given):
    for name, value, text in _samples(config, command):
        flag = "--" + name.replace("_", "-")
        if value is True:
            extra = [flag]
        elif value is False:
            extra = ["--no-" + name.replace("_", "-")]
        else:
            extra = [flag, text]
        assert parsed(command, config, [*arguments, *extra]) == config(**given | {name: value}), flag


@by_command
def test_every_variable_reaches_its_field(command, config, arguments, given, monkeypatch):
    for name, value, text in _samples(config, command):
        with monkeypatch.context() as patch:
            patch.setenv(f"SCORER_{name.upper()}", text)
            assert parsed(command, config, arguments) == config(**given | {name: value}), name


@by_command
def test_every_key_and_alias_of_a_file_reaches_its_field(command, config, arguments, given, tmp_path):
    import json

    aliases = {
        field.name: (field.name, field.name.replace("_", "-"), *setting.aliases)
        for field, setting, _ in settings_of(config)
    }
    path = tmp_path / "settings.json"
    for name, value, _ in _samples(config, command):
        for key in aliases[name]:
            document = {
                key: list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value
            }
            path.write_text(json.dumps(document))
            found = parsed(command, config, [*arguments, "--config", str(path)])
            assert found == config(**given | {name: value}), key
