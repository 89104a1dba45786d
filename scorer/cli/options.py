"""Click options made from the fields of a configuration, so that a setting is written down once.

A field's type becomes a click type here. The values of a configuration file and of a preset take their place below the
flags and the environment and above the defaults. What the settings are stands in `scorer.config`; what the keys and
values of a file may be, in `scorer.config.reading`.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import click
from click.core import ParameterSource

from scorer.cli.command import Place, json_option
from scorer.config import Setting, flag_of, settings_of
from scorer.config.reading import preset_values, read_file, variable_of

Command = TypeVar("Command", bound=Callable[..., Any])


# What settings are called in help that name a model, which is a folder as a rule.
_MODELS = ("M", "MODEL")


class _Lines(click.types.StringParamType):
    """A text, of which there may be several: in a variable of the environment each stands on a line of its own."""

    def split_envvar_value(self, rv: str) -> list[str]:
        return [line for line in rv.split("\n") if line]


def config_options(
    config: type, *, without: Container[str] = (), file: bool = True, summary: bool = True
) -> Callable[[Command], Command]:
    """A decorator: one option for each setting of `config` but those `without` a meaning for the command, besides
    `--debug`, where there may be a `file` of them `--config FILE`, and where a `summary` is printed `--json`."""

    def decorate(command: Command) -> Command:
        command = click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks.")(command)
        command = json_option(command) if summary else command
        command = _config_file(config)(command) if file else command
        for field, setting, kind in reversed(list(settings_of(config))):
            if field.name not in without:
                command = _option(field, setting, kind)(command)
        return command

    return decorate


def _config_file(config: type) -> Callable[[Command], Command]:
    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        is_eager=True,
        expose_value=False,
        callback=lambda context, _, path: _read_config_file(context, path, config),
        help="JSON or TOML file with any of these settings.",
    )


def with_preset(context: click.Context, settings: Mapping[str, Any]) -> dict[str, Any]:
    """`settings` of the command in `context`, with the values of the preset among them where nobody gave others."""
    from scorer.config import FitConfig

    said = {
        name: value
        for name, value in settings.items()
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    return {**settings, **preset_values(FitConfig, said)}


def _read_config_file(context: click.Context, path: Path | None, config: type) -> None:
    """Make the settings in the file `path` the defaults of the command in `context`, whose settings are `config`'s.

    InputMissing when there is no such file; ConfigError when it cannot be read, has an unknown key or a wrong value.
    """
    if path is not None:
        context.default_map = read_file(path, config)


def _option(field: dataclasses.Field[Any], setting: Setting, kind: Any) -> Callable[[Command], Command]:
    flag = flag_of(field.name)
    names = [field.name, *([setting.short] if setting.short else [])]
    shared: dict[str, Any] = {
        "help": setting.help,
        "envvar": variable_of(field.name),
        "show_default": field.default not in (None, (), False, "", dataclasses.MISSING),
    }
    shared |= {"required": True} if field.default is dataclasses.MISSING else {"default": field.default}
    if kind is bool:
        flag = f"{flag}/--no-{flag[2:]}" if field.default else flag
        return click.option(flag, *names, is_flag=True, **shared)
    multiple = get_origin(kind) is tuple
    return click.option(
        flag, *names, type=_click_type(kind, setting), multiple=multiple, metavar=setting.metavar, **shared
    )


def _click_type(kind: Any, setting: Setting) -> click.ParamType[Any]:
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(part for part in get_args(kind) if part is not type(None))
    if get_origin(kind) is tuple:
        assert get_args(kind)[0] is str, f"no click type for {kind}; this is a bug"
        return _Lines()
    if get_origin(kind) is Literal:
        return click.Choice(get_args(kind))
    if kind is int:
        return click.IntRange(min=None if setting.minimum is None else int(setting.minimum))
    if kind is float:
        return click.FloatRange(min=setting.minimum)
    if kind is Path:
        return click.Path(path_type=Path)
    assert kind is str, f"no click type for {kind}; this is a bug"
    return Place("dir") if setting.metavar in _MODELS else click.STRING
