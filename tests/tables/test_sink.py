"""Tables out: every type comes back as it was, text is exact, a failed write says so."""

from __future__ import annotations

import base64
import csv
import datetime
import errno
import gzip
import io
import json
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scorer.config import FileFormat
from scorer.errors import DataError, StorageError
from scorer.records.job import JobSpec, ModelRecord
from scorer.records.lineage import Counts, Lineage
from scorer.tables.sink import lineage_metadata, open_sink, read_lineage, without_told_schemas
from scorer.tables.source import Source

DAY = datetime.date(2024, 5, 1)
NOON = datetime.datetime(2024, 5, 1, 12, 30, 0, 5000)

TYPES: dict[str, tuple[pa.DataType, list[Any]]] = {
    "null": (pa.null(), [None, None, None]),
    "bool": (pa.bool_(), [True, None, False]),
    "int8": (pa.int8(), [-128, None, 127]),
    "uint64": (pa.uint64(), [0, None, 2**64 - 1]),
    "float16": (pa.float16(), [0.5, None, -1.0]),
    "float32": (pa.float32(), [0.1, None, float("inf")]),
    "float64": (pa.float64(), [0.1, None, -0.0]),
    "decimal128": (pa.decimal128(20, 4), [Decimal("1.5000"), None, Decimal("-0.0001")]),
    "decimal256": (pa.decimal256(60, 10), [Decimal("1e40"), None, Decimal("-1e-10")]),
    "date32": (pa.date32(), [DAY, None, DAY]),
    "date64": (pa.date64(), [DAY, None, DAY]),
    "time32": (pa.time32("ms"), [NOON.time(), None, NOON.time()]),
    "time64": (pa.time64("us"), [NOON.time(), None, NOON.time()]),
    "timestamp_s": (pa.timestamp("ms"), [NOON, None, NOON]),
    "timestamp_us_tz": (pa.timestamp("us", "Europe/Berlin"), [NOON, None, NOON]),
    "timestamp_ns": (pa.timestamp("ns"), [1, None, 2**62]),
    "duration": (pa.duration("us"), [datetime.timedelta(1), None, datetime.timedelta(0)]),
    "string": (pa.string(), ["a", None, ""]),
    "large_string": (pa.large_string(), ["a", None, "\u4e2d"]),
    "string_view": (pa.string_view(), ["a", None, "long enough to live elsewhere"]),
    "binary": (pa.binary(), [b"\x00", None, b""]),
    "fixed_binary": (pa.binary(3), [b"abc", None, b"\x00\x00\x00"]),
    "dictionary": (pa.dictionary(pa.int32(), pa.string()), ["x", None, "y"]),
    "list": (pa.list_(pa.int16()), [[1, None], None, []]),
    "large_list": (pa.large_list(pa.string()), [["a"], None, []]),
    "fixed_list": (pa.list_(pa.float32(), 2), [[0.5, 1.5], None, [2.0, 3.0]]),
    "struct": (pa.struct([("a", pa.int8()), ("b", pa.list_(pa.string()))]), [{"a": 1, "b": ["x"]}, None, {"a": None}]),
    "map": (pa.map_(pa.string(), pa.int32()), [[("k", 1)], None, []]),
    "uuid": (pa.uuid(), [uuid.UUID(int=5).bytes, None, uuid.UUID(int=6).bytes]),
    "list_of_dictionary": (pa.list_(pa.dictionary(pa.int32(), pa.string())), [["x"], None, ["y", "x"]]),
}


# What Parquet itself has no word for.
IN_PARQUET = {"date64": pa.date32()}


def table_of_types() -> pa.Table:
    arrays, fields = [], []
    for index, (name, (kind, values)) in enumerate(TYPES.items()):
        array = pa.array(values, kind) if name != "uuid" else pa.array(values, pa.binary(16)).cast(kind)
        arrays.append(array)
        fields.append(pa.field(name, kind, metadata={"unit": str(index)} if index % 2 else None))
    arrays.append(pa.array([1, 2, 3]))
    fields.append(pa.field("required", pa.int64(), nullable=False))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata={"owner": "us"}))


