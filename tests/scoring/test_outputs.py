"""A set of parts: a file that appears whole, a stream that is written at once; who goes on from what."""

from __future__ import annotations

import io
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scorer.config import FileFormat
from scorer.errors import Busy, OutputRefused
from scorer.records.job import JobSpec, ModelRecord
from scorer.records.lineage import Counts, Lineage
from scorer.scoring.outputs import Beginning, OutputSet, PartOutput, open_output, work_of
from scorer.scoring.part_writers import PartWriter
from scorer.stores.location import Location
from scorer.stores.workspace import WorkFolder
from scorer.tables.sink import lineage_metadata, open_sink, read_lineage

TABLE = pa.table({"text": ["good room", None], "score": [1, 2]})
JOB = Lineage(job=JobSpec(kind="score", models={"model": ModelRecord(fingerprint="m")}), input="i")
OTHER = replace(JOB, input="another")
WRITTEN = JOB.with_found(counts=Counts(rows=2, statuses={"ok": 2}), drift=None)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out.parquet"


def held(target: Path, *, force: bool = False) -> OutputSet:
    return open_output(Location.of_output(target), "parquet", force=force)


def part_of(output: OutputSet, target: Path | str, *, job: Lineage = JOB, format: FileFormat = "parquet") -> PartOutput:
    return PartOutput(target=Location.of_output(target), format=format, folder=output.folder, job=job)


def begun(part: PartOutput, run: int) -> PartWriter:
    """A writer of the one part of a job that goes on as this `run` where it is interrupted."""
    if not part.target.is_stream:
        Beginning(WorkFolder(part.folder), work_of(part.job)).remember(run)
    return part.writer(TABLE.schema)


def unfinished(part: PartOutput) -> int | None:
    return Beginning(WorkFolder(part.folder), work_of(part.job)).run


def left(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.name != "lock")


def test_a_part_is_seen_when_its_set_publishes_it(target: Path) -> None:
    output = held(target)
    assert output.finished(JOB) is None
    part = begun(part_of(output, target), 1)
    part.write(TABLE)
    assert not target.exists()
    size = part.finish(WRITTEN)
    part.abort()
    assert not target.exists()
    output.publish()
    output.close()
    assert left(target.parent) == ["out.parquet"]
    assert target.stat().st_size == size
    assert pq.read_table(target).to_pydict() == TABLE.to_pydict()

    again = held(target)
    assert again.finished(JOB) == WRITTEN
    again.close()
    assert left(target.parent) == ["out.parquet"]


def test_an_aborted_part_leaves_what_stood_there_and_what_can_be_gone_on_from(target: Path) -> None:
    target.write_bytes(b"old")
    output = held(target, force=True)
    Path(output.folder, "scores").touch()
    part = begun(part_of(output, target), 7)
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
    assert unfinished(part_of(again, target)) == 7
    assert unfinished(part_of(again, target, job=OTHER)) is None
    begun(part_of(again, target), 7).finish(JOB)
    again.publish()
    again.close()
    assert left(target.parent) == ["out.parquet"]


def test_what_is_not_published_is_deleted_but_for_what_can_be_gone_on_from(target: Path) -> None:
    for ends in (False, True):
        output = held(target)
        part = begun(part_of(output, target), 1)
        part.write(TABLE)
        if ends:
            part.finish(JOB)
        part.abort()
        output.close()
        assert left(target.parent) == [f"out.parquet.unfinished{name}" for name in ("", "/job.json")]


def test_a_replaced_file_keeps_its_permissions(target: Path) -> None:
    target.write_bytes(b"old")
    target.chmod(0o640)
    output = held(target, force=True)
    begun(part_of(output, target), 1).finish(JOB)
    output.publish()
    output.close()
    assert target.stat().st_mode & 0o777 == 0o640


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
    begun(part_of(output, target), 1).finish(JOB)
    output.publish()
    output.close()
    assert target.read_bytes() != before
    other = held(target)
    with pytest.raises(OutputRefused, match="another job wrote it"):
        other.finished(OTHER)
    other.close()
    assert left(target.parent) == ["out.parquet"]


@pytest.mark.parametrize("force", [False, True])
def test_what_appeared_while_a_job_was_at_work_is_a_stranger_too(target: Path, force: bool) -> None:
    output = held(target, force=force)
    begun(part_of(output, target), 1).finish(JOB)
    target.write_bytes(b"somebody else's")
    if force:
        output.publish()
        assert target.read_bytes() != b"somebody else's"
    else:
        with pytest.raises(OutputRefused, match="appeared while the job was at work"):
            output.publish()
        assert target.read_bytes() == b"somebody else's"
    output.close()


def test_a_part_whose_file_was_deleted_is_not_finished_in_silence(target: Path) -> None:
    output = held(target)
    part = begun(part_of(output, target), 1)
    part.write(TABLE)
    next(target.parent.rglob("partial.*")).unlink()
    with pytest.raises(OutputRefused, match="removed while it was written"):
        part.finish(JOB)
    part.abort()
    output.close()
    assert not target.exists()


@pytest.mark.parametrize("everything", [False, True])
def test_what_was_deleted_since_it_was_finished_is_not_published_in_silence(target: Path, everything: bool) -> None:
    """A folder that was made anew is another run's, whatever is in it."""
    output = held(target)
    begun(part_of(output, target), 1).finish(JOB)
    if everything:
        shutil.rmtree(output.folder)
        other = held(target)
        begun(part_of(other, target), 1).finish(WRITTEN)
    else:
        next(target.parent.rglob("partial.*")).unlink()
    with pytest.raises(OutputRefused, match="removed while it was written"):
        output.publish()
    output.close()
    assert not target.exists()
    if everything:
        other.publish()
        other.close()
        assert read_lineage(target) == WRITTEN


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
@pytest.mark.parametrize("format", ["csv", "parquet", "arrow", "jsonl"])
def test_a_stream_is_one_part_without_a_memory(
    capsysbinary: pytest.CaptureFixture[bytes], tmp_path: Path, name: str, format: FileFormat
) -> None:
    output = open_output(Location.of_output(name), format, force=False)
    assert output.finished(JOB) is None
    part = begun(part_of(output, name, format=format), 1)
    part.write(TABLE)
    assert part.finish(JOB) is None
    part.abort()
    assert unfinished(part_of(output, name)) is None
    before = capsysbinary.readouterr().out
    output.publish()
    kept = Path(output.folder)
    assert kept.is_dir()
    output.close()
    assert not kept.exists()
    written = tmp_path / "written"
    written.write_bytes(before + capsysbinary.readouterr().out)
    assert os.path.lexists("/dev/stdout")

    whole = io.BytesIO()
    sink = open_sink(whole, format=format, schema=TABLE.schema)
    sink.write(TABLE)
    sink.close(lineage_metadata(JOB))
    assert written.read_bytes() == whole.getvalue()


def test_what_ends_a_stream_is_not_written_unless_it_is_published(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    output = open_output(Location.of_output("-"), "parquet", force=False)
    part = begun(part_of(output, "-"), 1)
    part.write(TABLE)
    part.finish(JOB)
    output.close()
    written = capsysbinary.readouterr().out
    assert written.startswith(b"PAR1")
    assert not written.endswith(b"PAR1")
