"""Data sets of the hub as inputs: files, folders, patterns and revisions, known by what they hold."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scorer
from scorer.checking.check_job import check_data
from scorer.config import CheckConfig
from scorer.engines.summary import ScoreSummary
from scorer.errors import InputMissing, StorageError, UsageError
from scorer.runs.console import Console
from scorer.stores.object_path import ObjectPath
from tests.engines.test_folder_job import ALONE, parts
from tests.models import sentences
from tests.stores.hubs import LARGE, Hub, hub_server

NAME = "owner/reviews"
PLACE = f"hf://datasets/{NAME}"

Run = Callable[..., ScoreSummary]


def table(number: int, rows: int = 9) -> pa.Table:
    return pa.table({"id": range(rows), "text": [f"{text} {number}" for text in sentences(rows, seed=number)]})


def content(number: int, rows: int = 9) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table(number, rows), sink, row_group_size=500)
    return sink.getvalue().to_pybytes()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    made = Hub()
    names = ("data/day=1/a.parquet", "data/day=2/b.parquet", "README.md")
    made.commit(NAME, **{name: content(number) for number, name in enumerate(names[:2])}, **{names[2]: b"# hi"})
    # Tests are kept from the network by this, which is read once.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with hub_server(made) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield made


@pytest.fixture
def run(tmp_path: Path, tiny_model: Any) -> Run:
    def run(source: str, target: str, **options: Any) -> ScoreSummary:
        return scorer.score(source, f"{tmp_path}/{target}", **{"model": tiny_model("bert"), **ALONE} | options)

    return run


def texts(path: Path) -> list[str]:
    return pq.read_table(path)["text"].to_pylist()


@pytest.mark.usefixtures("hub")
def test_a_file_a_folder_and_a_pattern(run: Run, tmp_path: Path) -> None:
    assert run(f"{PLACE}/data/day=2/b.parquet", "one.parquet").rows == 9
    assert texts(tmp_path / "one.parquet") == table(1)["text"].to_pylist()
    assert run(f"{PLACE}/data", "all.parquet").rows == 18
    assert pq.read_table(tmp_path / "all.parquet")["day"].to_pylist() == [1] * 9 + [2] * 9
    assert run(f"{PLACE}/**/*.parquet", "some.parquet").rows == 18
    assert run(f"{PLACE}@v0/data/*/b.parquet", "v0.parquet").rows == 9


def test_a_folder_is_scored_as_far_as_it_changed(hub: Hub, run: Run, tmp_path: Path) -> None:
    assert parts(run(PLACE, "out/"))["scored"] == 2
    again = run(PLACE, "out/")
    assert (again.finished_before, again.rows) == (True, 18)
    # Another commit is no other content.
    hub.commit(NAME, **{"README.md": b"# hello"})
    assert parts(run(PLACE, "out/"))["stale"] == {}
    hub.commit(NAME, **{"data/day=2/b.parquet": content(7), "data/day=3/c.parquet": content(8)})
    assert parts(run(PLACE, "out/"))["stale"] == {"another input": 1, "new": 1}
    assert texts(tmp_path / "out" / "data" / "day=2" / "b.parquet") == table(7)["text"].to_pylist()
    assert parts(run(f"{PLACE}@v0", "out/"))["stale"] == {"another input": 1}


def test_a_large_file_is_read_by_ranges_where_it_lies(hub: Hub, run: Run) -> None:
    hub.commit(NAME, large=None, **{"large/a.parquet": content(1, 2500)})
    assert len(hub.commits[NAME][-1]["large/a.parquet"]) > LARGE
    hub.requests.clear()
    assert run(f"{PLACE}/large", "out.parquet", limit=5).rows == 5
    fetched = [request for request in hub.requests if "/large/" in request and request.startswith("GET /large")]
    assert fetched
    assert all("bytes=" in request for request in fetched)
    assert not any(" /datasets" in request and "main" in request for request in hub.requests if request[:3] == "GET")


def test_a_file_that_is_written_meanwhile_is_read_as_it_was(hub: Hub) -> None:
    path = ObjectPath.of(f"{PLACE}/data/day=2/b.parquet")
    before = hub.commits[NAME][-1]["data/day=2/b.parquet"]
    with path.open() as stream:
        hub.commit(NAME, **{"data/day=2/b.parquet": b"text\nother\n"})
        assert stream.read() == before
    assert path.open().read() == b"text\nother\n"


def test_other_commands_read_it(hub: Hub) -> None:
    reviews = [text.replace('"', "") for text in sentences(30, seed=4)]
    rows = "text,label\n" + "".join(f'"{text}",{number % 2}\n' for number, text in enumerate(reviews))
    hub.commit(NAME, **{"train.csv": rows.encode()})
    found = check_data(CheckConfig(data=f"{PLACE}/train.csv"), Console(stream=io.StringIO()))
    assert found.as_dict()["rows"] == 30


def test_what_is_wrong_is_said_in_a_line(hub: Hub, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for place, error, told in (
        (f"{PLACE}/none.csv", InputMissing, "no such file"),
        ("hf://datasets/owner/other/a.csv", InputMissing, "no such data set"),
        (f"{PLACE}@v9/data", InputMissing, "no such revision"),
        ("hf://owner/model/a.csv", UsageError, "OWNER/NAME/PATH"),
        ("hf://datasets/squad", UsageError, "OWNER/NAME/PATH"),
    ):
        with pytest.raises(error, match=told):
            run(place, "out.csv")
    with pytest.raises(UsageError, match="of the hub a folder is written"):
        scorer.score(f"{PLACE}/data/day=2/b.parquet", f"{PLACE}/out.csv")
    monkeypatch.setattr("time.sleep", lambda _: None)
    hub.failures = 2
    assert run(f"{PLACE}/data/day=2/b.parquet", "again.parquet").rows == 9
    hub.token = "secret"
    with pytest.raises(InputMissing, match="HF_TOKEN"):
        run(f"{PLACE}/data", "out.csv")
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert run(f"{PLACE}/data", "token.parquet").rows == 18
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(StorageError, match="cannot be reached"):
        run(f"{PLACE}/data", "out.csv")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputMissing, match="HF_HUB_OFFLINE"):
        run(f"{PLACE}/data", "out.csv")
