"""A store in a bucket passes the contract, through moto; and what only an object store can get wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scorer.errors import Busy, DataError, InputMissing, NotPermitted, OutputRefused, StorageError, UsageError
from scorer.stores.checks import check_free_space
from scorer.stores.fingerprints import Stamp, check_unchanged, content_hashes
from scorer.stores.location import Location
from scorer.stores.object_lease import ObjectLease
from scorer.stores.object_path import ObjectPath, matches, path_of
from scorer.stores.object_store import ObjectPart, ObjectStore
from scorer.stores.store import Store
from scorer.testing.store_contract import StoreContract
from tests.stores.buckets import Bucket

ROOT = Path(__file__).parents[2]
LEASE_SECONDS = 2.0


class TestObjectStore(StoreContract):
    @pytest.fixture
    def store(self, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        return ObjectStore(ObjectPath.of(f"{bucket.url}/beneath"), lease_seconds=LEASE_SECONDS)

    def crash(self, store: Store, work: Callable[[Store], Any]) -> None:
        process = get_context("spawn").Process(target=work_and_die, args=(store, work))
        process.start()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        # A clock of S3 ticks seconds.
        time.sleep(LEASE_SECONDS + 1.5)

    def lose(self, store: ObjectStore, part: ObjectPart) -> None:  # noqa: ARG002
        next(Path(os.environ["XDG_CACHE_HOME"]).rglob("*.part")).unlink()


def work_and_die(store: Store, work: Callable[[Store], Any]) -> None:
    held = work(store)
    os.kill(os.getpid(), signal.SIGKILL)
    print(held)  # noqa: T201  it lives until here


@pytest.fixture
def folder(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectPath:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return ObjectPath.of(f"{bucket.url}/folder")


def test_a_path_of_an_object_is_a_url(folder: ObjectPath) -> None:
    path = folder / "a" / "day=1" / "b c.csv.gz"
    assert str(path) == f"{folder}/a/day=1/b c.csv.gz"
    assert path_of(str(path)) == path == path_of(Path(str(path)))
    assert (path.key, path.name, path.suffix) == ("folder/a/day=1/b c.csv.gz", "b c.csv.gz", ".gz")
    assert str(path.relative_to(folder)) == "a/day=1/b c.csv.gz"
    assert str(path.parent) == f"{folder}/a/day=1"
    assert path.resolve() == path.absolute() == path
    assert str(path_of("a/b.csv")) == "a/b.csv"
    assert not isinstance(path_of("a/b.csv"), ObjectPath)


def test_what_lies_beneath_a_name_is_a_folder(bucket: Bucket, folder: ObjectPath) -> None:
    assert not folder.exists()
    for key in ("folder/b.csv", "folder/a/c.csv", "folderless.csv", "folder/é #?%20.csv"):
        bucket.put(key, b"content")
    bucket.put("folder/", b"")
    assert [path.key for path in folder.beneath()] == ["folder/a/c.csv", "folder/b.csv", "folder/é #?%20.csv"]
    assert (folder.is_dir(), folder.is_file(), folder.exists()) == (True, False, True)
    assert ((folder / "b.csv").is_dir(), (folder / "b.csv").is_file()) == (False, True)
    assert not (folder / "b").exists()
    assert (folder / "é #?%20.csv").read_bytes() == b"content"
    assert (folder / "b.csv").stat().st_size == 7
    parts = {path.name: path.parts[len(folder.parts) :] for path in folder.beneath()}
    assert [name for name in parts if matches(parts[name], ["**", "*.csv"])] == ["c.csv", "b.csv", "é #?%20.csv"]
    assert [name for name in parts if matches(parts[name], ["*.csv"])] == ["b.csv", "é #?%20.csv"]


def test_any_order_of_reads_gives_the_bytes_of_the_object(bucket: Bucket, folder: ObjectPath) -> None:
    import random

    chance = random.Random(17)
    content = chance.randbytes(23_000_000)
    bucket.put("folder/large", content)
    with (folder / "large").open("rb", buffering=0) as stream:
        for _ in range(60):
            begin = chance.randrange(len(content) + 100)
            size = chance.choice([0, 1, 1000, 1 << 20, 5 << 20])
            stream.seek(begin)
            assert stream.read(size) == content[begin : begin + size]
        places = [0, 7_000_000, 14_000_000]
        for _ in range(20):
            for number, place in enumerate(places):
                stream.seek(place)
                assert stream.read(300_000) == content[place : place + 300_000]
                places[number] += 300_000
        stream.seek(0)
        assert stream.read() == content
        stream.seek(-5, os.SEEK_END)
        assert stream.read(10) == content[-5:]


def test_an_object_that_changes_while_it_is_read_is_an_error(bucket: Bucket, folder: ObjectPath) -> None:
    path = folder / "table.parquet"
    table = pa.table({"text": [f"{number:>400}" for number in range(20_000)]})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="none", use_dictionary=False)
    bucket.put(path.key, sink.getvalue().to_pybytes())
    before = Stamp.of(path)
    check_unchanged([before])
    with path.open("rb", buffering=0) as stream:
        stream.read(10)
        bucket.put(path.key, sink.getvalue().to_pybytes()[:-1] + b"x")
        with pytest.raises(DataError, match=r"table.parquet: changed while it was read"):
            stream.read()
    with pytest.raises(DataError, match="changed while it was read"):
        check_unchanged([before])
    bucket.delete(path.key)
    with pytest.raises(DataError, match="changed while it was read"):
        check_unchanged([before])


def test_the_identity_of_an_object_is_its_token(bucket: Bucket, folder: ObjectPath) -> None:
    bucket.put("folder/one", b"content")
    bucket.put("folder/two", b"contenT")
    one, two = content_hashes([Stamp.of(folder / "one"), Stamp.of(folder / "two")])
    assert one != two
    bucket.put("folder/one", b"content")
    assert content_hashes([Stamp.of(folder / "one")]) == [one]
    assert len(one) == 64


def test_a_lease_that_is_renewed_outlives_its_seconds(folder: ObjectPath) -> None:
    with ObjectLease(folder.bucket, "folder/.lease", what="this", seconds=1.0) as lease:
        time.sleep(3.5)
        assert lease.held()
        with pytest.raises(Busy, match=rf"this: process {os.getpid()} on "):
            ObjectLease(folder.bucket, "folder/.lease", what="this", seconds=1.0)


def test_of_many_that_find_an_expired_lease_one_takes_it(bucket: Bucket, folder: ObjectPath) -> None:
    bucket.put("folder/.lease", b"{}")
    time.sleep(2.1)

    def take(_: int) -> ObjectLease | None:
        try:
            return ObjectLease(folder.bucket, "folder/.lease", what="this", seconds=1.0)
        except Busy:
            return None

    with ThreadPoolExecutor(20) as pool:
        held = [lease for lease in pool.map(take, range(20)) if lease is not None]
    assert [lease.held() for lease in held] == [True]
    held[0].release()
    assert bucket.objects() == []


def test_a_large_part_is_sent_by_parts_and_seen_whole(bucket: Bucket, folder: ObjectPath) -> None:
    store = ObjectStore(folder)
    content = os.urandom(1 << 20) * 20
    part = store.begin("part.parquet")
    part.stream.write(content)
    assert part.commit()
    assert bucket.get("folder/part.parquet") == content
    assert bucket.unfinished() == 0
    assert bucket.client.head_object(Bucket=bucket.name, Key="folder/part.parquet")["ETag"].endswith('-3"')


def test_a_wrong_key_is_not_permitted(bucket: Bucket, folder: ObjectPath, refusing: str) -> None:  # noqa: ARG001
    for work in (
        folder.look,
        folder.is_dir,
        lambda: ObjectStore(folder).put("key", b""),
        lambda: list(folder.beneath()),
    ):
        with pytest.raises(NotPermitted, match=r"s3://.*: the store does not let us .*AWS_ACCESS_KEY_ID"):
            work()


def test_what_is_missing(bucket: Bucket, folder: ObjectPath) -> None:
    with pytest.raises(InputMissing, match=r"folder/none.csv: no such object"):
        (folder / "none.csv").open("rb")
    nowhere = ObjectPath.of("s3://no-such-bucket/folder")
    with pytest.raises(InputMissing, match=r"s3://no-such-bucket: no such bucket"):
        list(nowhere.beneath())
    assert not nowhere.exists()
    assert bucket.objects() == []
    store = ObjectStore(nowhere)
    part = store.begin("part")
    for work in (lambda: store.put("key", b""), lambda: store.lease("key"), part.commit):
        with pytest.raises(OutputRefused, match=r"s3://no-such-bucket: no such bucket"):
            work()
    part.abort()


def test_a_store_that_cannot_be_reached(folder: ObjectPath, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(StorageError, match=r"folder: the store cannot be reached"):
        folder.look()
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "many")
    with pytest.raises(UsageError, match="AWS_MAX_ATTEMPTS=many: a number"):
        folder.look()


def test_without_the_library_its_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "obstore.py").write_text("raise ImportError('not installed')")
    told = subprocess.run(
        [sys.executable, "-c", "from scorer.stores.checks import require; require('s3://bucket/in.csv')"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (
        "ConfigError: reading and writing object stores needs a library: pip install 'scorer[object-stores]'"
        in told.stderr
    )


def test_a_second_implementation_that_looks_at_no_condition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rclone: Bucket
) -> None:
    """rclone's S3 overwrites whatever is there, has no quotes in its lists and answers a range of all with all."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = ObjectPath.of(f"{rclone.url}/folder")
    store = ObjectStore(folder)
    large = os.urandom(9 << 20)
    for key, content in (("b/c d.csv", b"small"), ("large", large), ("none", b"")):
        part = store.begin(key)
        part.stream.write(content)
        assert part.commit()
        with store.open(key) as stream:
            assert stream.read() == content
    assert list(store.list()) == ["b/c d.csv", "large", "none"]
    assert Stamp.of(folder / "large").token == {path.name: path for path in folder.beneath()}["large"].seen().token
    with (folder / "large").open("rb", buffering=0) as stream:
        stream.read(10)
        store.put("large", os.urandom(9 << 20))
        with pytest.raises(DataError, match="changed while it was read"):
            stream.read()
    with ThreadPoolExecutor(8) as pool:
        held = [lease for lease in pool.map(lambda _: _take(folder), range(8)) if lease is not None]
    assert len([lease for lease in held if lease.held()]) == 1
    assert len(held) == 1
    held[0].release()
    assert list(store.list(".")) == []


def _take(folder: ObjectPath) -> ObjectLease | None:
    try:
        return ObjectLease(folder.bucket, "folder/.lease", what="this")
    except Busy:
        return None


def test_an_object_needs_room_on_this_machine(folder: ObjectPath) -> None:
    where = Location.of_path(folder / "out.csv")
    check_free_space(where, 1)
    with pytest.raises(StorageError, match=rf"{where.said}: about [0-9]+ MiB are needed and"):
        check_free_space(where, 1 << 60)
