"""The folder that a run works in: `OUT.unfinished/` beside the output, held by one run at a time.

Owns the folder, its lock and the memory of which job it belongs to. Does not know what else is kept in it. The folder
is gone once the output is complete; what an interrupted run leaves in it is what the next run goes on from.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import Any

from scorer.errors import Busy, OutputRefused, from_os_error

_LOCK = "lock"
_JOB = "job.json"


class Workspace:
    """Hold `target`'s workspace from construction until `release` or `remove`; Busy when another run holds it.

    The lock is the kernel's (flock): it is gone when the process is gone, however it died.
    """

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(target.name + ".unfinished")
        self._lock: int | None = self._acquire()

    def recall(self) -> dict[str, Any] | None:
        """The job that left this workspace unfinished, or None."""
        try:
            job = json.loads((self.path / _JOB).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return job if isinstance(job, dict) else None

    def remember(self, job: dict[str, Any]) -> None:
        """Keep `job` for the run that continues this one."""
        beside = self.path / (_JOB + ".new")
        beside.write_text(json.dumps(job, sort_keys=True), encoding="utf-8")
        beside.replace(self.path / _JOB)

    def clear(self) -> None:
        """Delete what another job left here."""
        for path in self.path.iterdir():
            if path.name != _LOCK:
                path.unlink()

    def remove(self) -> None:
        """Delete the workspace with everything in it and let go of it."""
        shutil.rmtree(self.path)
        self._let_go()

    def release(self) -> None:
        """Let go of the workspace, and leave it to a later run if it holds anything to go on from."""
        if self._lock is None:
            return
        if [path.name for path in self.path.iterdir()] == [_LOCK]:
            shutil.rmtree(self.path)
        self._let_go()

    def _let_go(self) -> None:
        assert self._lock is not None, "the workspace is not held; this is a bug"
        os.close(self._lock)
        self._lock = None

    def _acquire(self) -> int:
        while True:
            try:
                self.path.mkdir(exist_ok=True)
                handle = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
            except FileExistsError as error:
                raise OutputRefused(f"{self.path}: in the way of this run's workspace; remove it") from error
            except FileNotFoundError:
                # The run that held it has just finished and removed the folder.
                if not self.path.parent.is_dir():
                    raise OutputRefused(f"{self.path.parent}: no such folder; create it first") from None
                continue
            except OSError as error:
                raise from_os_error(error) from error
            if self._holds(handle):
                return handle

    def _holds(self, handle: int) -> bool:
        """Lock `handle`; False when the file was removed by its last holder before we had the lock."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(handle)
            raise Busy(f"{self.path}: process {holder} is writing this output; try again later") from None
        try:
            same = os.path.samestat(os.fstat(handle), (self.path / _LOCK).stat())
        except FileNotFoundError:
            same = False
        if not same:
            os.close(handle)
            return False
        os.truncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        return True
