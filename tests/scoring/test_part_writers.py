"""Files of a part: the same, whatever tables its rows come in."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scorer.errors import DataError
from scorer.records.job import JobSpec, ModelRecord
from scorer.records.lineage import Lineage
from scorer.records.part import OutputFile
from scorer.scoring import part_writers
from scorer.scoring.outputs import PartOutput, temporary_of
from scorer.stores.location import Location
from scorer.tables.layouts import Layout
from scorer.tables.sink import read_lineage

JOB = Lineage(job=JobSpec(kind="score", models={"model": ModelRecord(fingerprint="m")}), input="i")
ROWS = 500


def table() -> pa.Table:
    chosen = random.Random(1)
    return pa.table(
        {
            "row": range(ROWS),
            "kind": [chosen.choice("abcde") for _ in range(ROWS)],
            "text": ["x" * chosen.randrange(3000) for _ in range(ROWS)],
            "list": [list(range(chosen.randrange(4))) or None for _ in range(ROWS)],
            "score_status": [chosen.choice(["ok", "empty"]) for _ in range(ROWS)],
        }
    )


def written(folder: Path, layout: Layout, tables: list[pa.Table]) -> dict[str, bytes]:
    folder.mkdir()
    target = Location.of_path(folder / "a.parquet")
    output = PartOutput(
        target=target, format="parquet", folder=str(folder), job=JOB, name="a.parquet", temporary="p", layout=layout
    )
    part = output.writer(table().schema)
    for one in tables:
        part.write(one)
    size = part.finish(JOB)
    assert part.files is not None
    assert size == sum(file.size for file in part.files)
    _check_counts(folder, part.files)
    return {file.name: (folder / temporary_of("p", file.name)).read_bytes() for file in part.files}


def _check_counts(folder: Path, files: tuple[OutputFile, ...]) -> None:
    for file in files:
        path = folder / temporary_of("p", file.name)
        lineage = read_lineage(path)
        assert lineage is not None
        assert lineage.counts is not None
        statuses = pq.read_table(path)["score_status"].to_pylist()
        assert lineage.counts.rows == file.rows == len(statuses)
        assert lineage.counts.statuses == {name: statuses.count(name) for name in sorted(set(statuses))}


@pytest.mark.parametrize(
    "layout",
    [Layout(rows_per_file=70), Layout(partition_by=("kind",)), Layout(rows_per_file=9, partition_by=("kind",))],
)
def test_the_same_bytes_whatever_the_tables(tmp_path: Path, layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_writers, "_HELD_BYTES", 100_000)
    rows = table()
    whole = written(tmp_path / "whole", layout, [rows])
    chosen = random.Random(2)
    pieces, begin = [], 0
    while begin < ROWS:
        pieces.append(rows.slice(begin, chosen.choice([1, 2, 60])))
        begin += pieces[-1].num_rows
    assert written(tmp_path / "pieces", layout, pieces) == whole
    groups = [pq.ParquetFile(pa.BufferReader(content)).num_row_groups for content in whole.values()]
    assert max(groups) > 1 or layout.rows_per_file == 9


def test_no_rows_make_an_empty_file_or_none(tmp_path: Path) -> None:
    assert list(written(tmp_path / "one", Layout(rows_per_file=5), [])) == ["a-00000.parquet"]
    assert written(tmp_path / "none", Layout(partition_by=("kind",)), []) == {}


def test_an_aborted_part_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_writers, "MOST_VALUES", 3)
    output = PartOutput(
        target=Location.of_path(tmp_path / "a.parquet"), format="parquet", folder=str(tmp_path), job=JOB, name="a"
    )
    part = replace(output, temporary="p", layout=Layout(partition_by=("kind",))).writer(table().schema)
    with pytest.raises(DataError, match="more than 3 values of kind"):
        part.write(table())
    part.abort()
    assert list(tmp_path.iterdir()) == []
