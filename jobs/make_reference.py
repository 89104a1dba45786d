"""Every command with its flags, their variables and its examples, as one page on standard output.

`make reference` writes it to `scorer/cli/REFERENCE.md`.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator

import click

from scorer.cli.main import COMMANDS, import_command, main

_HEAD = """\
# Reference

Every command and flag, made by `make reference` from the commands themselves: what `scorer COMMAND --help` says. What
the commands do is told on the pages that [the command line](README.md) lists. In brackets stands the variable of the
environment that sets what the flag sets. The key of a configuration file is the flag with `_` for `-`."""


def reference() -> str:
    """The whole page."""
    context = click.Context(main, info_name="scorer")
    return "\n\n".join([_HEAD, *("\n".join(_lines(name, context)) for name in COMMANDS)]) + "\n"


def _lines(name: str, above: click.Context) -> Iterator[str]:
    command = import_command(name)
    context = click.Context(command, info_name=name, parent=above)
    yield f"## scorer {name}"
    yield f"\n```\n{context.command_path} {' '.join(command.collect_usage_pieces(context))}\n```\n"
    yield inspect.cleandoc(command.help or "")
    for group, options in command.grouped(context).items():
        yield f"\n**{group}**\n"
        yield from (_option(option, context) for option in options)
    yield "\n**Examples**\n\n```\n" + "\n".join(command.examples) + "\n```"


def _option(option: click.Option, context: click.Context) -> str:
    record = option.get_help_record(context)
    assert record is not None, "an option that help does not show; this is a bug"
    flags, meaning = record
    variable = f" (`{option.envvar}`)" if option.envvar else ""
    return f"- `{flags}`{variable}: {' '.join(meaning.split())}"


if __name__ == "__main__":
    sys.stdout.write(reference())
