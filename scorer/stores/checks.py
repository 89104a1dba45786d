"""Whether an output may be written where it was asked for, before any work is done.

Decides and refuses; writes nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

from scorer.errors import InputMissing, NotPermitted, OutputRefused, StorageError, UsageError, from_os_error

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


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


def _mib(size: int) -> int:
    return -(-size >> 20)
