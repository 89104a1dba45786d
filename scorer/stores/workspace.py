"""The folder that a run works in, `OUT.unfinished/` beside the output, and the lock file by which one run holds it.

The folder remembers which job it belongs to. It is gone once the output is complete. What an interrupted run leaves in
it is what the next run goes on from.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from scorer.config import UNFINISHED
from scorer.errors import Busy, OutputRefused, from_os_error
from scorer.stores.atomic import AtomicFile, publish, put
from scorer.stores.fingerprints import hash_of, user_cache
from scorer.stores.folder import Folder
from scorer.stores.object_path import ObjectPath

# A holder writes its number a moment after it has the lock.
_NAMING_SECONDS = 0.5
_LOCK = "lock"
_WORKER = "worker"
# How long a worker that was taken for dead may take to see that, and how often that is looked at.
_PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.2
_JOB = "job.json"


class WorkFolder:
    """A folder that a run works in. Any process of the run may work in it, by its `path` alone; whoever began the run
    holds it."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def folder(self) -> Folder:
        """What a library opens by its name."""
        return Folder(self.path)

    def recall(self) -> dict[str, Any] | None:
        """The job that left this folder unfinished, or None."""
        try:
            job = json.loads((self.path / _JOB).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return job if isinstance(job, dict) else None

    def remember(self, job: dict[str, Any]) -> None:
        """Keep `job`, durably, for the run that continues this one."""
        self.keep(_JOB, json.dumps(job, sort_keys=True).encode())

    @contextlib.contextmanager
    def alone(self, *, patience: float = _PATIENCE_SECONDS) -> Iterator[None]:
        """Nobody else works here meanwhile: a worker that its driver lost sight of may be at work still. It has so many
        seconds to end, then Busy is raised. OutputRefused when the folder is gone."""
        lease = self._only_worker(time.monotonic() + patience)
        try:
            lease.sign()
            yield
        finally:
            if lease.held():
                lease.path.unlink(missing_ok=True)
            lease.let_go()

    def _only_worker(self, deadline: float) -> FileLease:
        while True:
            try:
                lease = FileLease.take(self.path / _WORKER, what=self.path, doing="at work in this folder")
            except Busy:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_LOOK_SECONDS)
            except FileNotFoundError as error:
                raise self._gone() from error
            except OSError as error:
                raise from_os_error(error) from error
            else:
                if lease is not None:
                    return lease

    def keep(self, name: str, content: bytes) -> None:
        """Write the small file `name` whole and durably."""
        try:
            put(self.path / name, content, temporary=self.path / f"{name}.new")
        except OutputRefused as error:
            raise self._gone() from error

    def _gone(self) -> OutputRefused:
        return OutputRefused(f"{self.path}: removed while a run worked in it; run the same command again")

    def subfolder(self, name: str) -> WorkFolder:
        """The folder `name` in this one, made when missing."""
        folder = WorkFolder(self.path / name)
        try:
            folder.path.mkdir(exist_ok=True)
        except OSError as error:
            raise from_os_error(error) from error
        return folder

    def subfolders(self, prefix: str) -> list[WorkFolder]:
        """The folders in this one whose names begin so."""
        return [WorkFolder(path) for path in sorted(self.path.glob(f"{prefix}*")) if path.is_dir()]

    def kept(self, name: str) -> bytes:
        """The bytes of the small file `name`."""
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            raise from_os_error(error) from error

    def begin(self, target: Path, *, temporary: str = "") -> AtomicFile:
        """The file that will be `target`, to be written here under the name `temporary`, or one that is made of the
        target's."""
        return AtomicFile(target, temporary=self.path / temporary if temporary else self._partial(target))

    def hash_of(self, name: str) -> str:
        """BLAKE2b (256 bits, hexadecimal) of the file `name`."""
        return hash_of(self.path / name)

    def _partial(self, target: Path) -> Path:
        return self.path / f"partial.{target.name}"


