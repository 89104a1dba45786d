"""A folder whose files differ in their columns, scored into one file: all rows in order, in the columns of all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scorer
from scorer.errors import DataError
from scorer.tables.sink import open_sink
from scorer.tables.source import Source

NIGHTS = [
    pa.table({"text": ["good", "bad"], "n": [1, None], "note": pa.nulls(2, pa.string())}),
    pa.table({"n": [0.5], "text": pa.array(["fine"], pa.large_string()), "extra": ["x"]}),
    pa.table({"text": ["poor"], "note": ["seen"]}),
]


@pytest.fixture
def score(tmp_path: Path, tiny_model) -> Any:
    def score(target: str) -> Any:
        return scorer.score(tmp_path / "in", tmp_path / target, model=tiny_model("bert"), precision="fp32")

    return score


def put(folder: Path, ending: str) -> None:
    for day, night in enumerate(NIGHTS):
        path = folder / "in" / f"day={day}" / f"rows.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        sink = open_sink(path, format=ending, schema=night.schema)  # type: ignore[arg-type]
        sink.write(night)
        sink.close({})


@pytest.mark.parametrize("ending", ["parquet", "arrow", "csv", "jsonl"])
@pytest.mark.parametrize("target", ["out.parquet", "out.csv", "out.jsonl"])
def test_all_rows_are_in_one_file_in_order(ending, target, score, tmp_path):
    put(tmp_path, ending)
    assert score(target).rows == 4
    table = pa.concat_tables(Source.open(tmp_path / target).read(["text"]).windows(max_rows=9, max_bytes=1 << 20))
    expected = pa.concat_tables(NIGHTS, promote_options="permissive").to_pydict() | {"day": [0, 0, 1, 2]}
    assert {name: table[name].to_pylist() for name in expected} == expected
    assert table["score_status"].to_pylist() == ["ok"] * 4
    if target.endswith(".parquet"):  # which says what it is
        assert score(target).finished_before


def test_what_contradicts_is_refused_before_anything_is_written(score, tmp_path):
    put(tmp_path, "parquet")
    pq.write_table(pa.table({"text": ["good"], "n": ["one"]}), tmp_path / "in" / "day=2" / "rows.parquet")
    with pytest.raises(DataError, match=r"day=2.*column 'n' is string, and in .*day=1.* double"):
        score("out.parquet")
    assert not (tmp_path / "out.parquet").exists()
