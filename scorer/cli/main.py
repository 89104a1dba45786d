"""The command `scorer`: its subcommands, and how an error becomes one line and an exit code.

An error that nobody handled ends here. Imports nothing heavy: a subcommand imports its job when it is called.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

import click

from scorer.cli.command import COMPLETE, HELP_FLAGS, Command
from scorer.cli.left_out import leave_out
from scorer.errors import REASON, DeviceError, ScorerError, exit_code_of, from_os_error
from scorer.version import __version__

# What `--help` says of each command. It has a file of its name in this folder, imported when the command is called for.
COMMANDS = {
    "adapt": "Train a base model on texts without labels, before a fit.",
    "advise": "Say which base model, length and preset suit a training file.",
    "check": "Say what is wrong with a training file.",
    "completion": "Print the script that completes commands and flags in a shell.",
    "diff": "Say what changes when a new model takes an old one's place.",
    "doctor": "Look at this machine and installation, and say what to do.",
    "evaluate": "Tell how good a model is on labelled data, and where it fails.",
    "export": "Write a model for ONNX Runtime or OpenVINO.",
    "fit": "Fine-tune a classifier on a file of texts and labels.",
    "inspect": "Show what a model directory or a scored file says of itself.",
    "predict": "Score texts given as arguments or lines.",
    "push": "Send a model directory to the Hugging Face hub.",
    "run": "Do the steps of a job file: check, fit, evaluate, compare, score.",
    "score": "Put a score and a confidence beside every row of a file.",
    "serve": "Answer over HTTP from a model in memory.",
}
_EXAMPLES = (
    "scorer fit data/train.csv                                   # a model directory; models/latest points to it",
    "scorer score data/reviews.parquet data/reviews.scored.parquet",
    "scorer doctor                                               # what this machine can do, and what is missing",
)
# So many new objects make Python look for those that nobody needs. The default is 700, and what the imports of a start
# made, which stays to the end, is looked through again and again.
_NEW_OBJECTS = 50_000
# Commands that hand no library a data frame.
_WITHOUT_PANDAS = ("predict", "score", "serve")
# Of the options there are, those that let a command need less memory.
_SPARING = ("--batch-tokens", "--batch-size", "--window-rows")


class _PipeBroken(Exception):
    """A BrokenPipeError under a name that click does not know: it would end the process with 1."""


class _Commands(Command, click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  the same in every context
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        # For a name that is none, click looks among all commands for one that is like it.
        for name in (cmd_name,) if cmd_name in COMMANDS else COMMANDS:
            if name not in self.commands:
                self.add_command(import_command(name))
        return super().get_command(ctx, cmd_name)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def make_context(self, *arguments: Any, **extra: Any) -> click.Context:
        try:
            return super().make_context(*arguments, **extra)
        except BrokenPipeError as error:
            raise _PipeBroken from error

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _PipeBroken from error
        except MemoryError as error:
            raise DeviceError(_out_of_memory(self.commands.get(ctx.invoked_subcommand or ""))) from error


def import_command(name: str) -> Command:
    """The command `name`, of the file of its name in this folder."""
    command: Command = getattr(import_module(f"scorer.cli.{name}"), name)
    return command


@click.group(
    cls=_Commands,
    examples=_EXAMPLES,
    no_args_is_help=False,
    context_settings={"help_option_names": list(HELP_FLAGS), "max_content_width": 110},
)
@click.version_option(__version__, prog_name="scorer")
def main() -> None:
    """Fine-tune a text classifier on a file, then put a score beside every row of files of any size."""


def run() -> None:
    """Run the command line of this process and exit."""
    gc.set_threshold(_NEW_OBJECTS)
    if "--debug" in sys.argv:
        os.environ["SCORER_DEBUG"] = "1"
    if next((word for word in sys.argv[1:] if not word.startswith("-")), "") in _WITHOUT_PANDAS:
        leave_out("pandas")
    _open_closed_streams()
    _write_utf8()
    code = _completed() if COMPLETE in os.environ else _exit_code()
    for stream in (sys.stdout, sys.stderr):
        _empty(stream)
    sys.exit(code)


def _open_closed_streams() -> None:
    """Put nothing where the caller closed a standard stream, lest the next file opened take its place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  open to the end


def _write_utf8() -> None:
    """Let stdout be UTF-8 whatever the locale, as JSON and the texts in it are.

    What has no UTF-8, a byte in the name of a file, becomes what JSON writes for it: a backslash, a u and four digits.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")


def _empty(stream: TextIO) -> None:
    """Write what `stream` still holds, or drop it: Python would try again at exit, and end with 120 if that failed."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _completed() -> int:
    """Let click tell a shell what the word at its cursor may become; nothing is said of what is wrong with the line, as
    somebody is typing it."""
    try:
        main(prog_name="scorer", complete_var=COMPLETE)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1
    except Exception:  # noqa: BLE001
        return 1
    return 0


def _exit_code() -> int:
    """Run the command; say what went wrong in one line. 0 when nothing did."""
    try:
        result = main(prog_name="scorer", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except ScorerError as error:
        return _failed(error, str(error), exit_code_of(error))
    except click.ClickException as error:
        return _failed(error, _usage(error), error.exit_code)
    except (KeyboardInterrupt, click.Abort) as error:
        return _failed(error, "interrupted", exit_code_of(KeyboardInterrupt()))
    except (BrokenPipeError, _PipeBroken):  # whoever read our output has gone
        return exit_code_of(BrokenPipeError())
    except OSError as error:
        return _failed(error, str(from_os_error(error)), exit_code_of(error))
    except BaseException as error:  # noqa: BLE001  the last resort; a panic in a library of Rust is no Exception
        return _failed(
            error,
            f"{type(error).__name__}: {error}; this is a bug: run again with --debug and report it",
            exit_code_of(error),
        )


def _failed(error: BaseException, message: str, code: int) -> int:
    from scorer.runs.console import printable

    with contextlib.suppress(OSError):  # where nobody can be told, the exit code says it
        if os.environ.get("SCORER_DEBUG"):
            import traceback

            traceback.print_exception(error)
        line = printable(" ".join(message.split()))
        print(f"scorer: error: {line}", file=sys.stderr)  # noqa: T201
        if reason := os.environ.get(REASON):
            Path(reason).write_text(line, encoding="utf-8", errors="backslashreplace")
    return code


def _out_of_memory(command: click.Command | None) -> str:
    """What to say when `command` has used up the memory, and what may help it."""
    options = [option for parameter in (command.params if command else ()) for option in parameter.opts]
    sparing = " or ".join(option for option in _SPARING if option in options)
    return f"out of memory; a smaller {sparing} needs less" if sparing else "out of memory"


def _usage(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    hint = f" (see {context.command_path} --help)" if context else ""
    return error.format_message().rstrip(".") + hint
