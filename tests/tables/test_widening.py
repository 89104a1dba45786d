"""Files that differ in their columns are read as one table: by name, widened where nothing is lost, else refused."""

from __future__ import annotations

import datetime
import decimal
import gzip
from itertools import permutations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from scorer.errors import DataError
from scorer.tables.dialect import Dialect
from scorer.tables.sink import open_sink
from scorer.tables.source import Source
from scorer.tables.widening import cast, widened

SELF_DESCRIBING = ["parquet", "arrow"]
DAY = datetime.datetime(2024, 1, 2, 3, 4, 5, 678901)
STRING, STRUCT, MAP = pa.string(), pa.struct([("a", pa.int32())]), pa.map_(pa.string(), pa.int32())
WORDS = pa.dictionary(pa.int8(), pa.string())

# Two types with values, and the type that holds both.
WIDENED: list[tuple[pa.DataType, Any, pa.DataType, Any, pa.DataType]] = [
    (pa.int64(), [1, None], pa.float64(), [0.5], pa.float64()),
    (pa.int32(), [-(2**31)], pa.int64(), [2**63 - 1], pa.int64()),
    (pa.uint8(), [255], pa.int8(), [-128], pa.int16()),
    (pa.uint32(), [2**32 - 1], pa.int32(), [-1], pa.int64()),
    (pa.float32(), [0.5], pa.float64(), [0.1], pa.float64()),
    (pa.int8(), [7], pa.float32(), [0.5], pa.float64()),
    (STRING, ["a"], pa.large_string(), ["b", None], pa.large_string()),
    (STRING, ["a"], pa.string_view(), ["a text that is longer than a view has room for"], STRING),
    (pa.binary(), [b"a"], pa.large_binary(), [b"b"], pa.large_binary()),
    (pa.null(), [None, None], STRING, ["a"], STRING),
    (pa.null(), [None], pa.float32(), [0.5], pa.float32()),
    (pa.null(), [None], STRUCT, [{"a": 1}], STRUCT),
    (pa.null(), [None], WORDS, ["a"], WORDS),
    (WORDS, ["a", None], STRING, ["b"], STRING),
    (WORDS, ["a"], pa.dictionary(pa.int32(), pa.string()), ["b"], pa.dictionary(pa.int32(), pa.string())),
    (WORDS, ["a"], pa.dictionary(pa.int8(), pa.string(), ordered=True), ["b"], STRING),
    (pa.list_(pa.null()), [[], None], pa.list_(STRING), [["a"]], pa.list_(STRING)),
    (pa.list_(pa.int32()), [[1]], pa.large_list(pa.float64()), [[0.5]], pa.large_list(pa.float64())),
    (pa.list_(pa.int32(), 2), [[1, 2]], pa.list_(pa.int32(), 3), [[1, 2, 3]], pa.list_(pa.int32())),
    (
        STRUCT,
        [{"a": 1}, None],
        pa.struct([("b", STRING), ("a", pa.int64())]),
        [{"b": "x", "a": 2}],
        pa.struct([("a", pa.int64()), ("b", STRING)]),
    ),
    (MAP, [[("k", 1)]], pa.map_(STRING, pa.int64()), [[("k", 2)]], pa.map_(STRING, pa.int64())),
    (pa.timestamp("us"), [DAY], pa.timestamp("ns"), [DAY], pa.timestamp("ns")),
    (pa.duration("s"), [datetime.timedelta(1)], pa.duration("us"), [datetime.timedelta(2)], pa.duration("us")),
    (pa.time32("ms"), [datetime.time(1)], pa.time64("us"), [datetime.time(2)], pa.time64("us")),
    (
        pa.decimal128(5, 2),
        [decimal.Decimal("123.45")],
        pa.decimal128(6, 4),
        [decimal.Decimal("12.3456")],
        pa.decimal128(7, 4),
    ),
]
CONTRADICTIONS = [
    (pa.int64(), STRING),
    (pa.bool_(), pa.int64()),
    (pa.uint64(), pa.int64()),
    (STRING, pa.binary()),
    (pa.timestamp("us"), pa.timestamp("us", "UTC")),
    (pa.date32(), pa.timestamp("us")),
    (pa.decimal128(5, 2), pa.float64()),
    (STRUCT, pa.struct([("a", STRING)])),
    (STRUCT, STRING),
    (pa.list_(STRING), STRING),
    (pa.list_(STRING), pa.list_(pa.int64())),
    (MAP, pa.map_(pa.int64(), pa.int32())),
    (WORDS, pa.int64()),
    (pa.uuid(), STRING),
    (pa.decimal256(76, 0), pa.decimal256(76, 70)),
]


