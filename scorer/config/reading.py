"""How texts and mappings become a configuration: their keys, their values, and which of several sources wins.

Precedence: what the caller or the command line gives, then `SCORER_*` variables of the environment, then a file, then
the preset, then the default. Nothing that is read is expanded or executed.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin

from scorer.config.data import Data
from scorer.config.presets import PRESETS
from scorer.config.settings import Argument, Setting, declared_of, settings_of
from scorer.errors import ConfigError, InputMissing, UsageError, near, shown

Config = TypeVar("Config")

# Switches of the usual Trainer script that are one setting here.
_PRECISION_SWITCHES = {"bf16": "bf16", "fp16": "fp16"}
_WORDS = {True: ("1", "true", "t", "yes", "y", "on"), False: ("0", "false", "f", "no", "n", "off")}


def configure(
    config: type[Config],
    given: Mapping[str, Any],
    *,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> Config:
    """The configuration that `given` asks for, by names of fields or their aliases, over what the others say.

    `defaults` take the place of the configuration's own. UsageError for a key or a value that is wrong; ConfigError and
    InputMissing when it is the file's.
    """
    values = dict(defaults or {})
    said = read_file(file, config) if file is not None else {}
    said |= read_environment(environment, config) if environment is not None else {}
    said |= _read(given, config, arguments=True, where=None)
    # Every configuration takes its fields by name, which the type of a class cannot say.
    return cast(Config, cast(Any, config)(**values | preset_values(config, said) | said))


def preset_values(config: type, said: Mapping[str, Any]) -> dict[str, Any]:
    """What the preset that is `said` to be wanted means for the settings of which nothing is said."""
    if not any(field.name == "preset" for field, _, _ in settings_of(config)):
        return {}
    # An unknown preset is for the configuration to refuse.
    preset = PRESETS.get(said.get("preset", "default"), {})
    return {name: value for name, value in preset.items() if name not in said}


def read_file(path: Path, config: type) -> dict[str, Any]:
    """What the JSON or TOML file `path` says of the settings of `config`, by their fields' names.

    InputMissing when there is no such file; ConfigError when it cannot be read, has an unknown key or a wrong value.
    """
    return read_mapping(parse_file(path), config, where=str(path))


def read_mapping(document: Mapping[str, Any], config: type, *, where: str, arguments: bool = False) -> dict[str, Any]:
    """What `document`, which `where` names, says of the settings of `config`, by their fields' names; with `arguments`
    of what its command takes by place, too. Null says nothing.

    ConfigError, which begins with `where`, for an unknown key, one setting under two keys, and a wrong value.
    """
    return _read(document, config, arguments=arguments, where=where)


def read_environment(environment: Mapping[str, str], config: type) -> dict[str, Any]:
    """What the variables in `environment` say of the settings of `config`, by their fields' names; an empty one says
    nothing. Where several values are wanted, each stands on a line of its own."""
    values: dict[str, Any] = {}
    for field, setting, kind in settings_of(config):
        if text := environment.get(variable_of(field.name)):
            value = [line for line in text.split("\n") if line] if get_origin(kind) is tuple else text
            values[field.name] = _Value(variable_of(field.name), UsageError).converted(value, kind, setting)
    return values


def variable_of(name: str) -> str:
    """The variable of the environment that says the setting `name`."""
    return f"SCORER_{name.rstrip('_').upper()}"


def parse_file(path: Path) -> dict[str, Any]:
    """The object in the JSON or TOML file `path`; InputMissing and ConfigError as of `read_file`."""
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

        document = json.loads(data, object_pairs_hook=lambda pairs: _object(pairs, path))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid {'TOML' if path.suffix == '.toml' else 'JSON'} ({error})") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: an object with settings is expected, not {type(document).__name__}")
    return document


def _object(pairs: list[tuple[str, Any]], path: Path) -> dict[str, Any]:
    """An object of a JSON file. ConfigError for a key that stands twice, as TOML has it: the first would not count."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ConfigError(f"{path}: the key {shown(key)} stands twice in one object; keep one of the two")
        found[key] = value
    return found


