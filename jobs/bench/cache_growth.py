"""What a row costs in a score cache that grows: scorer's own segments beside SQLite, LMDB and RocksDB.

    python jobs/bench/cache_growth.py [--stores segments sqlite lmdb rocksdb] [--rows 50000000] [--seconds 900]

Windows of 65,536 rows with random keys are looked up (5 % of them known), added with a commit that is on the disk, and
looked up again with keys of earlier windows (95 % of them known). Told is what one row costs of each of these, in
microseconds of CPU and of time, between half of each mark and the mark, CPU of threads in the background included; and
how many bytes of the disk it takes. A store that has used up its `--seconds` is left where it is.
`lmdb` and `rocksdict` are no dependencies of scorer: pip install them. SQLite is as scorer had it up to 0.1: keys in
the order of a B-tree, a write-ahead log, synchronous=FULL.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

KEY, LABELS = 16, 5
WIDTH = 10 + 4 * LABELS
WINDOW = 65_536
MARKS = (1_000_000, 2_000_000, 5_000_000, 10_000_000, 20_000_000, 50_000_000, 100_000_000)


class Store(Protocol):
    """What maps keys to records; an addition is on the disk when it returns."""

    def add(self, keys: Sequence[bytes], records: np.ndarray) -> None: ...

    def look_up(self, keys: Sequence[bytes]) -> int:
        """How many of `keys` are known, when their records are in an array."""
        ...

    def close(self) -> None: ...


class Segments:
    def __init__(self, folder: Path) -> None:
        from scorer.runs.background_store import BackgroundStore
        from scorer.runs.score_store import ScoreStore

        self._store = ScoreStore(folder / "scores.segments", width=WIDTH)
        self._known = self._store.another()
        self._background = BackgroundStore(self._store)

    def add(self, keys: Sequence[bytes], records: np.ndarray) -> None:
        self._background.add(keys, records, 1)
        self._background.finish()

    def look_up(self, keys: Sequence[bytes]) -> int:
        return int((self._known.look_up(keys).origins >= 0).sum())

    def close(self) -> None:
        self._background.close()
        self._known.close()
        self._store.close()


class Sqlite:
    def __init__(self, folder: Path) -> None:
        self._db = sqlite3.connect(folder / "scores.sqlite", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute(
            "CREATE TABLE scores (key BLOB PRIMARY KEY, record BLOB NOT NULL, origin INTEGER NOT NULL) WITHOUT ROWID"
        )
        self._db.execute("CREATE TEMP TABLE asked (key BLOB PRIMARY KEY, place INTEGER) WITHOUT ROWID")

    def add(self, keys: Sequence[bytes], records: np.ndarray) -> None:
        rows = sorted(zip(keys, (record.tobytes() for record in records), strict=True))
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany("INSERT OR IGNORE INTO scores VALUES (?, ?, 1)", rows)
        self._db.execute("COMMIT")

    def look_up(self, keys: Sequence[bytes]) -> int:
        self._db.execute("BEGIN")
        self._db.execute("DELETE FROM asked")
        self._db.executemany("INSERT INTO asked VALUES (?, ?)", sorted(zip(keys, range(len(keys)), strict=True)))
        rows = self._db.execute("SELECT place, record, origin FROM asked JOIN scores USING (key)").fetchall()
        self._db.execute("COMMIT")
        return len(_gathered(len(keys), rows))

    def close(self) -> None:
        self._db.close()


class Lmdb:
    def __init__(self, folder: Path) -> None:
        import lmdb

        self._db = lmdb.open(str(folder / "scores.lmdb"), map_size=64 << 30, readahead=False)

    def add(self, keys: Sequence[bytes], records: np.ndarray) -> None:
        rows = sorted(zip(keys, (record.tobytes() for record in records), strict=True))
        with self._db.begin(write=True) as transaction, transaction.cursor() as cursor:
            cursor.putmulti(rows, overwrite=False)

    def look_up(self, keys: Sequence[bytes]) -> int:
        asked = sorted(zip(keys, range(len(keys)), strict=True))
        with self._db.begin() as transaction, transaction.cursor() as cursor:
            found = dict(cursor.getmulti([key for key, _ in asked]))
        return len(_gathered(len(keys), [(place, found[key], 1) for key, place in asked if key in found]))

    def close(self) -> None:
        self._db.close()


class Rocksdb:
    def __init__(self, folder: Path) -> None:
        import rocksdict

        options = rocksdict.Options(raw_mode=True)
        table = rocksdict.BlockBasedOptions()
        table.set_bloom_filter(10, False)
        options.set_block_based_table_factory(table)
        self._db = rocksdict.Rdict(str(folder / "scores.rocksdb"), options)
        self._synced = rocksdict.WriteOptions()
        self._synced.sync = True
        self._batch = rocksdict.WriteBatch

    def add(self, keys: Sequence[bytes], records: np.ndarray) -> None:
        batch = self._batch(raw_mode=True)
        for key, record in zip(keys, records, strict=True):
            batch[key] = record.tobytes()
        self._db.write(batch, self._synced)

    def look_up(self, keys: Sequence[bytes]) -> int:
        found = self._db[list(keys)]
        rows = [(place, record, 1) for place, record in enumerate(found) if record is not None]
        return len(_gathered(len(keys), rows))

    def close(self) -> None:
        self._db.close()


STORES = {"segments": Segments, "sqlite": Sqlite, "lmdb": Lmdb, "rocksdb": Rocksdb}


def _gathered(count: int, rows: list[tuple[int, bytes, int]]) -> list[tuple[int, bytes, int]]:
    """The found rows as an array, as whoever asked needs them."""
    records = np.zeros((count, WIDTH), np.uint8)
    if rows:
        places, found, _ = zip(*rows, strict=True)
        records[list(places)] = np.frombuffer(b"".join(found), np.uint8).reshape(-1, WIDTH)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="what a row costs in a score cache that grows")
    parser.add_argument("--stores", nargs="+", choices=STORES, default=list(STORES))
    parser.add_argument("--rows", type=int, default=50_000_000)
    parser.add_argument("--seconds", type=float, default=900.0, help="for each store")
    parser.add_argument("--folder", type=Path, default=None, help="on the disk that is measured")
    options = parser.parse_args()
    print("store     rows      add: cpu time   miss: cpu time   hit: cpu time    sum: cpu time   bytes a row")
    for name in options.stores:
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=options.folder))
        try:
            grow(name, folder, rows=options.rows, seconds=options.seconds)
        finally:
            shutil.rmtree(folder)


def grow(name: str, folder: Path, *, rows: int, seconds: float) -> None:
    """Fill the store `name` in `folder` window by window, and tell of each mark."""
    store: Store = STORES[name](folder)
    begun, number, kept = time.monotonic(), 0, _Kept()
    draw = np.random.default_rng(1)
    while number * WINDOW < rows and time.monotonic() - begun < seconds:
        keys, records = _keys(number), _records(number)
        asked = list(keys)
        asked[::20] = _earlier(draw, max(number - 1, 0))[::20]
        kept.time("miss", lambda asked=asked: store.look_up(asked))
        kept.time("add", lambda keys=keys, records=records: store.add(keys, records))
        asked = _earlier(draw, number)
        asked[::20] = _keys(1_000_000 + number)[::20]
        found = kept.time("hit", lambda asked=asked: store.look_up(asked))
        assert found == WINDOW - len(range(0, WINDOW, 20)), f"{name}: {found} found"
        number += 1
        kept.windows.append(number * WINDOW)
        if any((number - 1) * WINDOW < mark <= number * WINDOW for mark in MARKS):
            kept.tell(name, folder)
    kept.tell(name, folder)
    store.close()


class _Kept:
    """CPU and time of every call so far."""

    def __init__(self) -> None:
        self.windows: list[int] = []
        self._seconds: dict[str, list[tuple[float, float]]] = {}

    def time(self, what, call):
        cpu, wall = time.process_time(), time.monotonic()
        result = call()
        self._seconds.setdefault(what, []).append((time.process_time() - cpu, time.monotonic() - wall))
        return result

    def tell(self, name: str, folder: Path) -> None:
        half = len(self.windows) // 2
        of_rows = 1e6 / WINDOW / (len(self.windows) - half)
        means = {what: np.sum(calls[half:], axis=0) * of_rows for what, calls in self._seconds.items()}
        means["sum"] = np.sum(list(means.values()), axis=0)
        shown = "   ".join(f"{means[what][0]:6.2f} {means[what][1]:6.2f}" for what in ("add", "miss", "hit", "sum"))
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / self.windows[-1]
        slowest = max(wall for _, wall in self._seconds["add"][half:])
        print(f"{name:9} {self.windows[-1]:9,} {shown}   {size:5.0f}   slowest add {slowest:.2f} s", flush=True)


def _keys(number: int) -> list[bytes]:
    drawn = np.random.default_rng(number).bytes(KEY * WINDOW)
    return [drawn[place : place + KEY] for place in range(0, len(drawn), KEY)]


def _records(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (WINDOW, WIDTH), np.uint8)


def _earlier(draw: np.random.Generator, number: int) -> list[bytes]:
    """Keys of one of the windows up to `number`."""
    return _keys(int(draw.integers(0, number + 1)))


if __name__ == "__main__":
    os.nice(5)
    main()
