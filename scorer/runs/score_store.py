"""The score cache: what was computed for an input, kept under the input's key, durable after every addition.

A folder of sorted segments. An addition writes one more beside the others. Segments of about the same size are merged
into one that takes their place: so there are few of them, and a row costs about the same, whatever their number is. Any
number of processes may add and look up. Keys and records are bytes here, and must stay so: no text ever gets into the
folder.

An origin is a run's number and a place within that run. It lets a run that continues after a crash tell its own earlier
work (which it may skip) from what was already known when it first came to that place (which it never planned to do), so
that both make the same batches.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scorer.errors import NotPermitted, ScorerError, StorageError, from_os_error
from scorer.runs.score_segments import DamagedSegment, Keys, Segment, merged, segment_bytes, shares, sorted_rows
from scorer.runs.segment_folder import FAN_IN, MOST_SEGMENTS, SegmentFolder, Span, Temporary, due

NOWHERE = -1
_PLACES = 1 << 32
_SUFFIX = ".segments"
_DATABASE = (".sqlite", ".sqlite-wal", ".sqlite-shm")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class _Stopped(Exception):
    """A merge is not to go on."""


@dataclass(frozen=True)
class Found:
    """What a look-up of `n` keys found: records (n, width) uint8 and origins (n,) int64, NOWHERE for an unknown key."""

    records: NDArray[np.uint8]
    origins: NDArray[np.int64]


class ScoreStore:
    """The store in the folder `path`, whose records have `width` bytes, or any number where that is None. It is made
    when missing, unless it is `only_read`; then one that is missing, or None, has nothing. Used by one thread at a
    time.

    Everything raises StorageError, or NotPermitted, where the folder cannot be used.
    """

    def __init__(self, path: Path | None, *, width: int | None, only_read: bool = False) -> None:
        self.path = path or Path()
        self._width = width
        self._segments: dict[Span, Segment] = {}
        self._kept: SegmentFolder | None = None
        with self._explained():
            if path is not None and not only_read:
                _remove_database(path)
                self._kept = SegmentFolder.create(path)
            elif path is not None:
                # One without its locks has nothing: who makes or deletes it was killed, or is doing so now.
                with suppress(FileNotFoundError):
                    self._kept = SegmentFolder.of(path)

    def another(self) -> ScoreStore:
        """The same store for another thread: the same folder, whatever has its name by now."""
        other = ScoreStore(None, width=self._width)
        other.path = self.path
        with self._explained():
            other._kept = self._folder.another()
        return other

    def new_run(self) -> int:
        """A number for a run that no earlier run of this store has."""
        with self._explained(), self._folder.locked("adding"):
            return self._folder.new_run()

    def has_run(self, number: int, *, of: str | None = None) -> bool:
        """Whether a run of this number was begun here, and not in the store of another id than `of`. None, as of a run
        of an earlier version, may be any."""
        with self._explained():
            return 1 <= number <= self._folder.runs() and of in (None, self._folder.id())

    @property
    def id(self) -> str | None:
        """What tells this store from others, under whatever name; None where no run was begun in it yet, or only by an
        earlier version."""
        with self._explained():
            return self._folder.id()

    def is_empty(self) -> bool:
        with self._explained():
            return not self._current()

    @property
    def crowded(self) -> bool:
        """Whether there are so many segments that whoever adds should wait until some are merged."""
        with self._explained():
            return len(self._current()) > MOST_SEGMENTS

    def look_up(self, keys: Sequence[bytes]) -> Found:
        """What is known under `keys`, which are distinct."""
        found = Found(np.zeros((len(keys), self._width or 0), np.uint8), np.full(len(keys), NOWHERE, np.int64))
        with self._explained():
            segments = self._current()
            if keys and segments:
                _fill(found, keys, segments)
        return found

    def add(self, keys: Sequence[bytes], records: NDArray[np.uint8], origin: int) -> None:
        """Keep `records` (n, width) under `keys`, durably; a key that is known keeps its first record."""
        if not keys:
            return
        rows = sorted_rows(keys, records, origin)
        folder = self._folder
        with self._explained(), folder.locked("adding"):
            with folder.written("added.new", capacity=len(rows), width=records.shape[1]) as writer:
                writer.append(rows)
            folder.name_next()

    def take_over(self, other: Path) -> None:
        """Add what the store in the folder `other` has, durably; a key that is known keeps its record."""
        origin = origin_of(self.new_run(), 0)
        with closing(ScoreStore(other, width=self._width, only_read=True)) as theirs:
            with theirs._explained():
                segments = theirs._current()
            # Whoever adds need not wait until gigabytes are written.
            with self._explained(), self._folder.locked("taking"):
                if segments:
                    with theirs._undamaged():
                        self._write_merged("taken.new", segments, origin=origin)
                    self._folder.name_next("taken.new")

    def tidy(self, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Merge segments where there are several of a size, unless somebody else is doing so; until it is `stopped`,
        which is asked now and then. False where the disk has no room for that: all is known as before, and some other
        time will do."""
        with self._explained(), ExitStack() as stack:
            try:
                stack.enter_context(self._folder.locked("merging", wait=False))
            except BlockingIOError:
                return True
            while self._current() and (spans := due({span: segment.size for span, segment in self._segments.items()})):
                spans = self._with_room(spans)
                if not spans:
                    return False
                segments = [self._segments[span] for span in spans]
                try:
                    self._write_merged("merged.new", segments, stopped=stopped)
                except _Stopped:
                    return True
                except OSError as error:
                    if error.errno in _NO_ROOM:
                        return False
                    raise
                self._folder.replace(spans)
        return True

    def _with_room(self, spans: list[Span]) -> list[Span]:
        """The latest of `spans` for whose merge the disk has room twice, since others write meanwhile; none where it
        has not for as many as are worth it."""
        free = self._folder.free_bytes()
        while spans:
            segments = [self._segments[span] for span in spans]
            if 2 * segment_bytes(sum(segment.size for segment in segments), segments[0].width) <= free:
                break
            spans = spans[1:] if len(spans) > FAN_IN else []
        return spans

    def close(self) -> None:
        for segment in self._segments.values():
            segment.close()
        self._segments.clear()
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    @property
    def _folder(self) -> SegmentFolder:
        assert self._kept is not None, "a store that is missing, or closed, was used; this is a bug"
        return self._kept

    def _current(self) -> list[Segment]:
        """The segments that there are by now, earliest first."""
        if self._kept is None:
            return []
        with self._kept.locked("naming", shared=True):
            spans = self._kept.spans()
            for span in spans:
                if span not in self._segments:
                    self._segments[span] = self._kept.open_segment(span)
        for span in self._segments.keys() - set(spans):
            self._segments.pop(span).close()
        if self._width is not None and any(one.width != self._width for one in self._segments.values()):
            raise DamagedSegment("it holds records of another kind")
        return [self._segments[span] for span in spans]

    def _write_merged(
        self,
        name: Temporary,
        segments: Sequence[Segment],
        *,
        origin: int | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Write what the `segments` have under the temporary name."""
        capacity = sum(segment.size for segment in segments)
        with self._folder.written(name, capacity=capacity, width=segments[0].width, shares=shares(segments)) as writer:
            for rows in merged(segments, origin=origin):
                if stopped():
                    raise _Stopped
                writer.append(rows)

    @contextmanager
    def _undamaged(self) -> Iterator[None]:
        try:
            yield
        except DamagedSegment as error:
            message = f"{self.path}: the score cache cannot be used ({error}); remove it to start afresh"
            raise StorageError(message) from error

    @contextmanager
    def _explained(self) -> Iterator[None]:
        what = f"{self.path}: the score cache cannot be used"
        try:
            with self._undamaged():
                yield
        except BlockingIOError as error:
            raise StorageError(f"{what} (locked); another run keeps it busy; try again later") from error
        except OSError as error:
            raise _explained(what, error) from error


def score_file(folder: str | Path, fingerprint: str, *, make: bool = False) -> Path:
    """Where the scores in `folder` are; whatever changes a logit changes the `fingerprint` and so its name. With
    `make` the folder is made when missing."""
    folder = Path(folder)
    if make:
        folder.mkdir(parents=True, exist_ok=True)
    return folder / f"scores.{fingerprint}{_SUFFIX}"


def score_files(folder: str | Path) -> list[Path]:
    """Where there are scores in `folder`."""
    return sorted(Path(folder).glob(f"scores.*{_SUFFIX}"))


def merge_scores(sources: Sequence[Path], folder: str | Path) -> None:
    """Add what the stores of scores `sources` have to those of the same names in `folder`, which is made when
    missing."""
    for source in sources:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with closing(ScoreStore(Path(folder, source.name), width=None)) as store:
            store.take_over(source)
            store.tidy()


def origin_of(run: int, place: int) -> int:
    """The origin of what `run` computes at its `place` (a window's number)."""
    return run * _PLACES + place


def _fill(found: Found, keys: Sequence[bytes], segments: Sequence[Segment]) -> None:
    """Look for the `keys` in the `segments`; the first that has one counts."""
    left, places = Keys.of(keys)
    for segment in segments:
        known = np.zeros(len(left), np.bool_)
        for asked, rows in segment.find(left):
            found.records[places[asked]], found.origins[places[asked]] = rows["record"], rows["origin"]
            known[asked] = True
        if known.any():
            rest = np.flatnonzero(~known)
            left, places = left[rest], places[rest]


def _remove_database(path: Path) -> None:
    """Delete the file of SQLite that an earlier version kept these scores in: nobody will read it."""
    for suffix in _DATABASE:
        path.with_suffix(suffix).unlink(missing_ok=True)


def _explained(what: str, error: OSError) -> ScorerError:
    what = f"{what} ({os.strerror(error.errno) if error.errno else error})"
    if isinstance(from_os_error(error), NotPermitted):
        return NotPermitted(f"{what}; see to the permissions of the folder and what is in it")
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return StorageError(f"{what}; free some space, then run the same command again")
        case errno.ENOENT | errno.ENOTDIR | errno.EISDIR | errno.ELOOP | errno.EEXIST:
            return StorageError(f"{what}; look whether its folder is there and nothing else has its name")
        case _:
            return StorageError(f"{what}; look after the disk, then run the same command again")
