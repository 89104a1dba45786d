"""A store in a folder of this machine.

An object is a file, a key its path beneath the folder. What is being written lies beside its name as `.NAME.*.part`,
locked by its writer, and a lease is the file `.NAME.lock`: whoever reads the folder by a pattern sees neither.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from scorer.errors import from_os_error
from scorer.stores.atomic import AtomicFile, make_folder, sync_folder
from scorer.stores.fingerprints import Stamp
from scorer.stores.store import Lease, Version, check_key
from scorer.stores.workspace import FileLease

_PART: Final = ".part"
_COUNTER = itertools.count()


@dataclass(frozen=True)
class LocalStore:
    """The objects in the folder `root`, which is made when the first is written. It may be sent to another process."""

    root: Path

    def list(self, prefix: str = "") -> Iterator[str]:
        keys = (path.relative_to(self.root).as_posix() for path in self._files(prefix) if _visible(path.name))
        yield from sorted(key for key in keys if key.startswith(prefix))

    def version(self, key: str) -> Version | None:
        path = self.path(key)
        if not path.is_file():
            return None
        stamp = Stamp.of(path)
        return Version(stamp.size, f"{stamp.mtime_ns} {stamp.inode}")

    def open(self, key: str) -> BinaryIO:
        try:
            return self.path(key).open("rb")
        except OSError as error:
            raise from_os_error(error) from error

    def put(self, key: str, content: bytes) -> None:
        self._put(key, content, replace=True)

    def put_if_absent(self, key: str, content: bytes) -> bool:
        return self.version(key) is None and self._put(key, content, replace=False)

    def begin(self, key: str) -> LocalPart:
        path = self.path(key)
        while True:
            make_folder(path.parent)
            name = f".{path.name}.{os.getpid()}-{next(_COUNTER)}{_PART}"
            part = LocalPart(AtomicFile(path, temporary=path.with_name(name)))
            if part.lock():
                return part

    def delete(self, key: str) -> None:
        path = self.path(key)
        try:
            path.unlink(missing_ok=True)
            if path.parent.is_dir():
                sync_folder(path.parent)
        except OSError as error:
            raise from_os_error(error) from error

    def lease(self, key: str) -> LocalLease:
        path = self.path(key)
        lock = path.with_name(f".{path.name}.lock")
        try:
            while True:
                make_folder(lock.parent)
                if (lease := FileLease.take(lock, what=path)) is not None:
                    lease.sign()
                    return LocalLease(lease)
        except OSError as error:
            raise from_os_error(error) from error

    def sweep(self, prefix: str = "") -> int:
        swept = 0
        for path in self._files(prefix):
            key = path.with_name(path.name[1:]).relative_to(self.root).as_posix()
            if path.name.startswith(".") and path.name.endswith(_PART) and key.startswith(prefix):
                swept += _sweep(path)
        return swept

    def path(self, key: str) -> Path:
        """The file of the object, for libraries that open a local file faster by its name."""
        return self.root / check_key(key)

    def _put(self, key: str, content: bytes, *, replace: bool) -> bool:
        part = self.begin(key)
        try:
            part.stream.write(content)
            return part.commit(replace=replace)
        except OSError as error:
            raise from_os_error(error) from error
        finally:
            part.abort()

    def _files(self, prefix: str) -> Iterator[Path]:
        """Every file in the folders whose names may begin with `prefix`, those of unfinished parts included."""

        def refuse(error: OSError) -> None:
            if not isinstance(error, FileNotFoundError):
                raise from_os_error(error) from error

        for parent, folders, names in os.walk(self.root / prefix.rpartition("/")[0], onerror=refuse):
            folders[:] = filter(_visible, folders)
            yield from (Path(parent, name) for name in names)


class LocalPart:
    """An unfinished file, locked as long as its writer lives."""

    def __init__(self, file: AtomicFile) -> None:
        self._file = file
        self.stream: BinaryIO = file.stream

    @property
    def path(self) -> Path:
        """Where it is until it is committed."""
        return self._file.temporary

    def stands(self) -> bool:
        """Whether it is still there."""
        return self._file.stands()

    def lock(self) -> bool:
        """Lock the new file; False when somebody swept it away before it was locked."""
        fcntl.flock(self.stream, fcntl.LOCK_EX)
        if self._file.stands():
            return True
        self._file.discard()
        return False

    def commit(self, *, replace: bool = True) -> bool:
        return self._file.commit(replace=replace)

    def abort(self) -> None:
        self._file.discard()


class LocalLease(Lease):
    """A lock file that is deleted when it is let go."""

    def __init__(self, lease: FileLease) -> None:
        self._lease = lease

    def held(self) -> bool:
        return self._lease.held()

    def release(self) -> None:
        if self._lease.held():
            with contextlib.suppress(FileNotFoundError):
                self._lease.path.unlink()
        self._lease.let_go()


def _visible(name: str) -> bool:
    return not name.startswith(".")


def _sweep(path: Path) -> bool:
    """Delete an unfinished file whose writer is dead; whether it was."""
    try:
        with path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    except (BlockingIOError, FileNotFoundError):
        return False
    except OSError as error:
        raise from_os_error(error) from error
    return True
