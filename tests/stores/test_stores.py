"""Each store passes the contract; the local one also when it is killed at any moment."""

from __future__ import annotations

import errno
import gc
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scorer.errors import NotPermitted, StorageError
from scorer.stores.local import LocalPart, LocalStore
from scorer.stores.memory import MemoryPart, MemoryStore
from scorer.stores.store import Store
from scorer.testing.store_contract import StoreContract, the_lease

ROOT = Path(__file__).parents[2]


class TestLocalStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> LocalStore:
        return LocalStore(tmp_path / "store")

    def crash(self, store: Store, work: Callable[[Store], Any]) -> None:
        process = get_context("spawn").Process(target=work_and_die, args=(store, work))
        process.start()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL

    def lose(self, store: LocalStore, part: LocalPart) -> None:  # noqa: ARG002
        next(store.root.rglob("*.part")).unlink()


def work_and_die(store: Store, work: Callable[[Store], Any]) -> None:
    held = work(store)
    os.kill(os.getpid(), signal.SIGKILL)
    print(held)  # noqa: T201  it lives until here


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()

    def crash(self, store: Store, work: Callable[[Store], Any]) -> None:
        held = work(store)
        del held
        gc.collect()

    def lose(self, store: MemoryStore, part: MemoryPart) -> None:
        store.end_part(part, replace=None)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


CHURN = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from scorer.stores.local import LocalStore
store = LocalStore(Path(sys.argv[1]))
print("ready", flush=True)
number = 0
while True:
    number += 1
    part = store.begin(f"part {{number % 4}}.csv")
    for line in range(20):
        part.stream.write(f"{{number:09}}\\n".encode() * 100)
        part.stream.flush()
    part.commit(replace=number % 3 > 0)
    part.abort()
"""


def test_a_writer_that_is_killed_at_any_moment_leaves_whole_objects(store: LocalStore) -> None:
    chance = random.Random(15)
    for _ in range(12):
        process = subprocess.Popen([sys.executable, "-c", CHURN, str(store.root)], stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"ready\n"
        time.sleep(chance.random() / 5)
        process.kill()
        process.communicate()
        for key in store.list():
            with store.open(key) as stream:
                lines = stream.read().splitlines()
            assert len(lines) == 2000
            assert len(set(lines)) == 1
    assert store.sweep() >= 1
    assert sorted(path.name for path in store.root.iterdir()) == list(store.list())


def test_nothing_but_objects_lies_in_the_folder(store: LocalStore) -> None:
    """People read it with patterns such as *.csv."""
    part = store.begin("a/part.csv")
    lease = store.lease("a/part.csv")
    assert list(store.root.glob("a/*.csv")) == []
    assert not [path for path in store.root.glob("a/*") if not path.name.startswith(".")]
    part.abort()
    lease.release()
    assert list(store.root.glob("a/*")) == []


def test_a_lease_whose_file_was_deleted_is_lost(store: LocalStore) -> None:
    with the_lease(store) as lease:
        next(store.root.rglob("*.lock")).unlink()
        assert not lease.held()
        with the_lease(store) as other:
            lease.release()
            assert other.held()


def test_where_there_are_no_hard_links_the_first_commit_wins_too(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", link)
    TestLocalStore().test_the_first_commit_wins(store)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(store: LocalStore) -> None:
    store.put("key", b"")
    store.root.chmod(0o500)
    for work in (lambda: store.put("key", b""), lambda: store.delete("key"), lambda: the_lease(store)):
        with pytest.raises(NotPermitted):
            work()


def test_a_file_where_a_folder_is_needed(store: LocalStore) -> None:
    store.put("key", b"")
    with pytest.raises(StorageError):
        store.put("key/below", b"")


def test_arrow_reads_from_any_store(store: LocalStore) -> None:
    table = pa.table({"text": ["good room", None], "id": [1, 2]})
    for one in (store, MemoryStore()):
        part = one.begin("table.parquet")
        pq.write_table(table, part.stream)
        part.commit()
        with one.open("table.parquet") as stream:
            assert pq.read_table(stream).equals(table)
