"""Memory must not grow with the file (make test-slow)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.models import sentences

SMALL, LARGE = 1_000_000, 10_000_000
MOST_MIB = 1536
GROUP = 100_000


def rows(count: int) -> Iterator[pa.Table]:
    """`count` short rows; half of the texts are of their own, half come again and again."""
    common = sentences(1000, seed=5, shortest=1, longest=4)
    for start in range(0, count, GROUP):
        numbers = range(start, min(start + GROUP, count))
        texts = [f"room {number}" if number % 2 else common[number % 1000] for number in numbers]
        yield pa.table({"id": pa.array(numbers, pa.int64()), "text": texts})


def write(path: Path, count: int) -> None:
    tables = rows(count)
    first = next(tables)
    with pq.ParquetWriter(path, first.schema) as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table)


@pytest.mark.slow
def test_ten_times_the_rows_take_the_same_memory(run_scorer, tiny_model, tmp_path):
    peaks = {}
    for count in (SMALL, LARGE):
        write(tmp_path / f"{count}.parquet", count)
        ran = run_scorer(
            *("score", tmp_path / f"{count}.parquet", tmp_path / f"{count}.scored.parquet"),
            *("-m", tiny_model("bert"), "--max-length", 16),
            timeout=3600,
        )
        assert ran.returncode == 0, ran.stderr
        summary = json.loads(ran.stdout)
        assert summary["rows"] == count
        peaks[count] = summary["peak_memory_mib"]
        scored = pq.ParquetFile(tmp_path / f"{count}.scored.parquet")
        assert scored.metadata.num_rows == count
        for number, batch in enumerate(scored.iter_batches(GROUP, columns=["id"])):
            assert batch.column(0)[0].as_py() == number * GROUP
    print(peaks)  # noqa: T201  the figures are what this is run for
    assert peaks[LARGE] <= 1.1 * peaks[SMALL], peaks
    assert peaks[LARGE] <= MOST_MIB, peaks
