"""Parquet in: damage is noticed, memory is bounded, nothing of a schema is lost."""

from __future__ import annotations

import random
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scorer.errors import ConfigError, DataError, StorageError, UsageError
from scorer.stores.fingerprints import Stamp
from scorer.tables.dictionaries import fitting_parts
from scorer.tables.formats.parquet import ParquetReader, read_footer, verify_footer
from scorer.tables.sink import open_sink
from scorer.tables.source import Source
from scorer.tables.texts import texts
from tests.tables.growth import growth_by_reading

LIMITS = {"max_rows": 65_536, "max_bytes": 64 << 20}


def sample(rows: int = 5000) -> pa.Table:
    chooser = random.Random(0)
    words = ["alpha", "beta", "gamma", "delta"]
    return pa.table(
        {
            "id": [f"{index:06}" for index in range(rows)],
            "text": [" ".join(chooser.choices(words, k=chooser.randrange(9))) for _ in range(rows)],
            "n": [chooser.random() for _ in range(rows)],
        }
    )


def read(path: Path, *text_columns: str) -> pa.Table:
    reader = Source.open(str(path)).read(text_columns)
    windows = list(reader.windows(**LIMITS))
    return pa.concat_tables(windows) if windows else reader.schema.empty_table()


def test_37_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(sample(), path)
    whole = path.read_bytes()
    for size in (4, 11, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"in\.parquet"):
            read(path)


def test_38_flipped_bits_never_read_silently_different(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    table = sample(2000)
    pq.write_table(table, path, write_page_checksum=True, compression="zstd")
    whole = path.read_bytes()
    pages = pq.ParquetFile(path).metadata.row_group(0)
    end = max(pages.column(index).data_page_offset + pages.column(index).total_compressed_size for index in range(3))
    chooser = random.Random(1)
    refused = 0
    for _ in range(60):
        position = chooser.randrange(4, min(end, len(whole)))
        damaged = bytearray(whole)
        damaged[position] ^= 1 << chooser.randrange(8)
        path.write_bytes(damaged)
        try:
            assert read(path).equals(table)  # the bit may be in a statistic that nobody reads
        except DataError:
            refused += 1
    assert refused > 40


def test_38_a_footer_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(sample(5000), path)
    whole = path.read_bytes()
    rows, other_rows = b"\x16\x90\x4e\x19", b"\x16\x92\x4e\x19"  # 5000 and 5001, before the list of row groups
    for right, wrong in ((b"\x18\x04text%", b"\x18\x04texx%"), (b"text%\x00L", b"text\x46\x00L"), (rows, other_rows)):
        assert whole.count(right) == 1
        path.write_bytes(whole.replace(right, wrong))
        with pytest.raises(DataError, match="damaged"):
            read(path)


@pytest.mark.parametrize(
    "kind", [pa.int64(), pa.float16(), pa.struct([("a", pa.string())]), pa.list_(pa.string()), pa.bool_()]
)
def test_39_a_text_column_without_text_is_refused(tmp_path: Path, kind: pa.DataType) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"text": pa.array([None], kind)}), path)
    with pytest.raises(ConfigError, match="'text' is"):
        read(path, "text")


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
def test_39_every_kind_of_string_is_text(tmp_path: Path, kind: pa.DataType) -> None:
    path = tmp_path / "in.parquet"
    values = ["a", None, "", "\u00e9", "a"]
    table = pa.table({"text": pa.array(values, pa.string()).cast(kind)})
    pq.write_table(table, path)
    got = read(path, "text")
    assert got.schema.equals(table.schema)
    column = texts(got, "text")
    assert column.to_pylist() == values
    assert column.type in (pa.string(), pa.large_string())


def test_40_duplicate_names_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), path)
    with pytest.raises(DataError, match="'a' stands more than once"):
        Source.open(str(path))


def test_42_types_that_contradict_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"a": ["x"]}), tmp_path / "2.parquet")
    with pytest.raises(DataError, match=r"2\.parquet: column 'a' is string, and in .*1\.parquet int64"):
        Source.open(str(tmp_path))


