"""Parquet files with one wrong byte: refused, or read as if nothing had happened; no crash, no hang, no other data."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scorer.records.job import JobSpec, ModelRecord
from scorer.records.lineage import Lineage
from scorer.tables.sink import lineage_metadata, open_sink
from tests.tables.mutants import Mutant, outcomes

ROWS = 1500

WRITERS: dict[str, dict[str, Any]] = {
    "zstd": {"compression": "zstd"},
    "snappy, pages of version 2": {"compression": "snappy", "data_page_version": "2.0"},
    "plain": {"compression": "none", "use_dictionary": False},
    "delta": {"compression": "none", "use_dictionary": False, "column_encoding": {"n": "DELTA_BINARY_PACKED"}},
}


def sample() -> pa.Table:
    chooser = random.Random(0)
    words = ["alpha", "beta", "gamma", "\u4e2d"]
    texts = [" ".join(chooser.choices(words, k=chooser.randrange(9))) for _ in range(ROWS)]
    return pa.table(
        {
            "id": [f"{index:06}" for index in range(ROWS)],
            "text": pa.array([text if index % 9 else None for index, text in enumerate(texts)]),
            "n": pa.array([chooser.randrange(1000) for _ in range(ROWS)]),
            "x": pa.array([chooser.random() for _ in range(ROWS)]),
            "tags": [chooser.choices(words, k=index % 3) for index in range(ROWS)],
        }
    )


def files(folder: Path) -> list[Path]:
    """One file of the sink that scored files come from, and several of pyarrow, all with page checksums."""
    table = sample()
    paths = [folder / "sink.parquet"]
    sink = open_sink(paths[0], format="parquet", schema=table.schema)
    for begin in range(0, ROWS, 400):
        sink.write(table.slice(begin, 400))
    sink.close(
        lineage_metadata(
            Lineage(job=JobSpec(kind="score", models={"model": ModelRecord(fingerprint="m")}), input="rows")
        )
    )
    for number, options in enumerate(WRITERS.values()):
        paths.append(folder / f"{number}.parquet")
        pq.write_table(table, paths[-1], write_page_checksum=True, row_group_size=700, **options)
    return paths


def mutants(path: Path, count: int) -> list[Mutant]:
    """Bytes of the whole file, those of the footer, which no checksum covers, as often as those of the pages."""
    content = path.read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    chooser = random.Random(count)
    chosen = []
    for index in range(count):
        position = chooser.randrange(footer) if index % 2 else chooser.randrange(footer, len(content))
        chosen.append((position, content[position] ^ chooser.randrange(1, 256)))
    return chosen


def check(folder: Path, mutants_per_file: int) -> None:
    for path in files(folder):
        counts, bad = outcomes(path, mutants(path, mutants_per_file))
        sys.stdout.write(f"\n{path.name}, {mutants_per_file} mutants: {dict(counts)}\n")
        assert bad == [], path.name
        assert counts["refused"] > mutants_per_file // 3


def test_a_wrong_byte_is_noticed_or_harmless(tmp_path: Path) -> None:
    check(tmp_path, 12)


@pytest.mark.torture
def test_two_thousand_files_with_a_wrong_byte(tmp_path: Path) -> None:
    check(tmp_path, 400)
