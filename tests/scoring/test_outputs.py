"""A set of parts: a file that appears whole, a stream that is written at once; who goes on from what."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from scorer.errors import Busy, OutputRefused
from scorer.records.job import JobSpec, ModelRecord
from scorer.records.lineage import Counts, Lineage
from scorer.scoring.outputs import OutputSet, open_output
from scorer.stores.location import Location

TABLE = pa.table({"text": ["good room", None], "score": [1, 2]})
JOB = Lineage(job=JobSpec(kind="score", models={"model": ModelRecord(fingerprint="m")}), input="i")
OTHER = replace(JOB, input="another")
WRITTEN = JOB.with_found(counts=Counts(rows=2, statuses={"ok": 2}), drift=None)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out.parquet"


def held(target: Path, *, force: bool = False) -> OutputSet:
    return open_output(Location.of_output(target), "parquet", force=force)


def left(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.name != "lock")


def test_a_part_is_seen_when_it_is_committed(target: Path) -> None:
    output = held(target)
    assert output.finished(JOB) is None
    part = output.begin(JOB, 1, TABLE.schema)
    part.write(TABLE)
    assert not target.exists()
    part.commit(WRITTEN)
    part.abort()
    output.close()
    assert left(target.parent) == ["out.parquet"]
    assert pq.read_table(target).to_pydict() == TABLE.to_pydict()

    again = held(target)
    assert again.finished(JOB) == WRITTEN
    again.close()
    assert left(target.parent) == ["out.parquet"]


def test_an_aborted_part_leaves_what_stood_there_and_what_can_be_gone_on_from(target: Path) -> None:
    target.write_bytes(b"old")
    output = held(target, force=True)
    (output.directory / "scores").touch()
    part = output.begin(JOB, 7, TABLE.schema)
    part.write(TABLE)
    part.abort()
    part.abort()
    output.close()
    assert target.read_bytes() == b"old"
    assert left(target.parent) == [
        "out.parquet",
        *(f"out.parquet.unfinished{name}" for name in ("", "/job.json", "/scores")),
    ]

    again = held(target)
    assert again.unfinished_run(JOB) == 7
    assert again.unfinished_run(OTHER) is None
    again.begin(JOB, 7, TABLE.schema).commit(JOB)
    again.close()
    assert left(target.parent) == ["out.parquet"]


def test_closing_aborts(target: Path) -> None:
    output = held(target)
    output.begin(JOB, 1, TABLE.schema).write(TABLE)
    output.close()
    assert not target.exists()
    assert not list(target.parent.rglob("partial.*"))


def test_one_run_holds_a_set(target: Path) -> None:
    output = held(target)
    with pytest.raises(Busy):
        held(target)
    output.close()
    held(target).close()
    assert left(target.parent) == []


def test_a_stranger_is_not_replaced(target: Path) -> None:
    pq.write_table(TABLE, target)
    before = target.read_bytes()
    with pytest.raises(OutputRefused, match="cannot tell what wrote it"):
        held(target)
    output = held(target, force=True)
    output.begin(JOB, 1, TABLE.schema).commit(JOB)
    output.close()
    assert target.read_bytes() != before
    other = held(target)
    with pytest.raises(OutputRefused, match="another job wrote it"):
        other.finished(OTHER)
    other.close()
    assert left(target.parent) == ["out.parquet"]


def test_a_part_whose_file_was_deleted_is_not_committed_in_silence(target: Path) -> None:
    output = held(target)
    part = output.begin(JOB, 1, TABLE.schema)
    part.write(TABLE)
    next(target.parent.rglob("partial.*")).unlink()
    with pytest.raises(OutputRefused, match="removed while it was written"):
        part.commit(JOB)
    output.close()
    assert not target.exists()


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_a_stream_is_one_part_without_a_memory(capsysbinary: pytest.CaptureFixture[bytes], name: str) -> None:
    output = open_output(Location.of_output(name), "csv", force=False)
    assert output.finished(JOB) is None
    part = output.begin(JOB, 1, TABLE.schema)
    part.write(TABLE)
    part.commit(JOB)
    part.abort()
    assert output.unfinished_run(JOB) is None
    kept = output.directory
    assert kept.is_dir()
    output.close()
    assert not kept.exists()
    assert pa.csv.read_csv(io.BytesIO(capsysbinary.readouterr().out)).num_rows == 2
    assert os.path.lexists("/dev/stdout")
