"""A store that throttles, cuts and stalls: no reader ever sees half an object, and no row is lost."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scorer
from scorer.errors import Busy, StorageError
from scorer.stores.object_path import ObjectPath
from scorer.stores.object_store import ObjectStore
from tests.models import sentences
from tests.stores.buckets import Bucket
from tests.stores.faulty_proxy import FAULTS, FaultyProxy

FILES = 2
ROWS = 40
RUNS = int(os.environ.get("SCORER_FAULTED_RUNS", "125"))
MOST_TRIES = 30


@pytest.fixture
def fill(bucket: Bucket) -> Callable[[], None]:
    def fill() -> None:
        for number in range(FILES):
            table = pa.table({"text": sentences(ROWS, seed=number), "id": range(ROWS)})
            sink = pa.BufferOutputStream()
            pq.write_table(table, sink)
            bucket.put(f"in/{number}.parquet", sink.getvalue().to_pybytes())

    return fill


@contextmanager
def watched(bucket: Bucket, folder: str, expected: dict[str, bytes]) -> Iterator[list[str]]:
    """Meanwhile somebody reads all data of the folder again and again; what was not whole is in the list."""
    torn: list[str] = []
    over = threading.Event()

    def look() -> None:
        for key in bucket.objects(f"{folder}/"):
            name = key.removeprefix(f"{folder}/")
            if not name.startswith("_") and bucket.get(key) != expected.get(name):
                torn.append(name)

    def watch() -> None:
        while not over.wait(0.25):
            look()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield torn
    finally:
        over.set()
        thread.join()
        look()


def score_until_done(bucket: Bucket, folder: str, options: dict[str, Any], ended: Counter[str]) -> None:
    for _ in range(MOST_TRIES):
        try:
            scorer.score(f"{bucket.url}/in", f"{bucket.url}/{folder}/", **options)
            ended["done"] += 1
            return
        except StorageError:
            ended["cannot be reached"] += 1
        except Busy:  # of a run that could not give its lease back; an operator need not wait for a minute
            bucket.delete(f".{folder}.lease")
            ended["busy"] += 1
    raise AssertionError(f"{folder}: not done after {MOST_TRIES} runs")


def faulted(
    bucket: Bucket, runs: int, *, model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> tuple[Counter[str], Counter[str]]:
    """So many runs that all meet faults, each into a place of its own; how they ended, and what the proxy did."""
    options = {"model": model, "precision": "fp32", "batch_tokens": 1}
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    scorer.score(f"{bucket.url}/in", f"{bucket.url}/whole/", **options)
    expected = {f"{number}.parquet": bucket.get(f"whole/{number}.parquet") for number in range(FILES)}
    assert sum(pq.read_table(pa.BufferReader(one)).num_rows for one in expected.values()) == FILES * ROWS
    monkeypatch.setenv("AWS_TIMEOUT", "1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "3")
    ended: Counter[str] = Counter()
    with FaultyProxy(bucket.endpoint, rate=0.15, seed=seed, stall_seconds=1.5) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        number = 0
        while sum(ended.values()) < runs:
            number += 1
            with watched(bucket, f"out-{number}", expected) as torn:
                score_until_done(bucket, f"out-{number}", options, ended)
            assert torn == []
            names = {key.removeprefix(f"out-{number}/") for key in bucket.objects(f"out-{number}/")}
            assert names == {*expected, "_SUCCESS", "_manifest.json"}
    return ended, proxy.done


def test_faulted_runs_lose_nothing_and_show_nothing_half(
    bucket: Bucket, fill: Callable[[], None], tiny_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill()
    _, met = faulted(bucket, 3, model=tiny_model("bert"), folder=tmp_path, monkeypatch=monkeypatch, seed=17)
    assert sum(met[fault] for fault in FAULTS) >= 5


@pytest.mark.torture
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_many_faulted_runs_lose_nothing_and_show_nothing_half(
    bucket: Bucket,
    fill: Callable[[], None],
    tiny_model: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    fill()
    ended, met = faulted(bucket, RUNS, model=tiny_model("bert"), folder=tmp_path, monkeypatch=monkeypatch, seed=seed)
    print(f"{RUNS} runs: {dict(ended)}; requests: {dict(met)}")  # noqa: T201
    assert all(met[fault] for fault in FAULTS)


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_alone(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """Objects of one request and of several, written and read; of conditional puts the first one wins."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("AWS_TIMEOUT", "1")
    content = os.urandom(9 << 20)
    with FaultyProxy(bucket.endpoint, rate=0.3, seed=3, faults=(fault,), stall_seconds=1.5) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        store = ObjectStore(ObjectPath.of(f"{bucket.url}/folder"))
        for number in range(2):
            part = store.begin(f"{number}")
            part.stream.write(content)
            assert part.commit()
            assert store.put_if_absent(f"small {number}", b"first")
            assert not store.put_if_absent(f"small {number}", b"second")
        for number in range(2):
            with store.open(f"{number}") as stream:
                assert stream.read() == content
        with store.lease("key") as lease:
            assert lease.held()
        assert proxy.done[fault] > 1
    for number in range(2):
        assert bucket.get(f"folder/{number}") == content
        assert bucket.get(f"folder/small {number}") == b"first"
