"""Hooks: commands of the user's that hear how a run of a job ended.

The shell runs them. `scorer` and `python3` are those that run the job, whatever PATH a scheduler gave it. Like a step
a hook is in a process group of its own; signals go to all of the group, since a shell does not pass them on.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scorer.automation.step_process import PassedSignals, shell_code
from scorer.config import RunConfig
from scorer.errors import Busy, UsageError, exit_code_of, from_os_error
from scorer.runs.console import Console

# What a shell says of a command that it cannot start.
_NOT_STARTED: Final = 126


class Hooks:
    """The hooks that `config` names; `manifest` is that of the run under way."""

    def __init__(self, config: RunConfig, signals: PassedSignals, console: Console) -> None:
        self.manifest: Path | None = None
        self._config, self._signals, self._console = config, signals, console

    def call(self, exit_code: int) -> int:
        """Call the one for a run that ended with `exit_code`; the hook's own exit code, 0 where there is none."""
        failed = exit_code != 0
        command, flag = (
            (self._config.on_failure, "--on-failure") if failed else (self._config.on_success, "--on-success")
        )
        if command is None:
            return 0
        code = self._run(command, exit_code)
        if code:
            self._console.warn(f"{flag}: the command ended with {code}")
        return code

    @contextmanager
    def told_of_errors(self) -> Iterator[None]:
        """Call the one for failures when an error of this process ends the block, such as a full disk. Not when another
        run has the job, and not after a signal: then a later call goes on. Nor where the call itself is wrong."""
        try:
            yield
        except (Busy, UsageError):
            raise
        except Exception as error:
            if self._signals.received is None:
                self.call(exit_code_of(error))
            raise

    def _run(self, command: str, exit_code: int) -> int:
        """Let the shell run `command`. What it prints goes to stderr, since stdout is for our summary."""
        manifest = self.manifest
        if manifest is None or not os.path.exists(manifest):  # noqa: PTH110  Path.exists raises where it cannot look
            manifest = Path(os.devnull)  # a command that reads it is to be run all the same
        told = {"SCORER_MANIFEST": str(manifest.absolute()), "SCORER_EXIT_CODE": str(exit_code), "PATH": _path()}
        shell = ["/bin/sh", "-c", command]
        self._signals.forget()  # what came before ends the run, not the hook that tells of it
        try:
            child = subprocess.Popen(
                shell, stdin=subprocess.DEVNULL, stdout=2, env={**os.environ, **told}, process_group=0
            )
        except OSError as error:  # the error that the hook was to tell of counts more
            self._console.warn(str(from_os_error(error)))
            return _NOT_STARTED
        self._signals.watch(_Group(child.pid))
        returned = child.wait()
        self._signals.leave()
        return shell_code(returned)


@dataclass(frozen=True)
class _Group:
    """The shell of a hook and what it has started, by the `number` of their process group."""

    number: int

    def send_signal(self, number: int, /) -> None:
        with suppress(ProcessLookupError):  # all of them have ended just now
            os.killpg(self.number, number)


def _path() -> str:
    """The PATH of a hook: the programs of this installation come first."""
    return os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
