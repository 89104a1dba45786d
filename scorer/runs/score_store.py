"""The score cache: what was computed for an input, kept under the input's key, durable after every commit.

An SQLite file maps a key to a record of fixed width and to the origin that computed it. Keys and records are bytes
here, and must stay so: no text ever gets into the file.

An origin is a run's number and a place within that run. It lets a run that continues after a crash tell its own earlier
work (which it may skip) from what was already known when it first came to that place (which it never planned to do), so
that both make the same batches.

A store can work behind a thread of its own: whoever computes goes on while what was computed becomes durable.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scorer.errors import NotPermitted, StorageError

KEY_BYTES = 16
NOWHERE = -1
_PLACES = 1 << 32
_BUSY_SECONDS = 60.0
_BUSY_PAUSE = 0.05


@dataclass(frozen=True)
class Found:
    """What a look-up of `n` keys found: records (n, width) uint8 and origins (n,) int64, NOWHERE for an unknown key."""

    records: NDArray[np.uint8]
    origins: NDArray[np.int64]


class ScoreStore:
    """The store in the file `path`, whose records have `width` bytes. One connection: used by one thread at a time."""

    def __init__(self, path: Path, *, width: int) -> None:
        self.path = path
        self._width = width
        with self._explained():
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise

    @classmethod
    def in_memory(cls, *, width: int) -> ScoreStore:
        """An empty one that nothing is left of."""
        return cls(Path(":memory:"), width=width)

    def new_run(self) -> int:
        """A number for a run that no earlier run of this store has."""
        with self._explained():
            return int(self._connection.execute("INSERT INTO runs DEFAULT VALUES RETURNING number").fetchone()[0])

    def has_run(self, number: int) -> bool:
        with self._explained():
            found = self._connection.execute("SELECT 1 FROM runs WHERE number = ?", (number,)).fetchone()
        return found is not None

    def is_empty(self) -> bool:
        with self._explained():
            return self._connection.execute("SELECT 1 FROM scores LIMIT 1").fetchone() is None

    def look_up(self, keys: Sequence[bytes]) -> Found:
        """What is known under `keys`, which are distinct."""
        records = np.zeros((len(keys), self._width), np.uint8)
        origins = np.full(len(keys), NOWHERE, np.int64)
        if not keys or self.is_empty():
            return Found(records, origins)
        asked = sorted(zip(keys, range(len(keys)), strict=True))
        with self._explained(), self._transaction("BEGIN"):
            self._connection.execute("DELETE FROM asked")
            self._connection.executemany("INSERT INTO asked VALUES (?, ?)", asked)
            rows = self._connection.execute(
                "SELECT place, record, origin FROM asked JOIN scores USING (key)"
            ).fetchall()
        if rows:
            places, found, origin = zip(*rows, strict=True)
            if any(len(record) != self._width for record in found):
                raise StorageError(f"{self.path}: the score cache holds records of another kind; remove it")
            records[list(places)] = np.frombuffer(b"".join(found), np.uint8).reshape(-1, self._width)
            origins[list(places)] = origin
        return Found(records, origins)

    def add(self, keys: Sequence[bytes], records: NDArray[np.uint8], origin: int) -> None:
        """Keep `records` (n, width) under `keys`, durably; a key that is known keeps its first record."""
        rows = sorted(zip(keys, (record.tobytes() for record in records), strict=True))
        with self._explained(), self._transaction("BEGIN IMMEDIATE"):
            self._connection.executemany(f"INSERT OR IGNORE INTO scores VALUES (?, ?, {int(origin)})", rows)

    def take_over(self, other: Path) -> None:
        """Add what the store in the file `other` has, durably; a key that is known keeps its record."""
        origin = origin_of(self.new_run(), 0)
        with self._explained():
            self._connection.execute("ATTACH DATABASE ? AS other", (str(other),))
            try:
                with self._transaction("BEGIN IMMEDIATE"):
                    self._connection.execute(
                        "INSERT OR IGNORE INTO scores SELECT key, record, ? FROM other.scores ORDER BY key", (origin,)
                    )
            finally:
                self._connection.execute("DETACH DATABASE other")

    def close(self) -> None:
        self._connection.close()

    def _prepare(self) -> None:
        self._write_ahead()
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS scores "
            "(key BLOB PRIMARY KEY, record BLOB NOT NULL, origin INTEGER NOT NULL) WITHOUT ROWID"
        )
        self._connection.execute("CREATE TABLE IF NOT EXISTS runs (number INTEGER PRIMARY KEY)")
        self._connection.execute("CREATE TEMP TABLE asked (key BLOB PRIMARY KEY, place INTEGER) WITHOUT ROWID")

    def _write_ahead(self) -> None:
        """Switch the file to a write-ahead log, for which SQLite itself does not wait while another has the file."""
        deadline = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if _kind(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
            time.sleep(_BUSY_PAUSE)

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        self._connection.execute(begin)
        try:
            yield
        except BaseException:
            # After a full disk or an I/O error SQLite has rolled back itself.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            what = f"{self.path}: the score cache cannot be used ({error})"
            if _is_forbidden(self.path, error):
                raise NotPermitted(f"{what}; see to the permissions of the file and its folder") from error
            raise StorageError(f"{what}; {_advice(error)}") from error


class BackgroundStore:
    """`store` behind a thread of its own, and used by nobody else until `close`.

    Additions are made one after the other, look-ups between them.
    What an addition failed with, a StorageError, is raised by whichever call comes next, `close` excepted.
    """

    def __init__(self, store: ScoreStore) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, "scorer-keep")
        self._under_way: Future[None] | None = None

    def look_up(self, keys: Sequence[bytes]) -> Found:
        """As `ScoreStore.look_up`, when everything that was added is durable."""
        self.finish()
        return self._store.look_up(keys)

    def add(self, keys: Sequence[bytes], records: NDArray[np.uint8], origin: int) -> None:
        """Begin what `ScoreStore.add` does, when the addition before is done; `keys` and `records` must stay as they
        are."""
        self.finish()
        self._under_way = self._thread.submit(self._store.add, keys, records, origin)

    def is_idle(self) -> bool:
        """Whether no addition is under way."""
        if self._under_way is not None and self._under_way.done():
            self.finish()
        return self._under_way is None

    def finish(self) -> None:
        """Wait until everything that was added is durable."""
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.result()

    def close(self) -> None:
        """End the thread, when the addition under way is done."""
        self._thread.shutdown()


def score_file(folder: str | Path, fingerprint: str, *, make: bool = False) -> Path:
    """The file in `folder` that keeps scores; whatever changes a logit changes the `fingerprint` and so its name. With
    `make` the folder is made when missing."""
    folder = Path(folder)
    if make:
        folder.mkdir(parents=True, exist_ok=True)
    return folder / f"scores.{fingerprint}.sqlite"


def score_files(folder: str | Path) -> list[Path]:
    """All files of scores in `folder`."""
    return sorted(Path(folder).glob("scores.*.sqlite"))


def merge_scores(sources: Sequence[Path], folder: str | Path) -> None:
    """Add what the files of scores `sources` have to those of the same names in `folder`, which is made when
    missing."""
    for source in sources:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with closing(ScoreStore(Path(folder, source.name), width=0)) as store:
            store.take_over(source)


def origin_of(run: int, place: int) -> int:
    """The origin of what `run` computes at its `place` (a window's number)."""
    return run * _PLACES + place


def _is_forbidden(path: Path, error: sqlite3.DatabaseError) -> bool:
    """Whether `error` says that nobody may write to `path`; where SQLite cannot open it, the system tells why."""
    if _kind(error) == sqlite3.SQLITE_CANTOPEN:
        there = [place for place in (path, path.parent) if os.access(place, os.F_OK)]
        return not all(os.access(place, os.W_OK) for place in there)
    return _kind(error) in (sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY)


def _advice(error: sqlite3.DatabaseError) -> str:
    match _kind(error):
        case sqlite3.SQLITE_FULL:
            return "free some space, then run the same command again"
        case sqlite3.SQLITE_IOERR:
            return "look after the disk, then run the same command again"
        case sqlite3.SQLITE_BUSY:
            return "another run keeps it busy; try again later"
        case sqlite3.SQLITE_CANTOPEN:
            return "look whether its folder is there and nothing else has its name"
        case _:
            return "remove it to start afresh"


def _kind(error: sqlite3.DatabaseError) -> int:
    # The lowest byte is the kind of error, the rest its details.
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & 0xFF
