"""What every command has: its flags for help, and the one JSON summary that it prints on stdout."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_JSON: Final = "scorer.json"
HELP_FLAGS: Final = ("-h", "--help")


class Command(click.Command):
    """A command that knows its flags for help by itself.

    Click asks a command's group for them, the first time only: a command that was first asked without its group would
    lack -h from then on.
    """

    def get_help_option_names(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  the same in every context
        return list(HELP_FLAGS)


def json_option(command: Decorated) -> Decorated:
    """The flag `--json`, for a command that ends with `print_summary`."""
    return click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        callback=lambda context, _, asked: context.meta.update({_JSON: asked}),
        help="Print the summary as JSON on a terminal, too.",
    )(command)


def asks_for_json() -> bool:
    """Whether the command at work was given `--json`."""
    return bool(click.get_current_context().meta.get(_JSON))


def print_document(document: dict[str, Any]) -> None:
    """Print `document`, which was asked for, as JSON: one line, or indented on a terminal."""
    import json

    click.echo(json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2 if sys.stdout.isatty() else None))


def print_summary(summary: dict[str, Any], *, quiet: bool = False) -> None:
    """Print `summary` as one line of JSON: whatever `--json` asks, else unless `quiet` or on a terminal, where people
    read what stderr says."""
    if not asks_for_json() and (quiet or sys.stdout.isatty()):
        return
    import json

    click.echo(json.dumps(summary, ensure_ascii=False, allow_nan=False))
