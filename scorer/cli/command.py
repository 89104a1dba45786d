"""What every command has: its flags for help, and the one JSON summary that it prints on stdout."""

from __future__ import annotations

from typing import Any, Final

import click

HELP_FLAGS: Final = ("-h", "--help")


class Command(click.Command):
    """A command that knows its flags for help by itself.

    Click asks a command's group for them, the first time only: a command that was first asked without its group would
    lack -h from then on.
    """

    def get_help_option_names(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  the same in every context
        return list(HELP_FLAGS)


def print_summary(summary: dict[str, Any], *, quiet: bool = False) -> None:
    """Print `summary` as one line of JSON, unless `quiet`."""
    if quiet:
        return
    import json

    click.echo(json.dumps(summary, ensure_ascii=False, allow_nan=False))
