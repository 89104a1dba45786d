"""How a file appears under its name: written beside, made durable, renamed whole."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from pathlib import Path
from typing import BinaryIO

from scorer.errors import OutputRefused, from_os_error

# What a file system says that has no hard links.
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


class AtomicFile:
    """A file under construction at `temporary`, which `commit` makes durable and moves to `target`.

    `stream` (binary) is where to write, or open `temporary` anew. Both paths must be on
    one file system. What an interrupted run left at `temporary` is removed first; the file is created anew and no
    symlink is followed; a `target` that is a symlink is replaced itself.
    """

    def __init__(self, target: Path, *, temporary: Path) -> None:
        self.target = target
        self.temporary = temporary
        try:
            temporary.unlink(missing_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self.stream: BinaryIO = os.fdopen(os.open(temporary, flags, 0o666), "w+b", buffering=1 << 20)
        except FileNotFoundError as error:
            raise OutputRefused(f"{temporary.parent}: the folder is gone; run the same command again") from error
        except OSError as error:
            raise from_os_error(error) from error

    def check(self) -> None:
        """OutputRefused when `temporary` is not our file any more: its folder was deleted, or even made anew."""
        if not self.stands():
            raise OutputRefused(f"{self.temporary}: removed while it was written; run the same command again")

    def finish(self) -> int:
        """Bring every byte to the disk, and leave the file at `temporary`, for whoever will `publish` it; how many
        bytes there are."""
        try:
            self._sync()
            size = os.fstat(self.stream.fileno()).st_size
            self.stream.close()
        except OSError as error:
            raise from_os_error(error) from error
        return size

    def commit(self, *, replace: bool = True) -> bool:
        """Bring every byte to the disk, then give the file its name, then bring the name to the disk.

        Without `replace` a `target` that stands there stays, and False is returned: the first commit wins.
        """
        try:
            self._sync()
            if replace:
                _rename(self.temporary, self.target)
            elif not self._name_first():
                return False
            self.stream.close()
            sync_folder(self.target.parent)
        except OSError as error:
            raise from_os_error(error) from error
        return True

    def discard(self) -> None:
        """Forget the file; what stood at `target` stays. Does nothing after `commit` and `finish`."""
        ours = not self.stream.closed and self.stands()
        with contextlib.suppress(OSError):  # flushing to a full disk may fail, and nobody wants these bytes
            self.stream.close()
        if ours:
            with contextlib.suppress(OSError):
                self.temporary.unlink()

    def stands(self) -> bool:
        """Whether `temporary` is still the file that we made: another run may have made one of the same name since."""
        try:
            return os.path.samestat(os.fstat(self.stream.fileno()), self.temporary.lstat())
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _sync(self) -> None:
        self.stream.flush()
        os.fsync(self.stream.fileno())
        self.check()

    def _name_first(self) -> bool:
        """Give the file its name unless that is taken, in one step of the file system."""
        try:
            os.link(self.temporary, self.target, follow_symlinks=False)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            return self._name_first_of_ours()
        self.temporary.unlink()
        return True

    def _name_first_of_ours(self) -> bool:
        """The same in a file system without hard links, among those who look here before they name a file."""
        handle = os.open(self.target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if os.path.lexists(self.target):
                return False
            self.temporary.replace(self.target)
            return True
        finally:
            os.close(handle)


def publish(temporary: Path, target: Path) -> None:
    """Give the file `temporary`, which an AtomicFile has finished, the name `target`, then bring the name to the
    disk."""
    try:
        _rename(temporary, target)
        sync_folder(target.parent)
    except OSError as error:
        raise from_os_error(error) from error


def write_whole(target: Path, content: str) -> None:
    """Write the small file `target`, in UTF-8, whole or not at all.

    What has no UTF-8, a byte in the name of a file, becomes what JSON writes for it: a backslash, a u and four digits.
    """
    put(target, content.encode(errors="backslashreplace"), temporary=target.with_name(f".{target.name}.new"))


def put(target: Path, content: bytes, *, temporary: Path) -> None:
    """Write the small file `target`, which is `temporary` until it is whole and durable."""
    file = AtomicFile(target, temporary=temporary)
    try:
        file.stream.write(content)
        file.commit()
    except OSError as error:
        raise from_os_error(error) from error
    finally:
        file.discard()


def read_if_there(path: Path) -> str:
    """The text of the small file `path`, in UTF-8 as far as it is; empty when there is no such file."""
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def _rename(temporary: Path, target: Path) -> None:
    """A replaced file keeps its mode, so that whoever could read yesterday's output can read today's."""
    if target.exists():
        temporary.chmod(stat.S_IMODE(target.stat().st_mode))
    temporary.replace(target)


def make_folder(folder: Path) -> None:
    """Make `folder` and what is missing above it, durably."""
    try:
        if not folder.is_dir():
            make_folder(folder.parent)
            folder.mkdir(exist_ok=True)
            sync_folder(folder.parent)
    except OSError as error:
        raise from_os_error(error) from error


def sync_folder(folder: Path) -> None:
    """Bring the names in `folder` to the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
