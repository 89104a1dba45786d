"""A lock file: held by one process at a time, and by nobody once that is gone, however it died.

The lock is the kernel's (flock). The file holds the number of its holder's process, for those whom it keeps out.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from scorer.errors import Busy, from_os_error

# A holder writes its number a moment after it has the lock.
_NAMING_SECONDS = 0.5


class FileLease:
    """The lock file `path`, held until `let_go`."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle: int | None = handle

    @classmethod
    def take(cls, path: Path, *, what: Path) -> FileLease | None:
        """Make the file and lock it; None when its last holder removed it before we had the lock: try again.

        Busy, naming `what` is locked by it, when another holds it; OSError when the file cannot be opened.
        """
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(handle)
            os.close(handle)
            raise Busy(f"{what}: process {holder} is writing this output; try again later") from None
        lease = cls(path, handle)
        if not lease.held():
            lease.let_go()
            return None
        return lease

    def sign(self) -> None:
        """Write our number into the file."""
        assert self._handle is not None, "the lease was let go; this is a bug"
        try:
            os.truncate(self._handle, 0)
            os.pwrite(self._handle, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            error.filename = str(self.path)
            raise from_os_error(error) from error

    def held(self) -> bool:
        """Whether the file under our name is still the one we opened: folders are deleted and made anew."""
        if self._handle is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._handle), self.path.lstat())
        except (FileNotFoundError, NotADirectoryError):
            return False

    def let_go(self) -> None:
        """Let the next one have it. The file stays, unless it was deleted before: who deletes it must hold it."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _holder(handle: int) -> str:
    """The number of the process that wrote it into the lock `handle`; "unknown" when none did in time.

    For a moment it is missing, or that of an earlier run which was killed.
    """
    deadline = time.monotonic() + _NAMING_SECONDS
    while True:
        written = os.pread(handle, 32, 0).decode(errors="replace").strip()
        if _is_running(written) or time.monotonic() > deadline:
            return written or "unknown"
        time.sleep(0.01)


def _is_running(number: str) -> bool:
    try:
        os.kill(int(number), 0)
    except (ValueError, ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True  # it is there, and another user's
    return True