def test_43_no_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    schema = pa.schema([pa.field("a", pa.int8(), nullable=False, metadata={"k": "v"})], metadata={"x": "y"})
    pq.ParquetWriter(path, schema).close()
    reader = Source.open(str(path)).read()
    assert reader.rows == 0
    assert list(reader.windows(**LIMITS)) == []
    assert reader.schema.field("a").metadata[b"k"] == b"v"


def test_44_pages_that_expand_a_thousandfold(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    long = pa.array(["x" * 20_000], pa.string())
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 60_000, pa.int32()), long)
    pq.write_table(pa.table({"text": column}), path, store_schema=False)
    assert path.stat().st_size < 100_000
    rows, mib = growth_by_reading(path, max_rows=65536, max_bytes=32 << 20)
    assert rows == 60_000
    assert mib < 390  # 1.2 GB of text pass


def test_45_a_changed_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(sample(10), path)
    reader = Source.open(str(path)).read()
    reader.check_unchanged()
    pq.write_table(sample(11), path)
    with pytest.raises(DataError, match="changed while it was read"):
        reader.check_unchanged()
    path.unlink()
    with pytest.raises(DataError, match="changed while it was read"):
        reader.check_unchanged()


def test_a_missing_column_has_near_misses(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(sample(1), path)
    with pytest.raises(UsageError, match="did you mean 'text'"):
        read(path, "txet")


def test_text_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    bad = pa.table({"text": pa.array([b"ok", b"caf\xe9"]).view(pa.string())})
    pq.write_table(bad, path)
    with pytest.raises(DataError, match="column 'text', row 2: a text is not UTF-8"):
        read(path, "text")
    pq.write_table(pa.table({"text": ["good"] * 10}), tmp_path / "first.parquet")
    pq.write_table(pa.concat_tables([pa.table({"text": ["good"] * 5}), bad]), path, row_group_size=5)
    with pytest.raises(DataError, match=r"in\.parquet: column 'text', row 7: a text is not UTF-8"):
        read(tmp_path, "text")


def test_several_files_and_row_groups_in_order(tmp_path: Path) -> None:
    table = sample(5000)
    pq.write_table(table.slice(0, 1000), tmp_path / "a.parquet", row_group_size=300)
    pq.write_table(table.slice(1000), tmp_path / "b.parquet", row_group_size=1700)
    assert read(tmp_path).equals(table)


def test_a_file_that_lost_rows_does_not_verify(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    pq.write_table(sample(10), path)
    verify_footer(path, rows=10)
    with pytest.raises(StorageError, match="11 rows were written, but 10"):
        verify_footer(path, rows=11)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(StorageError, match="cannot be read back"):
        verify_footer(path, rows=10)


# INT96, in which Spark and Impala keep times.

FAR = [datetime(2020, 1, 1, 1, 2, 3, 456789), datetime(9999, 12, 31, 23, 59, 59, 999999), datetime(1, 1, 1), None]
US = pa.timestamp("us")


def write_int96(path: Path, times: pa.Array, **others: pa.Array) -> pa.Table:
    table = pa.table({"text": ["a"] * len(times), "a.time": times, **others})
    pq.write_table(table, path, use_deprecated_int96_timestamps=True, store_schema=False, row_group_size=2)
    return table


@pytest.mark.parametrize(
    "times",
    [
        pa.array(FAR, US),
        pa.array([FAR[:2], None, [], [None, FAR[2]]], pa.list_(pa.field("element", US))),
        pa.array([{"n": 1, "t": time} for time in FAR], pa.struct([("n", pa.int32()), ("t", US)])),
        pa.array([[("k", FAR[1])], None, [], [("z", None)]], pa.map_(pa.string(), US)),
    ],
)
def test_int96_times_beyond_what_nanoseconds_hold_are_what_they_were(times: pa.Array, tmp_path: Path) -> None:
    table = write_int96(tmp_path / "in.parquet", times)
    assert read(tmp_path / "in.parquet", "text").to_pylist() == table.to_pylist()


def test_int96_times_keep_their_nanoseconds(tmp_path: Path) -> None:
    table = write_int96(tmp_path / "a.parquet", pa.array([123456789, 2**62, None, -1], pa.timestamp("ns")))
    assert read(tmp_path / "a.parquet").equals(table)
    write_int96(tmp_path / "b.parquet", pa.array(FAR, US))
    with pytest.raises(DataError, match=r"b\.parquet: column 'a\.time': some INT96 times are too far away"):
        read(tmp_path)


def test_files_of_near_and_of_far_int96_times_are_one_input(tmp_path: Path) -> None:
    near = write_int96(tmp_path / "a.parquet", pa.array(FAR[:1], US))
    far = write_int96(tmp_path / "b.parquet", pa.array(FAR, US))
    assert read(tmp_path).to_pylist() == near.to_pylist() + far.to_pylist()


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
@pytest.mark.parametrize("nested", [False, True])
def test_files_of_near_and_of_far_int96_times_may_differ_in_other_columns(tmp_path: Path, order, nested: bool) -> None:
    near, far = pa.array(FAR[:1], US), pa.array(FAR, US)
    if nested:
        near, far = pa.array([FAR[:1]], pa.list_(US)), pa.array([[time] for time in FAR], pa.list_(US))
    tables = [
        write_int96(tmp_path / f"{order[0]}.parquet", near, n=pa.array([1])),
        write_int96(tmp_path / f"{order[1]}.parquet", far, day=pa.array([time and time.date() for time in FAR])),
    ]
    pq.write_table(pa.table({"text": ["c"]}), tmp_path / "c.parquet")
    expected = [
        row for _, table in sorted(zip(order, tables, strict=True), key=lambda one: one[0]) for row in table.to_pylist()
    ]
    found = read(tmp_path, "text")
    kind = found.schema.field("a.time").type
    assert (kind.value_type if nested else kind) == US
    every = dict.fromkeys(found.schema.names)
    assert found.to_pylist() == [every | row for row in [*expected, {"text": "c"}]]


def test_int96_times_that_have_no_unit_together_are_refused_where_columns_differ(tmp_path: Path) -> None:
    write_int96(tmp_path / "a.parquet", pa.array([123456789], pa.timestamp("ns")), n=pa.array([1]))
    write_int96(tmp_path / "b.parquet", pa.array(FAR, US))
    with pytest.raises(DataError, match=r"b\.parquet: column 'a\.time': some INT96 times are too far away"):
        read(tmp_path)


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


@pytest.mark.parametrize(
    ("rows", "characters", "expected"),
    [
        pytest.param(10_000, 20, [4096, 4096, 1808], id="small rows"),
        pytest.param(4096, 20, [4096], id="one piece"),
        pytest.param(600, 30_000, [256, 256, 88], id="middling rows"),
        pytest.param(12, 6 << 20, [2] * 6, id="large rows"),
    ],
)
def test_small_rows_are_read_many_at_a_time_and_large_ones_few(tmp_path: Path, rows, characters, expected) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"text": [f"{row}".ljust(characters, "x") for row in range(rows)]}), path)
    reader = Source.open(str(path)).read(("text",))
    pieces = list(reader.pieces_of(Stamp.of(path)))
    assert [piece.num_rows for piece in pieces] == expected
    assert pa.concat_tables(pieces)["text"].to_pylist() == pq.read_table(path)["text"].to_pylist()


def test_pieces_do_not_reach_over_a_row_group(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(sample(1000), path, row_group_size=300)
    reader = Source.open(str(path)).read(("text",))
    assert [piece.num_rows for piece in reader.pieces_of(Stamp.of(path))] == [300, 300, 300, 100]


def test_some_columns_alone(tmp_path: Path) -> None:
    rows = pa.table({"a": range(600), "b": [{"a": 1}] * 600, "c": ["x"] * 600})
    pq.write_table(rows, tmp_path / "in.parquet", row_group_size=250)
    reader = Source.open(tmp_path / "in.parquet").read(("c",))
    (window,) = reader.only(["c", "a", "none"]).windows(max_rows=1000, max_bytes=1 << 20)
    assert window.equals(rows.select(["a", "c"]))
    pq.write_table(rows.rename_columns(["a", "a.b", "c"]), tmp_path / "dots.parquet")
    reader = Source.open(tmp_path / "dots.parquet").read()
    (window,) = reader.only(["a"]).windows(max_rows=1000, max_bytes=1 << 20)
    assert window.num_columns == 3, "a name with a dot may mean a field within a column"