class Workspace(WorkFolder):
    """Hold `target`'s workspace from construction until `release` or `remove`; Busy when another run holds it.

    The lock is the kernel's (flock): it is gone when the process is gone, however it died.
    """

    def __init__(self, target: Path, *, make_parents: bool = False) -> None:
        super().__init__(self.path_of(target))
        if isinstance(target, ObjectPath):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        elif make_parents:
            target.parent.mkdir(parents=True, exist_ok=True)
        self._lock: FileLease | None = self._acquire()

    @staticmethod
    def path_of(target: Path) -> Path:
        """The folder that is the workspace of whoever writes `target`; of an object, one of this machine."""
        if isinstance(target, ObjectPath):
            place = workplace(target)
            return place.with_name(place.name + UNFINISHED)
        return target.with_name(target.name + UNFINISHED)

    def publish(self, target: Path) -> None:
        """Give what was begun here for `target`, and finished, its name. OutputRefused when it was removed meanwhile,
        or the whole folder was: another run may work in one of the same name."""
        partial = self._partial(target)
        if self._lock is None or not self._lock.held() or not partial.exists():
            raise OutputRefused(f"{partial}: removed while it was written; run the same command again")
        if isinstance(target, ObjectPath):
            target.upload(partial)
        else:
            publish(partial, target)

    def forget(self, target: Path) -> None:
        """Delete what was begun here for `target`, if it is still ours."""
        if self._lock is not None and self._lock.held():
            with contextlib.suppress(OSError):
                self._partial(target).unlink()

    def clear(self) -> None:
        """Delete what another job left here, all but the lock."""
        for path in self.path.iterdir():
            if path.name != _LOCK:
                _delete(path)

    def remove(self) -> None:
        """Delete the workspace with everything in it and let go of it. Does nothing when it is not held any more.

        The memory of the job goes after everything else, so that a run killed in between is found unfinished; then the
        lock, so that until then no other run can take what is about to be deleted.
        """
        self._end(lambda: True)

    def release(self) -> None:
        """Let go of the workspace, and leave it to a later run if it holds anything to go on from."""
        self._end(lambda: [path.name for path in self.path.iterdir()] == [_LOCK])

    def _end(self, to_be_emptied: Callable[[], bool]) -> None:
        """Let go of the workspace, if it is held; delete it first if it is still ours and `to_be_emptied`."""
        if self._lock is None:
            return
        try:
            if self._lock.held() and to_be_emptied():
                self._empty()
        except OSError as error:
            raise from_os_error(error) from error
        finally:
            self._lock.let_go()
            self._lock = None

    def _empty(self) -> None:
        inside = sorted(self.path.iterdir(), key=lambda path: (path.name == _LOCK, path.name == _JOB))
        for path in inside:
            _delete(path)
        with contextlib.suppress(OSError):  # whoever takes the lock anew by now works in this folder
            self.path.rmdir()

    def _acquire(self) -> FileLease:
        while True:
            lease = self._open_lock()
            if lease is not None:
                self._lock = lease
                try:
                    lease.sign()
                except BaseException:
                    self.release()
                    raise
                return lease

    def _open_lock(self) -> FileLease | None:
        """The lock, held, in a folder that is made when missing; None when another run has just removed it."""
        try:
            with contextlib.suppress(FileExistsError):
                self.path.mkdir()
            if self.path.is_symlink():
                raise OutputRefused(f"{self.path}: a symlink in the way of this run's workspace; remove it")
            return FileLease.take(self.path / _LOCK, what=self.path)
        except NotADirectoryError as error:
            raise OutputRefused(f"{self.path}: in the way of this run's workspace; remove it") from error
        except FileNotFoundError:
            if not self.path.parent.is_dir():
                raise OutputRefused(f"{self.path.parent}: no such folder; create it first") from None
            return None
        except OSError as error:
            with contextlib.suppress(OSError):
                self.path.rmdir()  # which only deletes an empty folder
            raise from_os_error(error) from error


def newest_left(folder: Path, job: dict[str, Any]) -> Path | None:
    """The target of the newest workspace in `folder` that the same `job` left, or None."""
    found = []
    for path in folder.glob("*" + UNFINISHED):
        try:
            left = json.loads((path / _JOB).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if left == job:
            found.append(path)
    newest = max(found, key=lambda path: (path.stat().st_mtime_ns, path.name), default=None)
    return None if newest is None else newest.with_name(newest.name.removesuffix(UNFINISHED))


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


class TemporaryFolder(WorkFolder):
    """A folder of this run alone, that nobody will go on from."""

    def __init__(self) -> None:
        super().__init__(tempfile.mkdtemp(prefix="scorer-"))

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


class FileLease:
    """The lock file `path`, held until `let_go` by one process at a time, and by nobody once that is gone.

    The lock is the kernel's (flock). The file holds the number of its holder's process, for those whom it keeps out.
    """

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle: int | None = handle

    @classmethod
    def take(cls, path: Path, *, what: Path, doing: str = "writing this output") -> FileLease | None:
        """Make the file and lock it; None when its last holder removed it before we had the lock: try again.

        Busy, naming `what` is locked by it and what its holder is `doing`, when another holds it; OSError when the
        file cannot be opened.
        """
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(handle)
            os.close(handle)
            raise Busy(f"{what}: process {holder} is {doing}; try again later") from None
        lease = cls(path, handle)
        if not lease.held():
            lease.let_go()
            return None
        return lease

    @property
    def handle(self) -> int:
        """The open file: a child that inherits it holds the lock, too, and keeps it should this process die."""
        assert self._handle is not None, "the lease was let go; this is a bug"
        return self._handle

    def sign(self, number: int | None = None) -> None:
        """Write the `number` of a process into the file, by default ours."""
        try:
            os.truncate(self.handle, 0)
            os.pwrite(self.handle, f"{number or os.getpid()}\n".encode(), 0)
        except OSError as error:
            error.filename = str(self.path)
            raise from_os_error(error) from error

    def unsign(self) -> None:
        """Take the number out of the file: another process may have it one day."""
        with contextlib.suppress(OSError):  # a number that stays misleads at most whoever asks `holder_of`
            os.truncate(self.handle, 0)

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


def holder_of(path: Path) -> str | None:
    """The number of the process that holds the lock file `path`, as far as it can be told without taking the lock; None
    when nobody does."""
    try:
        written = path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
    return written if _is_running(written) else None


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


def workplace(place: ObjectPath) -> Path:
    """The folder of this machine for what a run keeps that writes to `place`: in $XDG_CACHE_HOME/scorer/outputs, else
    ~/.cache/scorer/outputs, else among the temporary files, one for each place, and for each store that has one of its
    name."""
    root = user_cache("outputs") or Path(tempfile.gettempdir(), f"scorer-{os.geteuid()}", "outputs")
    name = f"{place}\0{place.bucket.store}"
    return root / hashlib.blake2b(name.encode(), digest_size=16).hexdigest() / (place.name or "bucket")
