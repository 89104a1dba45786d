"""Azure and Google Cloud Storage, by their emulators: the same story as on S3, with their own conditions and notes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import scorer
from scorer.engines.summary import ScoreSummary
from scorer.errors import Busy, DataError, InputMissing, OutputRefused
from scorer.stores.object_lease import lease_of
from scorer.stores.object_path import ObjectPath
from scorer.tables.source import Source
from tests.engines.test_bucket_folders import content, parts, table
from tests.engines.test_folder_job import ALONE
from tests.stores import clouds

pytestmark = pytest.mark.slow

CLOUDS: dict[str, Callable[[Path], AbstractContextManager[Any]]] = {"az": clouds.azure, "gs": clouds.google}


@pytest.fixture(params=CLOUDS)
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "server").mkdir()
    with CLOUDS[request.param](tmp_path / "server") as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield f"{request.param}://{clouds.NAME}"


def put(place: str, name: str, made: bytes) -> None:
    found = ObjectPath.of(f"{place}/{name}")
    found.bucket.put(found.key, made)


def names(place: str, folder: str) -> list[str]:
    return [path.key.removeprefix(f"{folder}/") for path in ObjectPath.of(f"{place}/{folder}").beneath()]


def test_a_folder_and_a_file(place: str, tmp_path: Path, tiny_model: Any) -> None:
    def run(target: str = f"{place}/out/", **options: Any) -> ScoreSummary:
        return scorer.score(f"{place}/in", target, model=tiny_model("bert"), **ALONE, **options)

    files = [f"day={number}/a b.parquet" for number in range(3)]
    for number, name in enumerate(files):
        put(place, f"in/{name}", content(name, table(number)))
    assert parts(run())["scored"] == 3
    assert names(place, "out") == ["_SUCCESS", "_manifest.json", *files]
    assert parts(run())["stale"] == {}
    put(place, f"in/{files[1]}", content(files[1], table(9)))
    assert parts(run())["stale"] == {"another input": 1}
    assert run(f"{place}/one.parquet").rows == run(f"{tmp_path}/one.parquet").rows == 21
    here = pq.read_table(tmp_path / "one.parquet")
    (there,) = Source.open(f"{place}/one.parquet").read().windows(max_rows=99, max_bytes=1 << 20)
    assert there.equals(here)
    assert run(f"{place}/one.parquet").finished_before
    assert parts(run(partition_by="score", rows_per_file=3))["scored"] == 3
    assert not set(names(place, "out")) & set(files)
    put(place, "out/_manifest.json", b"{}")
    with pytest.raises(DataError, match="version"):
        run()


def test_conditions_and_notes(place: str, tmp_path: Path) -> None:
    path = ObjectPath.of(f"{place}/sub/x=1/a%2Fb é.txt")
    tag = path.bucket.put(path.key, b"hello", only="absent")
    assert tag is not None
    assert path.bucket.put(path.key, b"other", only="absent") is None
    before = path.look()
    assert before is not None
    assert path.bucket.put(path.key, b"hello again", only=tag) is not None
    assert path.bucket.put(path.key, b"late", only=tag) is None
    with pytest.raises(DataError, match="changed while it was read"):
        path.bucket.read(before, 1, 3)
    assert path.open().read() == b"hello again"
    (tmp_path / "file").write_bytes(os.urandom(100_000 if place.startswith("gs") else 20_000_000))
    sent = ObjectPath.of(f"{place}/file").upload(tmp_path / "file", note={"scorercontent": "v"})
    assert sent.note()["scorercontent"] == "v"
    assert sent.open().read() == (tmp_path / "file").read_bytes()
    assert [found.key for found in ObjectPath.of(place).beneath()] == ["file", path.key]
    with lease_of(ObjectPath.of(f"{place}/out.csv")), pytest.raises(Busy):
        lease_of(ObjectPath.of(f"{place}/out.csv"))


def test_what_is_not_there(place: str, tmp_path: Path, tiny_model: Any) -> None:
    nowhere = place.replace(clouds.NAME, "nowhere")
    with pytest.raises(InputMissing):
        scorer.score(f"{nowhere}/a.csv", tmp_path / "out.csv", model=tiny_model("bert"))
    (tmp_path / "a.csv").write_text("text\ngood\n")
    with pytest.raises(OutputRefused, match="no such bucket"):
        scorer.score(tmp_path / "a.csv", f"{nowhere}/out.csv", model=tiny_model("bert"))
