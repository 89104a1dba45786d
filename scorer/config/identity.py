"""Which settings enter an identity: derived from what each says that it affects, so that none can be forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scorer.config.settings import Argument, Effect, declared_of


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
