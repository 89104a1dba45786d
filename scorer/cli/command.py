"""What every command has: its page of help, in groups and with examples, and the one JSON summary on stdout."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, TypeVar

import click

from scorer.config.groups import GENERAL, GROUP_OF, GROUPS

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_JSON: Final = "scorer.json"
HELP_FLAGS: Final = ("-h", "--help")
COMPLETE: Final = "_SCORER_COMPLETE"
"""The variable with which a shell asks click what the word at the cursor may become."""


class Place(click.types.StringParamType):
    """A text that names files or a folder, or what is none, such as `-`, a pattern or an address; a shell completes
    `kind`, file or dir."""

    def __init__(self, kind: Literal["file", "dir"] = "file") -> None:
        self.kind = kind

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:  # noqa: ARG002
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, type=self.kind)]


class Command(click.Command):
    """A command whose help shows its options in groups, and `examples` (whole lines of a shell) at the end.

    It knows its flags for help by itself. Click asks a command's group for them, the first time only: a command that
    was first asked without its group would lack -h from then on.
    """

    def __init__(self, *arguments: Any, examples: Sequence[str] = (), **extra: Any) -> None:
        super().__init__(*arguments, **extra)
        self.examples = tuple(examples)

    def get_help_option_names(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  the same in every context
        return list(HELP_FLAGS)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, those of each group below its name."""
        groups = self.grouped(ctx)
        for group, options in groups.items():
            with formatter.section(group if len(groups) > 1 else "Options"):
                records = (option.get_help_record(ctx) for option in options)
                formatter.write_dl([record for record in records if record is not None])

    def grouped(self, ctx: click.Context) -> dict[str, list[click.Option]]:
        """The options of each group that has any."""
        found: dict[str, list[click.Option]] = {group: [] for group in GROUPS}
        for option in self.get_params(ctx):
            if isinstance(option, click.Option):
                found[GROUP_OF.get(option.name or "", GENERAL)].append(option)
        return {group: options for group, options in found.items() if options}

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


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
