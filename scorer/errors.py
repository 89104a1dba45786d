"""The error tree: what can go wrong, and the exit code each kind of trouble ends with.

    ScorerError
    ├── UsageError            2    the command line asks for something that cannot be
    ├── DataError             65   the data is wrong: malformed, mislabelled, changed while it was read
    ├── InputMissing          66   a file that should be read is not there
    ├── DeviceError           69   the device or the memory is exhausted
    ├── OutputRefused         73   the output cannot be created, or would replace what should stay
    ├── StorageError          74   reading or writing failed: I/O error, full disk
    ├── Busy                  75   another run holds the output; try again later
    ├── NotPermitted          77   the operating system says no
    ├── ModelError            78   the model directory is wrong
    │   └── ConfigError       78   the configuration is wrong
    ├── StepFailed            that of the step   a step of a job file ended so
    └── Interrupted           130, 143 or 129   a signal stopped the run

An exception that is none of these is a bug of ours and ends with 70. A message is one line: what, which file, row and
column, the shape of the value (never the text itself), and what to try.

Only `scorer.cli` may turn an error into an exit. Everybody else raises.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping
from typing import Any, Final

# What Python's tempfile says, as of an input that is missing.
_NO_TEMPORARY_FOLDER = "No usable temporary directory"
REASON: Final = "SCORER_REASON"
"""The variable that names a file into which a command that fails writes why, for whoever started it."""
ANEW: Final = "start anew with --force"
"""What every error says for which an interrupted fit cannot be gone on from: a job that started the fit knows it by
this."""
_LONGEST_NAME = 40
_MOST_WORDS = 4
# What is so many times as long as a name shares too few letters with it to be near: at the cutoff of difflib, 0.6, the
# longer one has at most 2 / 0.6 - 1 times as many.
_NEAR = 3


def shown(name: str, *, quoted: bool = True) -> str:
    """A column's name as a message may show it: a long one, which may be a row's text, by its length alone."""
    if len(name) > _LONGEST_NAME or len(name.split()) > _MOST_WORDS:
        return f"(a name of {len(name)} characters)"
    return repr(name) if quoted else name


class ScorerError(Exception):
    """The root of everything that we raise on purpose; `exit_code` is the process's exit status. Every one of them
    comes through a pipe as it is, whatever it was made of: workers send theirs to their driver."""

    exit_code = 70

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (type(self), self.args, self.__dict__)


class UsageError(ScorerError):
    exit_code = 2


class DataError(ScorerError):
    exit_code = 65


class InputMissing(ScorerError):
    exit_code = 66


class DeviceError(ScorerError):
    exit_code = 69


class OutputRefused(ScorerError):
    exit_code = 73


class StorageError(ScorerError):
    exit_code = 74


class Busy(ScorerError):
    exit_code = 75


class NotPermitted(ScorerError):
    exit_code = 77


class ModelError(ScorerError):
    exit_code = 78


class ConfigError(ModelError):
    pass


FILE_FAULTS: Final = (ConfigError, DataError, InputMissing, NotPermitted, UsageError)
"""What may be wrong with one file of several: it is damaged or gone, may not be read, lacks the column of texts or has
something else in it."""


class Interrupted(ScorerError):
    """A signal asked us to stop; unless the message says otherwise, what was done so far is kept for a run that goes on
    from there."""

    def __init__(
        self,
        signal_number: int,
        message: str = "interrupted; what was done so far is kept for a run that goes on from it",
    ) -> None:
        super().__init__(message)
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number


class StepFailed(ScorerError):
    """A step of a job ended with `exit_code`, after it had said why."""

    def __init__(self, exit_code: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def _unpickled(kind: type[ScorerError], args: tuple[Any, ...], said: Mapping[str, Any]) -> ScorerError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(said)
    return error


def exit_code_of(error: BaseException) -> int:
    """The exit code that a run ends with when `error` ends it."""
    if isinstance(error, ScorerError):
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        return 141
    if isinstance(error, OSError):
        return from_os_error(error).exit_code
    if isinstance(error, MemoryError):
        return DeviceError.exit_code
    return 130 if isinstance(error, KeyboardInterrupt) else ScorerError.exit_code


def from_os_error(error: OSError) -> ScorerError:
    """Name an operating-system error after its cause, for the places where any of several may come up."""
    what = f"{error.filename or 'I/O'}: {os.strerror(error.errno) if error.errno else error}"
    if isinstance(error, FileNotFoundError) and _NO_TEMPORARY_FOLDER in str(error):
        return StorageError("no folder for temporary files can be written to; name one that can: TMPDIR=/some/folder")
    if isinstance(error, FileNotFoundError):
        return InputMissing(what)
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return NotPermitted(what)
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageError(f"{what}; free some space, then run the same command again")
    return StorageError(what)


def near(name: str, known: Iterable[str], *, most: int = 1) -> list[str]:
    """Those of the names `known` that are spelt most like `name`, whatever their case, nearest first: for a message
    that asks whether one of them was meant."""
    folded = {other.casefold(): other for other in known}
    if len(name) > _NEAR * max(map(len, folded), default=0):
        return []  # difflib would find none either, and take seconds for a name of megabytes
    import difflib

    return [folded[found] for found in difflib.get_close_matches(name.casefold(), list(folded), n=most)]