def write(path: Path, *tables: pa.Table, format: FileFormat, metadata: dict[str, str] | None = None) -> None:
    sink = open_sink(path, format=format, schema=tables[0].schema)
    try:
        for table in tables:
            sink.write(table)
        sink.close(metadata or {})
    except BaseException:
        sink.abort()
        raise


def read(path: Path, max_rows: int = 65_536) -> pa.Table:
    reader = Source.open(str(path)).read()
    windows = list(reader.windows(max_rows=max_rows, max_bytes=64 << 20))
    return pa.concat_tables(windows) if windows else reader.schema.empty_table()


def values(table: pa.Table) -> str:
    """The values of `table` as text, which tells 0 from -0; Python's times have no nanoseconds."""
    columns = [
        pc.cast(column, pa.int64()) if pa.types.is_timestamp(column.type) else column for column in table.columns
    ]
    return str([column.to_pylist() for column in columns])


def without_field_ids(schema: pa.Schema) -> pa.Schema:
    """Parquet numbers the fields and tells the numbers in their metadata."""
    fields = []
    for field in schema:
        metadata = {key: value for key, value in (field.metadata or {}).items() if key != b"PARQUET:field_id"}
        fields.append(field.with_metadata(metadata) if metadata else field.remove_metadata())
    return pa.schema(fields, metadata=schema.metadata)


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_48_every_type_comes_back_as_it_was(tmp_path: Path, name: str, format: FileFormat) -> None:
    table = table_of_types().select([name, "required"])
    path = tmp_path / f"first.{format}"
    write(path, table, table, format=format)
    first = read(path)
    second_path = tmp_path / f"second.{format}"
    write(second_path, first, format=format)
    second = read(second_path)
    assert second.schema.equals(first.schema, check_metadata=True)
    expected = table.schema
    if format == "parquet" and name in IN_PARQUET:
        expected = expected.set(0, expected.field(0).with_type(IN_PARQUET[name]))
    # The entries of a map have a name that Arrow calls insignificant, and pyarrow's Parquet gives them one of its own.
    assert without_field_ids(first.schema).equals(expected, check_metadata=name != "map")
    assert values(second) == values(pa.concat_tables([table, table]))


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_schemas_that_other_programs_keep_beside_the_columns_are_left_out(tmp_path: Path, format: FileFormat) -> None:
    told = ("org.apache.spark.sql.parquet.row.metadata", "parquet.avro.schema", "avro.schema")
    kept = {"org.apache.spark.version": "3.5.1", "org.apache.spark.legacyDateTime": "", "geo": "{}"}
    table = pa.table({"a": [1]}).replace_schema_metadata(dict.fromkeys(told, '{"fields": []}') | kept)
    pq.write_table(table, tmp_path / "in.parquet")
    path = tmp_path / f"out.{format}"
    write(path, read(tmp_path / "in.parquet").append_column("score", pa.array([5])), format=format)
    found = read(path)
    assert found.schema.metadata == {key.encode(): value.encode() for key, value in kept.items()}
    assert found.to_pylist() == [{"a": 1, "score": 5}]
    if format == "parquet":
        footer = pq.read_metadata(path).metadata
        assert set(footer) == {*map(str.encode, kept), b"ARROW:schema"}
        stored = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(footer[b"ARROW:schema"])))
        assert stored.names == ["a", "score"]


@pytest.mark.parametrize("metadata", [None, {}, {"a": "b"}])
def test_a_schema_without_such_metadata_stays_as_it_is(metadata) -> None:
    schema = pa.schema([("a", pa.int64())], metadata=metadata)
    found = without_told_schemas(schema)
    assert (found.metadata, found.serialize()) == (schema.metadata, schema.serialize())
    spark = schema.with_metadata({"avro.schema": "{}"} | (metadata or {}))
    assert without_told_schemas(spark).metadata == (schema.metadata or None)


