"""What makes a field of a dataclass a setting, what a setting affects, and the checks that all settings have in common.

The configuration of every job is made with this. Which settings enter an identity is derived from what each says that
it affects, so that none can be forgotten.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

from scorer.config.data import Data
from scorer.errors import UsageError

Effect = Literal["logits", "answers", "output", "weights", "nothing"]
KnownBy = Literal["value", "resolved", "content"]


@dataclass(frozen=True, kw_only=True)
class Argument:
    """A field that a command takes by its place, and what every field of a configuration says of itself.

    affects        what may be different when the field has another value, beyond the rounding of the arithmetic:
                   `logits`   those of an input of the model: kept scores do not count any more
                   `answers`  what is made of logits and texts: an old output does not stand, kept scores count
                   `output`   which rows and columns come out, or what is said of them: the same
                   `weights`  those of the fitted model: an old checkpoint cannot be gone on from
                   `nothing`  of these: how fast, how loudly, where to, whether it is refused
    known_by       what of the field enters an identity: its `value`, what that was `resolved` to (as `auto` is), or the
                   `content` that it is the name of
    kept_by_model  the model directory says it in a place of its own, and not among the options of the fit
    names_model    it names a model, of this machine or of the hub
    """

    affects: Effect | tuple[Effect, ...]
    known_by: KnownBy = "value"
    kept_by_model: bool = False
    names_model: bool = False

    def __post_init__(self) -> None:
        assert "nothing" not in self.effects or len(self.effects) == 1, "nothing beside something; this is a bug"

    @property
    def effects(self) -> tuple[Effect, ...]:
        """What the field affects, one or several."""
        return self.affects if isinstance(self.affects, tuple) else (self.affects,)


@dataclass(frozen=True)
class Setting(Argument):
    """How a field presents itself to a person: its help line, short flag, limits and other names."""

    help: str
    short: str | None = None
    metavar: str | None = None
    minimum: float | None = None
    aliases: tuple[str, ...] = ()

    def affecting(self, affects: Effect | tuple[Effect, ...], **others: Any) -> Self:
        """The same setting in a job where it affects something else; `others` are further fields that differ."""
        return replace(self, affects=affects, **others)


def settings_of(config: type) -> Iterator[tuple[Field[Any], Setting, Any]]:
    """The fields of the dataclass `config` that are settings, each with its setting and its type."""
    for field, declared, kind in declared_of(config):
        if isinstance(declared, Setting):
            yield field, declared, kind


def flag_of(name: str) -> str:
    """The flag of the setting `name`, which may end with _ where it would be a word of Python."""
    return f"--{name.rstrip('_').replace('_', '-')}"


def declared_of(config: type) -> Iterator[tuple[Field[Any], Argument, Any]]:
    """The fields of the dataclass `config`, each with what it says of itself and its type; every field must say it."""
    hints = get_type_hints(config, include_extras=True)
    for field in fields(config):
        said = [extra for extra in getattr(hints[field.name], "__metadata__", ()) if isinstance(extra, Argument)]
        assert len(said) == 1, f"{config.__name__}.{field.name} does not say what it affects; this is a bug"
        yield field, said[0], hints[field.name].__origin__


class Checked:
    """A configuration whose numbers are finite and at least their settings' minimum, whose choices are among those that
    there are, and whose names are UTF-8, whoever makes it.

    Where a path is wanted its name will do, and where several values are wanted a single one or a list.
    """

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(type(self)).items():
            object.__setattr__(self, name, _converted(getattr(self, name), kind))
            check_utf8(getattr(self, name))
        for field, setting, kind in settings_of(type(self)):
            value, choices = getattr(self, field.name), _choices(kind)
            given = f"{flag_of(field.name)} {value}"
            if setting.minimum is not None and value is not None and not value >= setting.minimum:
                raise UsageError(f"{given}: {setting.minimum:g} is the least")
            if isinstance(value, float) and not math.isfinite(value):
                raise UsageError(f"{given}: a finite number is needed")
            if choices and value not in (*choices, field.default):
                raise UsageError(f"{given}: not one of {', '.join(choices)}")


def check_utf8(value: Any) -> None:
    """UsageError for a text or a path, or one of several, that is not UTF-8: Arrow opens no file of such a name, and no
    summary or model card can say it."""
    parts = value.places if isinstance(value, Data) else value if isinstance(value, tuple) else (value,)
    for part in parts:
        try:
            str(part).encode()
        except UnicodeEncodeError as error:
            shown = str(part).encode(errors="replace").decode()
            raise UsageError(f"{shown}: a name that is not UTF-8; rename it") from error


def _choices(kind: Any) -> tuple[str, ...]:
    """What a field of type `kind`, which may be None besides, can be set to; nothing where there is no list of it."""
    return next((get_args(part) for part in (kind, *get_args(kind)) if get_origin(part) is Literal), ())


def _converted(value: Any, kind: Any) -> Any:
    """`value` as a field of type `kind` holds it."""
    if get_origin(kind) is tuple:
        return (value,) if isinstance(value, str) else tuple(value or ())
    if kind is Data and not isinstance(value, Data):
        return Data(*value) if isinstance(value, list | tuple) else Data(value)
    return Path(value) if isinstance(value, str) and Path in (kind, *get_args(kind)) else value


def affecting(config: type, *effects: Effect) -> dict[str, Argument]:
    """The fields of the dataclass `config` that affect any of `effects`, by their names."""
    return {field.name: said for field, said, _ in declared_of(config) if set(said.effects) & set(effects)}


def material(config: type) -> dict[str, Argument]:
    """The fields of the dataclass `config` that affect anything, by their names."""
    return {field.name: said for field, said, _ in declared_of(config) if "nothing" not in said.effects}


def identity(config: Any, *effects: Effect, resolved: Mapping[str, Any]) -> dict[str, Any]:
    """What the configuration `config` says of each of its fields that affects any of `effects`, by the field's name.

    `resolved` says it of the fields whose value does not tell: what `auto` came to, the fingerprint of a file. It may
    name more of them than these `effects` need, and must name all that they do.
    """
    said = {field.name: argument for field, argument, _ in declared_of(type(config))}
    told = {name for name, argument in said.items() if argument.known_by == "value"}
    assert not resolved.keys() - (said.keys() - told), "resolves what is known by its value; this is a bug"
    return {
        name: getattr(config, name) if name in told else resolved[name] for name in affecting(type(config), *effects)
    }