def _read(document: Mapping[str, Any], config: type, *, arguments: bool, where: str | None) -> dict[str, Any]:
    """What `document` says of the fields of `config`: of a file that is `where`, or of a caller's keywords."""
    wrong = UsageError if where is None else ConfigError
    prefix = "" if where is None else f"{where}: "
    fields = {
        field.name: (said, kind) for field, said, kind in declared_of(config) if arguments or isinstance(said, Setting)
    }
    names = {name: name for name in fields}
    for name, (said, _) in fields.items():
        names |= dict.fromkeys(said.aliases if isinstance(said, Setting) else (), name)
    values: dict[str, Any] = {}
    for key, value in document.items():
        if key in _PRECISION_SWITCHES and "precision" in names:
            name, value = "precision", _PRECISION_SWITCHES[key] if value else None
        elif (found := names.get(key.replace("-", "_"))) is not None:
            name = found
        else:
            raise wrong(f"{prefix}unknown key {key!r}; {_hint(key, names)}")
        if value is None and (where is not None or key in _PRECISION_SWITCHES):
            continue
        if name in values:
            raise wrong(f"{prefix}{key!r} sets {name} a second time; keep one of the two keys")
        said, kind = fields[name]
        # A caller's None is a value, and whether it is one of this field the configuration knows.
        values[name] = None if value is None else _Value(f"{prefix}{key}", wrong).converted(value, kind, said)
    return values


def _hint(key: str, names: Mapping[str, str]) -> str:
    close = near(key, names)
    return f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(sorted(set(names.values())))}"


class _Value:
    """Where a value stands, and what to raise when it is wrong."""

    def __init__(self, where: str, wrong: type[ConfigError | UsageError]) -> None:
        self._where = where
        self._wrong = wrong

    def converted(self, value: Any, kind: Any, said: Argument) -> Any:
        """`value` as a field of type `kind` holds it. A number goes through its text, so that 3.5 is no integer."""
        if isinstance(value, Data):
            return value
        several = get_origin(kind) is tuple or kind is Data
        if isinstance(value, Mapping) or (isinstance(value, list | tuple) and not several):
            raise self._error(f"one value is expected, not {type(value).__name__}")
        if several:
            parts = tuple(self._text(part) for part in (value if isinstance(value, list | tuple) else [value]))
            return self._data(parts) if kind is Data else parts
        if get_origin(kind) in (Union, UnionType):
            kind = next(part for part in get_args(kind) if part is not NoneType)
        if kind is bool:
            return value if isinstance(value, bool) else self._switch(self._text(value))
        text = self._text(value)
        if get_origin(kind) is Literal:
            return self._choice(text, get_args(kind))
        if kind in (int, float):
            return self._number(text, kind, said.minimum if isinstance(said, Setting) else None)
        return kind(text)

    def _data(self, places: tuple[str, ...]) -> Data:
        if not places:
            raise self._error("a file, a folder or a pattern is expected")
        return Data(*places)

    def _text(self, value: Any) -> str:
        if isinstance(value, bool | list | tuple | Mapping):
            raise self._error("a text or a number is expected, not true, false, a list or an object")
        return os.fspath(value) if isinstance(value, str | os.PathLike) else str(value)

    def _switch(self, text: str) -> bool:
        for meant, words in _WORDS.items():
            if text.strip().lower() in words:
                return meant
        raise self._error(f"{text!r} is not a valid boolean; say true or false")

    def _choice(self, text: str, choices: Collection[str]) -> str:
        if text not in choices:
            raise self._error(f"{text!r} is not one of {', '.join(map(repr, choices))}")
        return text

    def _number(self, text: str, kind: type[int | float], minimum: float | None) -> int | float:
        try:
            number = kind(text)
        except (ValueError, OverflowError) as error:
            what = "integer" if kind is int else "number"
            raise self._error(f"{text!r} is not a valid {what}") from error
        if minimum is not None and number < minimum:
            raise self._error(f"{text} is not in the range: {minimum:g} is the least")
        return number

    def _error(self, what: str) -> ConfigError | UsageError:
        return self._wrong(f"{self._where}: {what}")
