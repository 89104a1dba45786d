"""How an output appears under its name: checked beforehand, written beside, made durable, renamed whole.

Owns the checks of a target and the atomic rename. Does not know what is in the file.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from scorer.errors import InputMissing, NotPermitted, OutputRefused, StorageError, UsageError, from_os_error

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


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
        if not self._stands():
            raise OutputRefused(f"{self.temporary}: removed while it was written; run the same command again")

    def commit(self) -> None:
        """Bring every byte to the disk, then give the file its name, then bring the name to the disk."""
        try:
            self.stream.flush()
            os.fsync(self.stream.fileno())
            self.check()
            self._keep_permissions()
            self.temporary.replace(self.target)
            self.stream.close()
            _sync_folder(self.target.parent)
        except OSError as error:
            raise from_os_error(error) from error

    def discard(self) -> None:
        """Forget the file; what stood at `target` stays. Does nothing after `commit`."""
        ours = not self.stream.closed and self._stands()
        with contextlib.suppress(OSError):  # flushing to a full disk may fail, and nobody wants these bytes
            self.stream.close()
        if ours:
            with contextlib.suppress(OSError):
                self.temporary.unlink()

    def _stands(self) -> bool:
        """Whether `temporary` is still the file that we made: another run may have made one of the same name since."""
        try:
            return os.path.samestat(os.fstat(self.stream.fileno()), self.temporary.lstat())
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _keep_permissions(self) -> None:
        """A replaced file keeps its mode, so that whoever could read yesterday's output can read today's."""
        if self.target.exists():
            self.temporary.chmod(stat.S_IMODE(self.target.stat().st_mode))


def write_whole(target: Path, content: str) -> None:
    """Write the small file `target`, in UTF-8, whole or not at all.

    What has no UTF-8, a byte in the name of a file, becomes what JSON writes for it: a backslash, a u and four digits.
    """
    file = AtomicFile(target, temporary=target.with_name(f".{target.name}.new"))
    try:
        file.stream.write(content.encode(errors="backslashreplace"))
        file.commit()
    finally:
        file.discard()


def check_target(target: Path, sources: Sequence[Path], *, force: bool) -> None:
    """Refuse a `target` that cannot or should not be written.

    UsageError when it is one of the input files, or a folder that holds one; OutputRefused when it is a folder, a fifo
    or another special file, a dangling symlink or a URL, when its folder is missing, or when it exists and `force` is
    not set; NotPermitted when its folder cannot be written to.
    """
    try:
        _check_not_input(target, sources)
        if target.is_symlink() and not target.exists():
            raise OutputRefused(f"{target}: a symlink to nothing; remove it or name another output")
        if target.is_dir():
            raise OutputRefused(f"{target}: a folder, where a file is to be written; name a file in it")
        if target.exists():
            _check_replaceable(target, force=force)
        parent = target.parent.resolve()
        refuse_url(target)
        if not parent.is_dir():
            raise OutputRefused(f"{target}: its folder does not exist; create {parent} first")
    except OSError as error:
        raise from_os_error(error) from error
    if not os.access(parent, os.W_OK | os.X_OK):
        raise NotPermitted(f"{target}: no permission to write into {parent}")


def refuse_url(target: Path) -> None:
    """OutputRefused for `scheme://...`, of which a path keeps one slash, unless there is such a folder here."""
    if _URL.match(str(target)) and not target.parent.is_dir():
        url = str(target).replace(":/", "://", 1)
        raise OutputRefused(f"{url}: outputs are local; name a path on this machine and copy it there afterwards")


def check_free_space(target: Path, needed_bytes: int) -> None:
    """StorageError when the file system of `target` has fewer than `needed_bytes` bytes left."""
    folder = target.parent.resolve()
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise from_os_error(error) from error
    if free < needed_bytes:
        raise StorageError(
            f"{target}: about {_mib(needed_bytes)} MiB are needed and {_mib(free)} MiB are free in {folder}; "
            "free some space or name an output elsewhere"
        )


def _check_not_input(target: Path, sources: Sequence[Path]) -> None:
    for source in sources:
        if not source.exists():
            raise InputMissing(f"{source}: no such file or folder")
        resolved = target.resolve()
        if (target.exists() and target.samefile(source)) or resolved == source.resolve():
            raise UsageError(f"{target}: is the input itself; name another output")
        inside = resolved.is_relative_to(source.resolve()) if source.is_dir() else False
        if inside:
            raise UsageError(f"{target}: lies inside the input {source}; name an output outside of it")
        if target.is_dir() and source.resolve().is_relative_to(resolved):
            raise UsageError(f"{target}: is the folder of the input {source}; name an output elsewhere")


def _check_replaceable(target: Path, *, force: bool) -> None:
    if not stat.S_ISREG(target.stat().st_mode):
        raise OutputRefused(f"{target}: a fifo, socket or device; name a file, or write to - and pipe it")
    if not force:
        raise OutputRefused(f"{target}: exists already; say --force to replace it")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _mib(size: int) -> int:
    return -(-size >> 20)
