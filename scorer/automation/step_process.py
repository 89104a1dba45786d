"""A step of a job as a child process: `python -m scorer COMMAND ...`.

Why not in this process: what a step has used (torch's memory, the GPU, threads) is given back for certain when it ends,
a step that is killed for want of memory or by a broken driver does not take the job with it, and exit codes and signals
mean what they mean for the same command in a shell. The price is a start for each step: seconds of imports, which a
night does not notice.

A child is in a process group of its own, so that Ctrl-C in a terminal reaches it once, from here. It inherits the lock
of the job: should this process be killed, the step goes on to its end, and no other run begins before.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Final, Protocol, Self

from scorer.errors import REASON
from scorer.runs.runtime import how_it_ended
from scorer.runs.signals import give_back, take_signals
from scorer.stores.workspace import FileLease

# -P: a file of the working folder that is called like a module is not imported.
PROGRAM: Final = (sys.executable, "-P", "-m", "scorer")


@dataclass(frozen=True)
class Ended:
    """How a step ended: its exit code, the JSON summary that it printed and, when it failed, the reason that it
    gave."""

    exit_code: int
    summary: dict[str, Any] | None = None
    reason: str | None = None


class Receiver(Protocol):
    """Whom signals are passed to."""

    def send_signal(self, number: int, /) -> None: ...


class PassedSignals:
    """Within the `with` block SIGINT, SIGTERM and SIGHUP go to the step that is at work, which knows its safe places.
    `received` is the first that came. One that the caller ignores stays ignored; only the main thread receives any."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._waiting: deque[int] = deque()
        self._child: Receiver | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._previous = take_signals(self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        give_back(self._previous)

    def watch(self, child: Receiver) -> None:
        """From now on signals go to `child`, and so does one that came while it was started."""
        self._child = child
        self._deliver()

    def forget(self) -> None:
        """What came until now is for no child any more: it was heard by `received` alone."""
        self._waiting.clear()

    def leave(self) -> None:
        """The child has ended."""
        self._child = None

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self.received = self.received or number
        self._waiting.append(number)
        self._deliver()

    def _deliver(self) -> None:
        """Send what waits, each signal once: a second one means "at once". This may be interrupted by itself."""
        while self._child is not None:
            try:
                number = self._waiting.popleft()
            except IndexError:
                return
            self._child.send_signal(number)


def run_step(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    lease: FileLease,
    reason: Path,
    signals: PassedSignals,
    program: Sequence[str] = PROGRAM,
) -> Ended:
    """Do the step whose command line is `arguments`, behind `program`; it holds the `lease`, too, and writes into the
    file `reason` why it fails."""
    reason.unlink(missing_ok=True)
    child = subprocess.Popen(
        [*program, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={**environment, REASON: str(reason.absolute())},
        pass_fds=[lease.handle],
        process_group=0,
    )
    try:
        signals.watch(child)
        lease.sign(child.pid)
        printed, _ = child.communicate()
        signals.leave()
        lease.sign()
    except BaseException:  # a disk that is full: no step is left behind that nobody waits for
        child.terminate()
        child.wait()
        raise
    why = _reason(reason, child.returncode)
    reason.unlink(missing_ok=True)
    return Ended(shell_code(child.returncode), _summary(printed), why)


def shell_code(returned: int) -> int:
    """What a shell says of a child that ended with `returned`, which is negative for a signal."""
    return returned if returned >= 0 else 128 - returned


def _summary(printed: bytes) -> dict[str, Any] | None:
    lines = printed.decode(errors="replace").splitlines()
    try:
        found = json.loads(lines[-1]) if lines else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _reason(path: Path, returned: int) -> str | None:
    if returned == 0:
        return None
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else how_it_ended(returned)