@pytest.mark.parametrize("rows", [slice(None), slice(1, 3)])
@pytest.mark.parametrize("index", ["named", "range", "own"])
def test_pandas_finds_its_index_and_the_appended_columns(tmp_path: Path, index: str, rows: slice) -> None:
    pd = pytest.importorskip("pandas")
    indexes = {
        "named": pd.Index(["x", "y", "z", "z"], name="key"),
        "range": pd.RangeIndex(5, 9),
        "own": pd.Index([3, 1, 2, 2]),
    }
    frame = pd.DataFrame({"t": ["a", "b", "c", None], "kind": pd.Categorical(list("uvuv"))}, index=indexes[index])
    frame.to_parquet(tmp_path / "in.parquet")
    table = read(tmp_path / "in.parquet")[rows]
    write(tmp_path / "out.parquet", table.append_column("score", pa.array(range(len(table)))), format="parquet")
    found = pd.read_parquet(tmp_path / "out.parquet")
    assert list(found.columns) == ["t", "kind", "score"]
    assert str(found["kind"].dtype) == "category"
    expected = frame[rows]
    # A range of as many rows says which; of fewer pandas counts anew.
    same = index != "range" or len(table) == len(frame)
    assert list(found.index) == (list(expected.index) if same else list(range(len(table))))
    assert found["t"].fillna("-").tolist() == expected["t"].fillna("-").tolist()


def test_parquet_pages_have_checksums_and_every_table_is_a_row_group(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    tables = [pa.table({"a": [1, 2]}), pa.table({"a": [3]}), pa.table({"a": pa.array([], pa.int64())})]
    write(path, *tables, format="parquet")
    metadata = pq.read_metadata(path)
    assert [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)] == [2, 1]
    assert metadata.row_group(0).column(0).compression == "ZSTD"
    damaged = bytearray(path.read_bytes())
    start = metadata.row_group(0).column(0).data_page_offset
    size = metadata.row_group(0).column(0).total_compressed_size
    damaged[start + size - 30] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(DataError):
        read(path)


def test_lineage_is_in_the_footer(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    job = JobSpec(kind="score", models={"model": ModelRecord(fingerprint="abc")})
    lineage = Lineage(job=job, input="rows", counts=Counts(rows=1, statuses={"ok": 1}))
    write(path, pa.table({"a": [1]}), format="parquet", metadata=lineage_metadata(lineage))
    assert read_lineage(path) == lineage
    write(path, pa.table({"a": [1]}), format="parquet")
    assert read_lineage(path) is None
    for text in ("{", "[" * 100_000):
        write(path, pa.table({"a": [1]}), format="parquet", metadata={"scorer": text})
        with pytest.raises(DataError, match="not JSON"):
            read_lineage(path)


def test_the_same_tables_give_the_same_bytes(tmp_path: Path) -> None:
    for format in ("parquet", "arrow", "csv", "jsonl"):
        for name in ("1", "2"):
            write(tmp_path / name, table_of_types(), format=format)  # type: ignore[arg-type]
        assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
    for name in ("1.csv.gz", "2.csv.gz"):
        write(tmp_path / name, table_of_types(), format="csv")
    assert (tmp_path / "1.csv.gz").read_bytes() == (tmp_path / "2.csv.gz").read_bytes()


def test_growing_dictionaries_in_an_arrow_file(tmp_path: Path) -> None:
    path = tmp_path / "out.arrow"
    kind = pa.dictionary(pa.int8(), pa.string())
    tables = [
        pa.table({"d": pa.array(values, kind), "n": pa.array([values, None, values], pa.list_(kind))})
        for values in (["a", "b", None], ["c", "a", "c"], ["b", None, "d"])
    ]
    write(path, *tables, format="arrow")
    assert read(path).to_pylist() == [row for table in tables for row in table.to_pylist()]
    assert read(path).schema.equals(tables[0].schema)


VALUES = st.one_of(st.none(), st.text(alphabet=st.sampled_from('a7,;"\r\n\t \0\ufeff\u4e2d'), max_size=6))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(VALUES, VALUES), max_size=5), st.sampled_from(["csv", "tsv"]), st.sampled_from(["", ".gz"]))
def test_text_survives_csv(tmp_path: Path, rows: list[tuple[Any, Any]], ending: FileFormat, packed: str) -> None:
    table = pa.table(
        {"\ufeffa": pa.array([a for a, _ in rows], pa.string()), "b": pa.array([b for _, b in rows], pa.string())}
    )
    path = tmp_path / f"out.{ending}{packed}"
    write(path, table, format=ending)
    reader = Source.open(str(path)).read(table.column_names)
    got = [row for window in reader.windows(max_rows=2, max_bytes=100) for row in window.to_pylist()]
    assert got == table.to_pylist()
    if not packed:
        delimiter = "," if ending == "csv" else "\t"
        content = io.StringIO(path.read_bytes().decode(), newline="")
        assert list(csv.reader(content, delimiter=delimiter, strict=True))[1:] == [[a or "", b or ""] for a, b in rows]


