"""Configuration files and presets in click's terms: their values take their place below the flags and the environment
and above the defaults. What the keys and values of a file may be, `scorer.config.reading` knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from scorer.config import FitConfig
from scorer.config.reading import preset_values, read_file


def read_config_file(context: click.Context, path: Path | None, config: type) -> None:
    """Make the settings in the file `path` the defaults of the command in `context`, whose settings are `config`'s.

    InputMissing when there is no such file; ConfigError when it cannot be read, has an unknown key or a wrong value.
    """
    if path is not None:
        context.default_map = read_file(path, config)


def with_preset(context: click.Context, settings: Mapping[str, Any]) -> dict[str, Any]:
    """`settings` of the command in `context`, with the values of the preset among them where nobody gave others."""
    said = {
        name: value
        for name, value in settings.items()
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    return {**settings, **preset_values(FitConfig, said)}
