"""Dictionaries whose joined values their index cannot count."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from scorer.tables.dictionaries import fitting_parts
from scorer.tables.formats.parquet import ParquetReader, read_footer
from scorer.tables.sink import open_sink
from scorer.tables.source import Source

CHUNK = 50
ROWS = 7 * CHUNK


def chunk(begin: int, index: pa.DataType) -> pa.Array:
    values = pa.array([f"v{row}" for row in range(begin, begin + CHUNK)])
    return values.dictionary_encode().cast(pa.dictionary(index, pa.string()))


def in_lists(array: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(range(CHUNK + 1), pa.int32()), array)


def in_structs(array: pa.Array) -> pa.Array:
    return pa.StructArray.from_arrays([pa.array(range(CHUNK)), array], ["n", "d"])


def in_maps(array: pa.Array) -> pa.Array:
    return pa.MapArray.from_arrays(pa.array(range(CHUNK + 1), pa.int32()), pa.array(["k"] * CHUNK), array)


WAYS = {"flat": lambda array: array, "list": in_lists, "struct": in_structs, "map": in_maps}


@pytest.mark.parametrize("way", WAYS)
def test_what_was_written_as_parquet_can_be_read(way: str, tmp_path: Path) -> None:
    chunks = [WAYS[way](chunk(begin, pa.int8())) for begin in range(0, ROWS, CHUNK)]
    table = pa.table({"d": pa.chunked_array(chunks), "n": range(ROWS)})
    sink = open_sink(tmp_path / "out.parquet", format="parquet", schema=table.schema)
    sink.write(table)
    sink.close({})
    schema, rows = read_footer(tmp_path / "out.parquet")
    assert schema.field("d").type == table.schema.field("d").type
    reader = Source.open(str(tmp_path / "out.parquet")).read(())
    assert isinstance(reader, ParquetReader)
    windows = list(reader.windows(max_rows=ROWS, max_bytes=1 << 20))
    assert [row for window in windows for row in window.to_pylist()] == table.to_pylist()
    assert rows == ROWS


@pytest.mark.parametrize(
    ("index", "sizes"),
    [(pa.int8(), [100, 100, 100, 50]), (pa.uint8(), [250, 100]), (pa.int16(), [350]), (pa.int32(), [350])],
)
def test_parts_are_as_few_as_can_be(index: pa.DataType, sizes: list[int]) -> None:
    table = pa.table({"d": pa.chunked_array([chunk(begin, index) for begin in range(0, ROWS, CHUNK)])})
    parts = list(fitting_parts(table))
    assert [part.num_rows for part in parts] == sizes
    assert pa.concat_tables(parts).equals(table)


def test_two_columns_are_cut_where_either_must_be() -> None:
    few = pa.chunked_array(
        [pa.array(["a", "b"] * 35).dictionary_encode().cast(pa.dictionary(pa.int8(), pa.string()))] * 5
    )
    many = pa.chunked_array([chunk(begin, pa.int8()) for begin in range(0, ROWS, CHUNK)])
    parts = list(fitting_parts(pa.table({"few": few, "many": many})))
    assert [part.num_rows for part in parts] == [100, 100, 100, 50]


def test_a_table_without_dictionaries_is_one_part() -> None:
    table = pa.table({"n": pa.chunked_array([[1], [2, 3]])})
    (part,) = fitting_parts(table)
    assert part.equals(table)
    assert [part.num_rows for part in fitting_parts(table.slice(0, 0))] == [0]