def test_csv_quotes_only_where_it_must(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    table = pa.table({"a": ["x y", "", None, "a,b", 'q"', "l\n", "1;2\t3"], "n": [1, None, 3, 4, 5, 6, 7]})
    write(path, table, format="csv")
    assert path.read_text() == 'a,n\nx y,1\n"",\n,3\n"a,b",4\n"q""",5\n"l\n",6\n1;2\t3,7\n'


def test_csv_comes_out_as_it_came_in(tmp_path: Path) -> None:
    content = "i,f,g,h,b,c,z,e\n1,0.5,1,1e-07,true,True,007,\n-2,3.0,0.25,1e+16,false,False,8,x\n"
    path = tmp_path / "in.csv"
    path.write_text(content)
    table = read(path)
    kinds = [pa.int64(), pa.float64(), pa.float64(), pa.float64(), pa.bool_(), pa.bool_(), pa.string(), pa.string()]
    assert table.schema.types == kinds
    write(tmp_path / "out.csv", table, format="csv")
    assert (tmp_path / "out.csv").read_text() == content
    # ... and the spelling survives a stay in Parquet.
    write(tmp_path / "between.parquet", table, format="parquet")
    write(tmp_path / "out.csv", read(tmp_path / "between.parquet"), format="csv")
    assert (tmp_path / "out.csv").read_text() == content


def test_every_type_can_be_written_as_text(tmp_path: Path) -> None:
    table = table_of_types()
    write(tmp_path / "out.csv", table.slice(1), table, format="csv")
    assert read(tmp_path / "out.csv").num_rows == 5
    write(tmp_path / "out.jsonl", table.slice(1), table, format="jsonl")
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["int8"] for row in rows] == [None, 127, -128, None, 127]
    assert rows[2]["large_string"] == "a"
    assert "\u4e2d" in lines[1]
    assert rows[1]["float32"] is None
    assert rows[2]["float32"] == 0.1


def test_dictionaries_wider_than_their_index_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    kind = pa.dictionary(pa.int8(), pa.string())
    chunks = [pa.array([str(begin + index) for index in range(100)], kind) for begin in (0, 100)]
    table = pa.table({"d": pa.chunked_array(chunks)})
    write(tmp_path / "out.csv", table, format="csv")
    assert read(tmp_path / "out.csv")["d"].to_pylist() == list(range(200))
    bad = pa.table({"t": pa.array([b"caf\xe9"]).view(pa.string())})
    for format in ("csv", "jsonl"):
        with pytest.raises(DataError, match="UTF"):
            write(tmp_path / f"bad.{format}", bad, format=format)  # type: ignore[arg-type]


def test_a_schema_that_the_format_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"column 's': struct<>, which Parquet has no type for; name an output"):
        open_sink(tmp_path / "out.parquet", format="parquet", schema=pa.schema([("s", pa.struct([]))]))


TWINS = pa.struct([("a", pa.int8()), ("a", pa.int8())])