@pytest.mark.parametrize(("one", "values", "other", "others", "kind"), WIDENED, ids=str)
def test_a_wider_type_holds_the_values_of_both(
    one: pa.DataType, values: Any, other: pa.DataType, others: Any, kind: pa.DataType
) -> None:
    for first, second in ((one, other), (other, one)):
        found = widened(first, second)
        assert found is not None
        names = {field.name for field in kind} if pa.types.is_struct(kind) else set()
        assert found.equals(kind) or {field.name for field in found} == names  # a struct begins with its first fields
        for type_, rows in ((one, values), (other, others)):
            column = pa.chunked_array([pa.array(rows, type_)], type_)
            after = cast(column, found)
            assert after.type.equals(found)
            after.validate(full=True)
            told = [row if not isinstance(row, dict) else {"b": None} | row for row in column.to_pylist()]
            expected = told if pa.types.is_struct(found) and len(found) > 1 else column.to_pylist()
            assert after.to_pylist() == expected


@pytest.mark.parametrize(("one", "other"), CONTRADICTIONS, ids=str)
def test_what_contradicts_is_not_widened(one: pa.DataType, other: pa.DataType) -> None:
    assert widened(one, other) is None
    assert widened(other, one) is None


def put(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sink = open_sink(path, format=path.suffix[1:], schema=table.schema)  # type: ignore[arg-type]
    sink.write(table)
    sink.close({})


def read(location: Path, *texts: str) -> pa.Table:
    reader = Source.open(location).read(texts)
    windows = list(reader.windows(max_rows=3, max_bytes=1 << 20))
    table = pa.concat_tables([reader.schema.empty_table(), *windows])
    table.validate(full=True)
    return table


# As a folder grows: a column is added, another type is written, a column has no values that night.
NIGHTS = [
    pa.table({"text": ["one", "two"], "n": [1, None], "note": pa.nulls(2)}),
    pa.table({"n": [0.5], "text": pa.array(["three"], pa.large_string()), "extra": [{"k": [1]}]}),
    pa.table({"text": ["four"], "note": ["seen"]}),
]


@pytest.mark.parametrize("format", SELF_DESCRIBING)
@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_files_that_differ_are_one_table(tmp_path: Path, format: str, order: tuple[int, ...]) -> None:
    for number, night in enumerate(order):
        put(tmp_path / f"{number}.{format}", NIGHTS[night])
    nights = [NIGHTS[night] for night in order]
    expected = pa.concat_tables(nights, promote_options="permissive")
    assert read(tmp_path, "text").equals(expected)


def test_text_files_go_by_name_and_are_typed_together(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text('text,n,id\none,1,01\n"",2,2\n')
    (tmp_path / "2.csv").write_text("n,extra,text\n0.5,x,two\n,,three\n")
    (tmp_path / "3.csv").write_text("text\n\nfour\n")  # in a file of one column a blank line is an empty text
    source = Source.open(tmp_path)
    table = read(tmp_path, "text")
    assert source.names == tuple(table.schema.names) == ("text", "n", "id", "extra")
    assert table.schema.types == [STRING, pa.float64(), STRING, STRING]
    assert table.to_pydict() == {
        "text": ["one", "", "two", "three", "", "four"],
        "n": [1, 2, 0.5, None, None, None],
        "id": ["01", "2", None, None, None, None],
        "extra": [None, None, "x", None, None, None],
    }
    (told,) = source.unread.warnings()
    assert f"null where a file has none: 'n' in 1 of 3 files ({tmp_path / '3.csv'})" in told


@pytest.mark.parametrize("ending", ["parquet", "arrow", "csv"])
def test_texts_must_be_in_every_file(tmp_path: Path, ending: str) -> None:
    put(tmp_path / f"a.{ending}", pa.table({"text": ["one"], "n": [1]}))
    put(tmp_path / f"b.{ending}", pa.table({"Text": ["two"], "n": [1]}))
    with pytest.raises(DataError, match=rf"b.{ending}: no column 'text', and in .*a.{ending} the texts are in it"):
        Source.open(tmp_path).read(["text"])
    with pytest.raises(DataError, match=rf"a.{ending}: no column 'Text'"):
        Source.open(tmp_path).read(["Text"])


@pytest.mark.parametrize("first", [0, 1])
def test_a_file_without_a_header_among_others_is_refused_without_its_texts(tmp_path: Path, first: int) -> None:
    contents = ["text,stars\ngood,5\n", "what a lovely day it was,5\nbad,1\n"]
    for number, content in enumerate(contents if first else reversed(contents)):
        (tmp_path / f"{number}.csv").write_text(content)
    with pytest.raises(DataError, match=rf"{first}.csv: other columns .* --no-header") as error:
        Source.open(tmp_path)
    assert "lovely" not in str(error.value)
    (tmp_path / "1.csv").write_text("a\n")
    with pytest.raises(DataError, match="without headers nothing tells"):
        Source.open(tmp_path, dialect=Dialect(names=()))


@pytest.mark.parametrize("format", SELF_DESCRIBING)
def test_types_that_contradict_are_refused_with_both_files(tmp_path: Path, format: str) -> None:
    put(tmp_path / f"1.{format}", pa.table({"t": ["a"], "n": [1]}))
    put(tmp_path / f"2.{format}", pa.table({"t": ["a"], "n": pa.array([1], pa.int32())}))
    put(tmp_path / f"3.{format}", pa.table({"t": ["a"], "n": ["x"]}))
    with pytest.raises(DataError, match=rf"3.{format}: column 'n' is string, and in .*1.{format} int64"):
        Source.open(tmp_path)


def test_kinds_of_json_values_that_contradict_are_refused_with_both_files(tmp_path: Path) -> None:
    (tmp_path / "1.jsonl").write_text('{"t": "a", "n": 1}\n')
    (tmp_path / "2.jsonl").write_text('{"t": "a"}\n')
    (tmp_path / "3.jsonl").write_text('{"t": "a", "n": null}\n{"t": "a", "n": "x"}\n')
    with pytest.raises(DataError, match=r"3.jsonl: line 2: column 'n' is .*, in .*1.jsonl; give"):
        Source.open(tmp_path).read(["t"])


@pytest.mark.parametrize("format", SELF_DESCRIBING)
def test_an_integer_that_no_double_holds_is_never_rounded(tmp_path: Path, format: str) -> None:
    put(tmp_path / f"1.{format}", pa.table({"t": ["a"], "n": [0.5]}))
    put(tmp_path / f"2.{format}", pa.table({"t": ["a"], "n": [2**53]}))
    assert read(tmp_path, "t")["n"].to_pylist() == [0.5, 2**53]
    put(tmp_path / f"2.{format}", pa.table({"t": ["a"], "n": [2**53 + 1]}))
    with pytest.raises(DataError, match=rf"2.{format}: column 'n': a value does not fit the double") as error:
        read(tmp_path, "t")
    assert str(2**53 + 1) not in str(error.value)


def test_nullability_and_metadata(tmp_path: Path) -> None:
    fields = [pa.field("t", STRING, nullable=False, metadata={"unit": "1"}), pa.field("n", pa.int64(), nullable=False)]
    put(tmp_path / "1.parquet", pa.table({"t": ["a"], "n": [1]}, pa.schema(fields, {"from": "us"})))
    put(tmp_path / "2.parquet", pa.table({"t": ["a"]}))
    schema = read(tmp_path, "t").schema
    assert [field.nullable for field in schema] == [True, True]
    assert schema.field("t").metadata == {b"unit": b"1"}
    assert schema.metadata == {b"from": b"us"}


def test_partitions_stand_behind_the_columns_of_all(tmp_path: Path) -> None:
    put(tmp_path / "day=1" / "a.parquet", pa.table({"t": ["a"]}))
    put(tmp_path / "day=2" / "a.parquet", pa.table({"t": ["b"], "n": [1]}))
    assert read(tmp_path, "t").to_pydict() == {"t": ["a", "b"], "n": [None, 1], "day": [1, 2]}


@pytest.mark.parametrize("ending", ["parquet", "arrow", "csv"])
def test_a_folder_says_what_its_file_lacks_and_others_have_themselves(tmp_path: Path, ending: str) -> None:
    put(tmp_path / "day=1" / f"a.{ending}", pa.table({"t": ["a"], "day": [1]}))
    put(tmp_path / "day=2" / f"a.{ending}", pa.table({"t": ["b"]}))
    assert read(tmp_path, "t").to_pydict() == {"t": ["a", "b"], "day": [1, 2]}
    assert Source.open(tmp_path).unread.warnings() == ()
    put(tmp_path / "day=1" / f"a.{ending}", pa.table({"t": ["a"], "day": [2]}))
    with pytest.raises(DataError, match="something else than the folder"):
        read(tmp_path, "t")


@pytest.mark.parametrize("format", SELF_DESCRIBING)
def test_a_folder_whose_value_is_no_number_as_other_files_have_it(tmp_path: Path, format: str) -> None:
    put(tmp_path / "day=1" / f"a.{format}", pa.table({"t": ["a"], "day": [1]}))
    put(tmp_path / "day=x" / f"a.{format}", pa.table({"t": ["b"]}))
    with pytest.raises(DataError, match="and not as the int64 that other files"):
        read(tmp_path, "t")


def test_parts_that_are_empty_once_unpacked_are_passed_over_too(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b""))
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"t\nx\n"))
    source = Source.open(tmp_path)
    assert [path.name for path in source.files] == ["b.csv.gz"]
    assert "a.csv.gz: not read, being empty" in source.unread.warnings()[0]
