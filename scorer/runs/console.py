"""What a run says to a person while it works, always on stderr.

On a terminal there is a progress bar with details. Without one, only what was marked to be said is written. With
`--quiet`, only warnings are.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol, TextIO

# What begins a line of its own or moves the cursor of a terminal: a label may be called anything.
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


def printable(line: str) -> str:
    """`line` with its control characters as escapes, as `repr` writes them."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], line)


class Counter(Protocol):
    """Something that counts progress; tqdm is one."""

    def update(self, n: float = 1) -> object: ...


class _Silent:
    def update(self, n: float = 1) -> None:
        pass


class Console:
    """Lines and progress on `stream` (stderr)."""

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self.quiet = quiet
        self.terminal = self._stream.isatty() and not quiet

    def warn(self, line: str) -> None:
        """Say what a person should act on, even when quiet."""
        self._write(f"warning: {line}")

    def say(self, line: str) -> None:
        """Say what is worth a line in a log."""
        if not self.quiet:
            self._write(line)

    def detail(self, line: str) -> None:
        """Say what is only of interest to somebody who is watching."""
        if self.terminal:
            self._write(line)

    @contextmanager
    def progress(self, description: str, total: int | None, unit: str) -> Iterator[Counter]:
        """A progress bar on a terminal; elsewhere nothing."""
        if not self.terminal:
            yield _Silent()
            return
        from tqdm import tqdm

        with tqdm(
            total=total, desc=description, unit=f" {unit}", unit_scale=True, file=self._stream, leave=False
        ) as bar:
            yield bar

    def _write(self, line: str) -> None:
        with suppress(OSError):  # a run does not fail because nobody can be told about it
            self._stream.write(printable(line) + "\n")
            self._stream.flush()