@pytest.mark.parametrize("kind", [TWINS, pa.list_(TWINS), pa.struct([("x", pa.int8()), ("y", TWINS)])])
def test_text_that_would_lose_one_of_two_fields_is_refused(tmp_path: Path, kind: pa.DataType) -> None:
    schema = pa.schema([("n", pa.struct([("a", pa.int8()), ("b", pa.int8())])), ("s", kind)])
    for format in ("csv", "tsv", "jsonl"):
        with pytest.raises(DataError, match="column 's': a struct with two fields 'a'"):
            open_sink(tmp_path / "out", format=format, schema=schema)  # type: ignore[arg-type]
    open_sink(tmp_path / "out", format="arrow", schema=schema).abort()


def test_a_stream_stays_open_and_takes_any_format() -> None:
    table = pa.table({"a": [1, 2]})
    for format in ("parquet", "csv", "tsv", "jsonl", "arrow"):
        stream = io.BytesIO()
        sink = open_sink(stream, format=format, schema=table.schema)  # type: ignore[arg-type]
        sink.write(table)
        sink.close({"scorer": "{}"})
        assert not stream.closed
        assert len(stream.getvalue()) > 5
    assert open_sink(io.BytesIO(), format="csv", schema=table.schema, compression="gzip")


def test_gzip_follows_the_ending(tmp_path: Path) -> None:
    path = tmp_path / "out.csv.gz"
    write(path, pa.table({"a": [1]}), format="csv")
    assert gzip.decompress(path.read_bytes()) == b"a\n1\n"


class FullDisk(io.BytesIO):
    """A stream with room for `room` bytes."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > self._room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


@pytest.mark.parametrize("format", ["parquet", "csv", "jsonl", "arrow"])
def test_a_full_disk_is_an_error_wherever_it_strikes(format: FileFormat) -> None:
    table = pa.table({"a": ["text"] * 2000, "n": list(range(2000))})
    whole = io.BytesIO()
    sink = open_sink(whole, format=format, schema=table.schema)
    sink.write(table)
    sink.close({})
    for room in (0, 3, 100, len(whole.getvalue()) // 2, len(whole.getvalue()) - 1):
        with pytest.raises(StorageError, match="free some space"):
            _write_into(FullDisk(room), table, format)


def _write_into(stream: io.BytesIO, table: pa.Table, format: FileFormat) -> None:
    sink = open_sink(stream, format=format, schema=table.schema)
    try:
        sink.write(table)
        sink.close({})
    except StorageError:
        sink.abort()
        raise


def test_a_closed_pipe_stays_a_broken_pipe() -> None:
    class Pipe(io.BytesIO):
        def write(self, _: Any) -> int:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        open_sink(Pipe(), format="csv", schema=pa.schema([("a", pa.int64())]))


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_an_aborted_file_cannot_be_taken_for_a_whole_one(tmp_path: Path, format: FileFormat) -> None:
    path = tmp_path / f"out.{format}"
    sink = open_sink(path, format=format, schema=pa.schema([("a", pa.int64())]))
    sink.write(pa.table({"a": [1, 2, 3]}))
    sink.abort()
    with pytest.raises(DataError):
        read(path)


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_a_time_that_text_cannot_tell_is_refused_with_its_column(format: FileFormat, tmp_path: Path) -> None:
    table = pa.table({"t": pa.array([2**62], pa.timestamp("us"))})
    sink = open_sink(tmp_path / "out", format=format, schema=table.schema)
    with pytest.raises(DataError, match="column 't': a date or time"):
        sink.write(table)
    sink.abort()


@pytest.mark.parametrize("value", ["{", '{"a": NaN}', "[-Infinity]"])
def test_a_column_of_json_that_is_none_is_refused_in_lines(tmp_path: Path, value: str) -> None:
    table = pa.table({"j": pa.array(['{"a": 1}', value]).cast(pa.json_())})
    with pytest.raises(DataError, match="column 'j': its type says JSON, and a value is none"):
        write(tmp_path / "out.jsonl", table, format="jsonl")
