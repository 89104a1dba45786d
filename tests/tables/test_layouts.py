"""Which file of a part each row goes into, and names that Hive's readers read back."""

from __future__ import annotations

import datetime
from pathlib import PurePosixPath
from urllib.parse import unquote

import pyarrow as pa
import pytest

from scorer.errors import DataError, UsageError
from scorer.tables.layouts import Layout

VALUES = ["a", "", None, "a/b", "é ü", "50%", "%2F", "x=y", "..", "__HIVE_DEFAULT_PARTITION__", "a\0b", "['\"]", "01"]


def folders(layout: Layout, table: pa.Table) -> dict[str, list[int]]:
    return {folder: rows["row"].to_pylist() for folder, rows in layout.divided(table, where="here")}


def test_each_value_has_a_folder_of_its_own_that_says_it() -> None:
    values = VALUES * 2
    table = pa.table({"c": values, "row": range(len(values))})
    found = folders(Layout(partition_by=("c",)), table)
    assert list(found.values()) == [[place, place + len(VALUES)] for place in range(len(VALUES))]
    for folder, value in zip(found, VALUES, strict=True):
        said = folder.removeprefix("c=")
        assert "/" not in folder
        assert "\0" not in folder
        assert (None if said == "__HIVE_DEFAULT_PARTITION__" else unquote(said)) == value


def test_rows_of_several_columns_are_those_of_a_slow_oracle() -> None:
    rows = [(n, "xyz"[n % 3], n % 2 == 0, None if n % 5 == 0 else datetime.date(2024, 1, 1 + n % 2)) for n in range(60)]
    columns = list(zip(*rows, strict=True))
    table = pa.table(
        {
            "row": columns[0],
            "s": pa.array(columns[1]).dictionary_encode(),
            "b": columns[2],
            "d": columns[3],
        }
    )
    expected: dict[str, list[int]] = {}
    for row, text, flag, day in rows:
        told = day.isoformat() if day else "__HIVE_DEFAULT_PARTITION__"
        expected.setdefault(f"d={told}/s={text}/b={str(flag).lower()}", []).append(row)
    assert folders(Layout(partition_by=("d", "s", "b")), table) == expected
    assert list(folders(Layout(partition_by=("d", "s", "b")), table)) == list(expected)
    chunked = pa.concat_tables([table.slice(0, 7), table.slice(7)])
    assert folders(Layout(partition_by=("d", "s", "b")), chunked) == expected


@pytest.mark.parametrize("kind", [pa.string_view(), pa.large_string(), pa.null(), pa.int8(), pa.uint64()])
def test_every_type_that_names_folders(kind: pa.DataType) -> None:
    values = [None, None] if pa.types.is_null(kind) else [1, 2] if pa.types.is_integer(kind) else ["1", "2"]
    table = pa.table({"c": pa.array(values, kind), "row": [0, 1]})
    layout = Layout(partition_by=("c",))
    layout.check(table.schema, where="here")
    assert [row for rows in folders(layout, table).values() for row in rows] == [0, 1]


def test_columns_of_types_that_cannot_be_taken_from_come_along() -> None:
    views = pa.array([[str(row)] for row in range(9)], pa.list_(pa.string_view()))
    table = pa.table({"row": range(9), "c": list("aabbabcca"), "views": views})
    for _, rows in Layout(partition_by=("c",)).divided(table, where="here"):
        assert rows["views"].to_pylist() == [[str(row)] for row in rows["row"].to_pylist()]
        assert rows["row"].to_pylist() == sorted(rows["row"].to_pylist())


@pytest.mark.parametrize("kind", [pa.float64(), pa.binary(), pa.list_(pa.string()), pa.timestamp("us"), pa.date64()])
def test_other_types_name_none(kind: pa.DataType) -> None:
    with pytest.raises(UsageError, match="folders are named after"):
        Layout(partition_by=("c",)).check(pa.schema([("c", kind)]), where="here")


def test_texts_that_are_no_names_are_refused_without_the_text() -> None:
    layout = Layout(partition_by=("c",))
    with pytest.raises(DataError, match=r"a\.csv: .*300 characters") as long:
        list(layout.divided(pa.table({"c": ["secret" * 50]}), where="a.csv"))
    assert "secret" not in str(long.value)
    broken = pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff"))
    with pytest.raises(DataError, match="UTF-8"):
        list(layout.divided(pa.table({"c": broken}), where="a.csv"))


@pytest.mark.parametrize("part", ["a.parquet", "day=1/a.b.csv.gz", "sub/x-00001.jsonl", "plain", ".a.csv"])
@pytest.mark.parametrize("layout", [Layout(rows_per_file=2), Layout(partition_by=("c", ".d e"))])
def test_a_file_tells_its_part(part: str, layout: Layout) -> None:
    folder = "c=1/%2Ed e=__HIVE_DEFAULT_PARTITION__" if layout.partition_by else ""
    for number in (0, 7, 99_999):
        name = layout.file(part, folder, number)
        assert layout.part_of(name) == part
        assert PurePosixPath(name).suffix == PurePosixPath(part).suffix
    assert layout.part_of("sub/another.parquet") is None


def test_both_layouts_in_one_name() -> None:
    layout = Layout(rows_per_file=2, partition_by=("c",))
    assert layout.file("day=1/a.csv.gz", "c=x", 12) == "day=1/c=x/a-00012.csv.gz"
    with pytest.raises(DataError, match="100,000 files"):
        layout.file("a.csv", "c=x", 100_000)
    with pytest.raises(UsageError, match="already"):
        layout.refuse_parts(["c=1/a.csv"])


@pytest.mark.parametrize("values", [pa.string_view(), pa.large_string(), pa.string()])
def test_dictionaries_of_any_texts_name_folders(values: pa.DataType) -> None:
    coded = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 0], pa.uint32()), pa.array(["a", "b"]).cast(values))
    found = folders(Layout(partition_by=("c",)), pa.table({"c": coded, "row": range(4)}))
    assert found == {"c=a": [0, 3], "c=b": [1], "c=__HIVE_DEFAULT_PARTITION__": [2]}


def test_a_date_that_no_calendar_has_names_no_folder() -> None:
    table = pa.table({"c": pa.array([3_000_000], pa.int32()).cast(pa.date32())})
    with pytest.raises(DataError, match=r"a\.csv: column 'c': .*names no folder"):
        list(Layout(partition_by=("c",)).divided(table, where="a.csv"))
