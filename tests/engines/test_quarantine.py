"""`--on-error quarantine`: what is wrong with one file of a folder is told each run, and the others are scored."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scorer
from scorer.errors import DataError, NotPermitted, UsageError
from tests.permissions import as_anybody

GOOD = {"text": ["good", "bad"]}
FAULTS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "no text column": ("no column", lambda path: pq.write_table(pa.table({"body": ["good"]}), path)),
    "texts that are none": ("not text", lambda path: pq.write_table(pa.table({"text": [1.5]}), path)),
    "a clash": ("score", lambda path: pq.write_table(pa.table({"text": ["good"], "score": [1]}), path)),
    "cut short": ("arquet", lambda path: path.write_bytes(path.read_bytes()[:-9])),
    "0 bytes": ("empty", lambda path: path.write_bytes(b"")),
    "not to be read": ("denied", lambda path: path.chmod(0)),
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name in ("a", "b", "c"):
        path = tmp_path / "in" / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(pa.table(GOOD), path)
    return tmp_path / "in"


@pytest.fixture
def run(source: Path, tmp_path: Path, tiny_model) -> Callable[..., Any]:
    def run(**options: Any) -> Any:
        said = {"model": tiny_model("bert"), "precision": "fp32", "text_column": "text"} | options
        with as_anybody():
            return scorer.score(source, f"{tmp_path}/out/", **said)

    return run


def manifest(tmp_path: Path) -> dict[str, Any]:
    return json.loads((tmp_path / "out" / "_manifest.json").read_text())


@pytest.mark.parametrize("earlier", [False, True], ids=["new", "changed"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_at_fault_is_told_each_run_until_it_is_replaced(fault, earlier, run, source, tmp_path):
    if earlier:
        run()
        pq.write_table(pa.table({"text": ["good", "other"]}), source / "b.parquet")
    reason, spoil = FAULTS[fault]
    spoil(source / "b.parquet")
    expected = NotPermitted if fault == "not to be read" else DataError
    for _ in range(2):
        with pytest.raises(expected, match=r"b\.parquet could not be scored, all others are") as error:
            run(on_error="quarantine")
        assert type(error.value) is expected
        told = manifest(tmp_path)
        assert list(told["failed"]) == ["b.parquet"]
        assert reason in told["failed"]["b.parquet"]
        assert len(told["parts"]) == 2 + earlier
        assert not (tmp_path / "out" / "_SUCCESS").exists()
    assert pq.read_table(tmp_path / "out" / "a.parquet").num_rows == 2
    assert (tmp_path / "out" / "b.parquet").exists() == earlier
    (source / "b.parquet").unlink()
    pq.write_table(pa.table({"text": ["good", "new"]}), source / "b.parquet")
    assert run(on_error="quarantine").parts["scored"] == 1
    assert (manifest(tmp_path)["failed"], (tmp_path / "out" / "_SUCCESS").exists()) == ({}, True)


@pytest.mark.parametrize("fault", FAULTS)
def test_without_quarantine_the_error_is_that_of_the_file(fault, run, source):
    reason, spoil = FAULTS[fault]
    spoil(source / "b.parquet")
    with pytest.raises(Exception, match=reason) as error:
        run()
    assert "all others" not in str(error.value)


def test_several_faults_of_several_kinds_are_wrong_data(run, source):
    (source / "a.parquet").chmod(0)
    FAULTS["cut short"][1](source / "b.parquet")
    with pytest.raises(DataError, match="and 1 more could not be scored"):
        run(on_error="quarantine")


def test_a_column_that_no_file_has_is_a_mistake_in_the_command(run, tmp_path):
    with pytest.raises(UsageError, match="no column 'body'"):
        run(on_error="quarantine", text_column="body")
    assert not (tmp_path / "out" / "_manifest.json").exists()


def test_a_limit_is_of_each_file_and_does_not_pass_for_all(run, tmp_path):
    run(limit=1)
    assert [part["rows"] for part in manifest(tmp_path)["parts"]] == [1, 1, 1]
    assert not (tmp_path / "out" / "_SUCCESS").exists()
    assert run(limit=1).parts["scored"] == 0
    whole = run()
    assert (whole.parts["stale"], whole.rows) == ({"another job": 3}, 6)
    assert (tmp_path / "out" / "_SUCCESS").exists()


@pytest.mark.parametrize("again", [{}, {"min_rows": 1}, {"on_error": "quarantine"}], ids=str)
def test_a_fault_that_a_refused_run_found_late_is_found_by_the_next_one(again, run, source, tmp_path):
    """The others of its shard are finished by then, and wait."""
    (source / "c.csv").write_text('text\ngood\n"never closed\n')
    with pytest.raises(DataError, match="nothing was published"):
        run(on_error="quarantine", min_rows=1000)
    with pytest.raises(DataError, match=r"c\.csv"):
        run(**again)
    assert not (tmp_path / "out" / "_SUCCESS").exists()
    (source / "c.csv").write_text("text\ngood\n")
    run()
    assert len(manifest(tmp_path)["parts"]) == 4


def test_a_limit_says_of_no_output_that_it_stands(run, source):
    for path in source.iterdir():
        path.write_bytes(b"junk")
    with pytest.raises(DataError, match="0 rows, and --min-rows asks for 1; nothing was published"):
        run(on_error="quarantine", min_rows=1)


def test_small_files_that_may_not_be_read_are_passed_over(run, source):
    for name in ("d.csv", "e.csv.gz"):
        (source / name).write_bytes(b"text\ngood\n")
        (source / name).chmod(0)
    with pytest.raises(NotPermitted, match=r"d\.csv and 1 more could not be scored, all others are"):
        run(on_error="quarantine")
