"""The folder of a score store: its segments under their names, and who may change these when.

    adding, taking, merging    locks: of who adds, of who takes over another folder, of who merges
    naming                     the same of who changes names or reads them
    id                         a random name, which tells its runs from those of other folders
    runs                       a byte for each run that was begun
    added.new, taken.new, merged.new    segments that are being written
    0000000001-0000000008      a segment

A segment has the numbers of the first and the last addition in its name: one that was merged takes the place of all
between. It gets that name when it is whole and on the disk, so what a crash leaves is never looked into.

The folder is known by its handle: what another run makes under this name, once the folder was deleted, is none of ours.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

from scorer.runs.score_segments import Segment, SegmentWriter
from scorer.stores.atomic import sync_folder

_BUSY_SECONDS = 60.0
# Another folder may have gigabytes.
_TAKING_SECONDS = 600.0
_BUSY_PAUSE = 0.005
_NAME = re.compile(r"(\d{10})-(\d{10})")
# So many segments of a size are merged into one of the next: fewer are looked into, more are written anew.
FAN_IN = 4
MOST_SEGMENTS = 64

Lock = Literal["adding", "taking", "merging", "naming"]
Temporary = Literal["added.new", "taken.new", "merged.new"]
Span = tuple[int, int]
"""The numbers of the first and the last addition in a segment."""


class SegmentFolder:
    """The folder `path`, which `create` makes when missing. Used by one thread at a time; OSError from everything."""

    def __init__(self, handle: int, *, only_read: bool) -> None:
        self._handle = handle
        self._only_read = only_read
        self._locks: dict[str, int] = {}
        try:
            for name in ("naming",) if only_read else get_args(Lock):
                self._locks[name] = self.open(name, os.O_RDONLY if only_read else os.O_RDWR | os.O_CREAT)
        except BaseException:
            self.close()
            raise

    @classmethod
    def create(cls, path: Path) -> SegmentFolder:
        """The folder `path`, made when missing."""
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            sync_folder(path.parent)
        return cls(_open_folder(path), only_read=False)

    @classmethod
    def of(cls, path: Path) -> SegmentFolder:
        """The folder `path`, which is there, to be read."""
        return cls(_open_folder(path), only_read=True)

    def another(self) -> SegmentFolder:
        """The same folder, with locks of its own."""
        # Opened anew: two copies of a handle would share how far the names are read.
        return type(self)(self.open(".", os.O_RDONLY | os.O_DIRECTORY), only_read=self._only_read)

    def open(self, name: str, flags: int) -> int:
        """A handle of the file `name`."""
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=self._handle)

    def spans(self) -> list[Span]:
        """The segments that count, earliest first; right while "naming" is locked."""
        return standing(self._names())

    def open_segment(self, span: Span) -> Segment:
        """A segment that is there; DamagedSegment where it is none."""
        return Segment(self.open(_name(span), os.O_RDONLY))

    @contextmanager
    def written(self, name: Temporary, *, capacity: int, width: int, shares: int = 1) -> Iterator[SegmentWriter]:
        """A segment under a temporary name, on the disk afterwards. Who writes it holds a lock, so what is there
        already was left by a crash."""
        handle = self.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        try:
            writer = SegmentWriter(handle, capacity=capacity, width=width, shares=shares)
            yield writer
            writer.finish()
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=self._handle)
            raise
        finally:
            os.close(handle)

    def name_next(self, temporary: Literal["added.new", "taken.new"] = "added.new") -> None:
        """Make what was added, or taken over, the latest segment."""
        with self.locked("naming"):
            last = max((span[1] for span in self.spans()), default=0)
            self._rename(temporary, (last + 1, last + 1))

    def replace(self, spans: Sequence[Span]) -> None:
        """Put what was merged in the place of `spans`, and delete whatever it takes the place of."""
        whole = (spans[0][0], spans[-1][1])
        with self.locked("naming"):
            self._rename("merged.new", whole)
            for span in _spans(self._names()):
                if span != whole and whole[0] <= span[0] and span[1] <= whole[1]:
                    os.unlink(_name(span), dir_fd=self._handle)

    def free_bytes(self) -> int:
        """How much room the disk has for this user; no end of it where the file system does not say how large it is."""
        found = os.fstatvfs(self._handle)
        return found.f_bavail * found.f_frsize if found.f_blocks else sys.maxsize

    def id(self) -> str | None:
        """The name of the folder that no other has; None where no run was begun since there are such names."""
        try:
            handle = self.open("id", os.O_RDONLY)
        except FileNotFoundError:
            return None
        with os.fdopen(handle, "rb") as file:
            return file.read().hex()

    def new_run(self) -> int:
        """How many runs were begun, this one included, durably. Who calls it holds "adding"."""
        if self.id() is None:
            with os.fdopen(self.open("id.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
                file.write(secrets.token_bytes(16))
                file.flush()
                os.fsync(file.fileno())
            os.rename("id.new", "id", src_dir_fd=self._handle, dst_dir_fd=self._handle)
            os.fsync(self._handle)
        handle = self.open("runs", os.O_RDWR | os.O_CREAT | os.O_APPEND)
        try:
            os.write(handle, b".")
            os.fsync(handle)
            number = os.fstat(handle).st_size
        finally:
            os.close(handle)
        if number == 1:
            os.fsync(self._handle)
        return number

    def runs(self) -> int:
        """How many runs were begun."""
        try:
            return os.stat("runs", dir_fd=self._handle, follow_symlinks=False).st_size
        except FileNotFoundError:
            return 0

    @contextmanager
    def locked(self, name: Lock, *, shared: bool = False, wait: bool = True) -> Iterator[None]:
        """Hold a lock; BlockingIOError where others keep it too long, or have it at all and we do not `wait`."""
        seconds = _TAKING_SECONDS if name == "taking" else _BUSY_SECONDS
        deadline = time.monotonic() + (seconds if wait else 0)
        while True:
            try:
                fcntl.flock(self._locks[name], (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise
            time.sleep(_BUSY_PAUSE)
        try:
            yield
        finally:
            fcntl.flock(self._locks[name], fcntl.LOCK_UN)

    def close(self) -> None:
        for handle in (*self._locks.values(), self._handle):
            os.close(handle)
        self._locks.clear()

    def _names(self) -> list[str]:
        return os.listdir(self._handle)  # noqa: PTH208  a handle has no Path

    def _rename(self, temporary: Temporary, span: Span) -> None:
        os.rename(temporary, _name(span), src_dir_fd=self._handle, dst_dir_fd=self._handle)
        os.fsync(self._handle)


def standing(names: Sequence[str]) -> list[Span]:
    """The segments that count, earliest first, of all `names` in a folder: what was merged into another does not."""
    found: list[Span] = []
    for span in sorted(_spans(names), key=lambda span: (span[0], -span[1])):
        if not found or span[1] > found[-1][1]:
            found.append(span)
    return found


def due(sizes: dict[Span, int]) -> list[Span]:
    """Which of the segments with so many rows to merge into one, earliest first: as many of the latest ones as are
    together of the next size; none while there are few."""
    spans = sorted(sizes)
    if len(spans) > MOST_SEGMENTS:
        return spans
    chosen: list[Span] = []
    largest = 0
    for place in range(len(spans) - 1, -1, -1):
        largest = max(largest, _magnitude(sizes[spans[place]]))
        if place and _magnitude(sizes[spans[place - 1]]) <= largest:
            continue
        latest = spans[place:]
        if len(latest) >= FAN_IN and _magnitude(sum(sizes[span] for span in latest)) > largest:
            chosen = latest
    return chosen


def _magnitude(size: int) -> int:
    """How often `size` can be divided by the fan-in."""
    magnitude = 0
    while size >= FAN_IN:
        size, magnitude = size // FAN_IN, magnitude + 1
    return magnitude


def _spans(names: Sequence[str]) -> list[Span]:
    return [(int(match[1]), int(match[2])) for match in map(_NAME.fullmatch, names) if match]


def _name(span: Span) -> str:
    return f"{span[0]:010}-{span[1]:010}"


def _open_folder(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
