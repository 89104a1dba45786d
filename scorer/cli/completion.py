"""`scorer completion`: the script with which a shell completes commands, flags, choices and files."""

from __future__ import annotations

from typing import Final

import click

from scorer.cli.command import COMPLETE, Command

_EXAMPLES: Final = (
    "source <(scorer completion bash)                                        # in ~/.bashrc",
    'eval "$(scorer completion zsh)"                                         # in ~/.zshrc, after compinit',
    "scorer completion fish > ~/.config/fish/completions/scorer.fish         # once",
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks.")
def completion(shell: str) -> None:
    """Print the script that lets SHELL complete commands, flags, choices and files when Tab is pressed.

    Bash needs version 4.4 or later.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None, f"click knows no {shell}; this is a bug"
    root = click.get_current_context().find_root().command
    click.echo(kind(root, {}, "scorer", COMPLETE).source())
