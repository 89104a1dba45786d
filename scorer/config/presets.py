"""Named sets of defaults of a fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Preset = Literal["quick", "default", "best"]

# Whatever a flag, the environment or a configuration file says of these settings wins.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "quick": {"epochs": 1.0, "max_length": 64},
    "default": {},
    "best": {"seeds": 3},
}


def in_words(preset: str) -> str:
    """The flags that `preset` stands for."""
    return " ".join(f"--{field.replace('_', '-')} {value}" for field, value in PRESETS[preset].items())
