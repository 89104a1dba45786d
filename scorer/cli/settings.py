"""Configuration files: JSON or TOML, whose keys are the settings of a command.

Owns the reading of the file and the names its keys may have. The values take their place below the flags and the
environment and above the defaults (click's default map). Nothing in a file is expanded or executed.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from scorer.config import PRESETS, settings_of
from scorer.errors import ConfigError, InputMissing

# Switches of the usual Trainer script that are one setting here.
_PRECISION_SWITCHES = {"bf16": "bf16", "fp16": "fp16"}


def read_config_file(context: click.Context, path: Path | None, config: type) -> None:
    """Make the settings in the file `path` the defaults of the command in `context`, whose settings are `config`'s.

    InputMissing when there is no such file; ConfigError when it cannot be read, has an unknown key or a wrong value.
    """
    if path is None:
        return
    names = _names(config)
    values: dict[str, Any] = {}
    for key, value in _parse(path).items():
        if key in _PRECISION_SWITCHES and "precision" in names:
            name, value = "precision", _PRECISION_SWITCHES[key] if value else None
        else:
            name = _known(key, names, path)
        if value is None:
            continue
        if name in values:
            raise ConfigError(f"{path}: {key!r} sets {name} a second time; keep one of the two keys")
        values[name] = _converted(context, name, value, path, key)
    context.default_map = values


def with_preset(context: click.Context, settings: Mapping[str, Any]) -> dict[str, Any]:
    """`settings` of the command in `context`, with the values of the preset among them where nobody gave others."""
    preset = PRESETS[settings["preset"]]
    return {
        name: preset.get(name, value) if context.get_parameter_source(name) is ParameterSource.DEFAULT else value
        for name, value in settings.items()
    }


def _parse(path: Path) -> dict[str, Any]:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise InputMissing(f"{path}: no such configuration file") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        if path.suffix == ".toml":
            import tomllib

            return tomllib.loads(data.decode("utf-8-sig"))
        import json

        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid {'TOML' if path.suffix == '.toml' else 'JSON'} ({error})") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: an object with settings is expected, not {type(document).__name__}")
    return document


def _names(config: type) -> dict[str, str]:
    """Every key that a file may use, and the field it sets."""
    names: dict[str, str] = {}
    for field, setting, _ in settings_of(config):
        names |= dict.fromkeys((field.name, *setting.aliases), field.name)
    return names


def _known(key: str, names: dict[str, str], path: Path) -> str:
    name = names.get(key.replace("-", "_"))
    if name is None:
        close = difflib.get_close_matches(key, names, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(sorted(set(names.values())))}"
        raise ConfigError(f"{path}: unknown key {key!r}; {hint}")
    return name


def _converted(context: click.Context, name: str, value: Any, path: Path, key: str) -> Any:
    """`value` as the flag would have it. A number goes through its text form, so that 3.5 is no integer."""
    parameter = next(parameter for parameter in context.command.params if parameter.name == name)
    if isinstance(value, dict) or (isinstance(value, list) and not parameter.multiple):
        raise ConfigError(f"{path}: {key}: one value is expected, not {type(value).__name__}")
    if parameter.multiple and not isinstance(value, list):
        value = [value]
    if any(isinstance(part, bool | list | dict) for part in (value if parameter.multiple else [value])):
        if not isinstance(parameter.type, click.types.BoolParamType):
            raise ConfigError(f"{path}: {key}: a text or a number is expected, not true, false, a list or an object")
    elif isinstance(value, int | float):
        value = str(value)
    try:
        return parameter.type_cast_value(context, value)
    except click.BadParameter as error:
        raise ConfigError(f"{path}: {key}: {error.message}") from error
