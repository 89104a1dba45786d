"""What a command prints on stdout: one JSON summary."""

from __future__ import annotations

from typing import Any

import click


def print_summary(summary: dict[str, Any], *, quiet: bool = False) -> None:
    """Print `summary` as one line of JSON, unless `quiet`."""
    if quiet:
        return
    import json

    click.echo(json.dumps(summary, ensure_ascii=False, allow_nan=False))
