"""Columns from the names of folders, and what lies beside the files that are read."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scorer.errors import DataError, InputMissing
from scorer.tables.dialect import Dialect
from scorer.tables.sink import open_sink
from scorer.tables.source import Source

FORMATS = ["parquet", "csv", "tsv", "jsonl", "arrow"]


def put(path: Path, rows: list[dict[str, Any]]) -> None:
    """`rows`, or none with a column t, as a file in the format of the ending of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows) if rows else pa.table({"t": pa.array([], pa.string())})
    sink = open_sink(path, format=path.suffix[1:], schema=table.schema)  # type: ignore[arg-type]
    sink.write(table)
    sink.close({})


def read(location: Path | str, *text_columns: str) -> pa.Table:
    source = Source.open(str(location))
    reader = source.read(text_columns)
    assert reader.names == tuple(reader.schema.names) == source.names
    windows = reader.windows(max_rows=3, max_bytes=1 << 20)
    table = pa.concat_tables([reader.schema.empty_table(), *windows])
    assert table.schema.equals(reader.schema)
    table.validate(full=True)
    return table


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["1", "2", "10"], pa.int64(), [1, 10, 2]),
        (["01", "2"], pa.string(), ["01", "2"]),
        (["1", "__HIVE_DEFAULT_PARTITION__"], pa.int64(), [1, None]),
        (["__HIVE_DEFAULT_PARTITION__"], pa.string(), [None]),
        (["a%2Fb", "caf%C3%A9%20x", "100%25"], pa.string(), ["100%", "a/b", "caf\u00e9 x"]),
        (["true", "false"], pa.bool_(), [False, True]),
        (["0.5", "1.0"], pa.float64(), [0.5, 1.0]),
        (["2024-01-02"], pa.string(), ["2024-01-02"]),
        (["", "1"], pa.string(), ["", "1"]),
        (["a=b"], pa.string(), ["a=b"]),
        (["9223372036854775808"], pa.string(), ["9223372036854775808"]),
    ],
)
def test_a_partition_is_a_column_whose_values_survive(
    tmp_path: Path, format: str, values: list[str], kind: pa.DataType, expected: list[Any]
) -> None:
    for value in values:
        put(tmp_path / "hive" / f"day={value}" / f"x.{format}", [{"t": "one"}, {"t": "two"}])
    for location in (tmp_path / "hive", tmp_path / "hive" / "day=*" / f"*.{format}"):
        table = read(location, "t")
        assert table.schema.names == ["t", "day"]
        assert table.schema.field("day").type == kind
        assert table["day"].to_pylist() == [value for value in expected for _ in range(2)]


def test_nested_partitions_come_in_the_order_of_their_folders(tmp_path: Path) -> None:
    for year in (2023, 2024):
        for lang in ("de", "en"):
            put(tmp_path / f"year={year}" / "raw" / f"_lang={lang}" / "x.parquet", [{"t": f"{year} {lang}"}])
    table = read(tmp_path, "t")
    assert table.to_pylist() == [
        {"t": f"{year} {lang}", "year": year, "_lang": lang} for year in (2023, 2024) for lang in ("de", "en")
    ]
    # What is before the first wildcard is where the tables lies, and not in it.
    assert read(f"{tmp_path}/year=2024/**/*.parquet").schema.names == ["t", "_lang"]
    assert read(tmp_path / "year=2024" / "raw" / "_lang=en" / "x.parquet").schema.names == ["t"]


def test_empty_partitions(tmp_path: Path) -> None:
    put(tmp_path / "day=1" / "x.csv", [])
    put(tmp_path / "day=2" / "x.csv", [{"t": "a"}])
    (tmp_path / "day=x").mkdir()
    assert read(tmp_path, "t").to_pylist() == [{"t": "a", "day": 2}]


@pytest.mark.parametrize(
    "names", [("x.csv", "day=1/x.csv"), ("day=1/x.csv", "day=1/h=2/x.csv"), ("a=1/b=1/x.csv", "b=1/a=1/x.csv")]
)
def test_partitions_of_other_names_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        put(tmp_path / name, [{"t": "a"}])
    with pytest.raises(DataError, match="lies in the partitions"):
        Source.open(str(tmp_path))


@pytest.mark.parametrize("names", ["a=1/a=2/x.csv", "a=%FF/x.csv"])
def test_partitions_that_contradict_themselves_are_refused(tmp_path: Path, names: str) -> None:
    put(tmp_path / names, [{"t": "a"}])
    with pytest.raises(DataError, match="rename"):
        Source.open(str(tmp_path))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("folder", "value", "same"),
    [
        ("1", 1, True),
        ("01", 1, True),
        ("2", 1, False),
        ("x", 1, False),
        ("x", "x", True),
        ("__HIVE_DEFAULT_PARTITION__", None, True),
        ("__HIVE_DEFAULT_PARTITION__", "x", False),
        ("x", None, False),
        ("1", 1.0, True),
        ("true", True, True),
    ],
)
def test_a_column_that_the_files_have_too_must_say_the_same(
    tmp_path: Path, format: str, folder: str, value: Any, same: bool
) -> None:
    put(tmp_path / f"day={folder}" / f"x.{format}", [{"day": value, "t": "a"}, {"day": value, "t": "b"}])
    if same:
        assert read(tmp_path, "t").to_pylist() == [{"day": value, "t": "a"}, {"day": value, "t": "b"}]
        return
    with pytest.raises(DataError, match="column 'day' of the file says something else than the folder"):
        read(tmp_path, "t")


def test_lines_of_json_get_what_they_lack_and_keep_what_they_have(tmp_path: Path) -> None:
    put(tmp_path / "day=1" / "x.jsonl", [{"t": "a"}])
    source = Source.open(str(tmp_path))
    for own in ("", ', "day": 1'):
        (tmp_path / "day=1" / "x.jsonl").write_text(f'{{"t": "a"{own}}}\n')
        reader = Source.open(str(tmp_path)).read(["t"], appended=("n",))
        out = tmp_path.parent / "out.jsonl"
        sink = open_sink(out, format="jsonl", schema=reader.schema.append(pa.field("n", pa.int64())))
        for window in reader.windows(max_rows=3, max_bytes=100):
            sink.write(window.append_column("n", pa.array([0] * len(window))))
        sink.close({})
        assert json.loads(out.read_text()) == {"t": "a", "day": 1, "n": 0}
        assert reader.names == ("t", "day")
    (tmp_path / "day=1" / "x.jsonl").write_text('{"t": "a", "day": 1}\n{"t": "b"}\n')
    with pytest.raises(DataError, match="something else"):
        list(Source.open(str(tmp_path)).read(["t"], appended=("n",)).windows(max_rows=3, max_bytes=100))
    assert source.names == ("t", "day")


@pytest.mark.parametrize("name", ["x.jsonl", "x.ndjson.gz", "x.json"])
@pytest.mark.parametrize("having", ["1", "2"])
def test_lines_of_json_get_from_the_folder_what_other_files_have_themselves(
    tmp_path: Path, name: str, having: str
) -> None:
    def put_lines(day: str, text: str) -> None:
        path = tmp_path / "in" / f"day={day}" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())

    for day in ("1", "2", "3", "__HIVE_DEFAULT_PARTITION__"):
        own = f', "day": {day} ' if day == having else ""
        put_lines(day, f'{{"t": "{day[0]}", "x": 1e400{own}}}\n{{"t": null{own}}}\n')
    days = [1, 1, 2, 2, 3, 3, None, None]
    assert read(tmp_path / "in", "t")["day"].to_pylist() == days
    if name == "x.json":
        return
    reader = Source.open(str(tmp_path / "in")).read(["t"], appended=("n",))
    out = tmp_path / "out.jsonl"
    sink = open_sink(out, format="jsonl", schema=reader.schema.append(pa.field("n", pa.int64())))
    (window,) = reader.windows(max_rows=9, max_bytes=100)
    assert window["day"].to_pylist() == days
    sink.write(window.append_column("n", pa.array(range(8))))
    sink.close({})
    lines = out.read_text().splitlines()
    assert [json.loads(line, parse_float=str) for line in lines] == [
        {"t": (str(day) if day else "_") if row % 2 == 0 else None}
        | ({"x": "1e400"} if row % 2 == 0 else {})
        | {"day": day, "n": row}
        for row, day in enumerate(days)
    ]
    assert lines[4] == '{"t": "3", "x": 1e400,"day":3,"n":4}'
    assert lines[2 * int(having) - 1] == f'{{"t": null, "day": {having},"n":{2 * int(having) - 1}}}'


def test_a_folder_whose_value_does_not_suit_the_values_of_other_lines(tmp_path: Path) -> None:
    put(tmp_path / "day=1" / "x.jsonl", [{"t": "a", "day": 1}])
    put(tmp_path / "day=new" / "x.jsonl", [{"t": "a"}])
    for appended in (None, ("n",)):
        reader = Source.open(str(tmp_path)).read(["t"], appended=appended)
        with pytest.raises(DataError, match=r"day=new.*: its folder says the column 'day', and not as the int64"):
            list(reader.windows(max_rows=9, max_bytes=100))


def test_a_partition_may_hold_the_texts(tmp_path: Path) -> None:
    put(tmp_path / "day=1" / "x.csv", [{"t": "a"}])
    table = read(tmp_path, "day", "t")
    assert table.to_pylist() == [{"t": "a", "day": "1"}]


def test_a_moved_partition_is_another_input(tmp_path: Path) -> None:
    put(tmp_path / "day=1" / "x.csv", [{"t": "a"}])
    before = Source.open(str(tmp_path)).fingerprint()
    assert Source.open(str(tmp_path)).fingerprint() == before
    (tmp_path / "day=1").rename(tmp_path / "day=2")
    assert Source.open(str(tmp_path)).fingerprint() != before


# What is not read.


def test_what_is_not_read_is_named(tmp_path: Path) -> None:
    put(tmp_path / "a.csv", [{"t": "a"}])
    (tmp_path / "sub").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("b.json", "c.csv.bz2", "d.xz", "sub/part-00000", "_SUCCESS", ".x.crc"):
        (tmp_path / name).write_text("{}")
    unread = Source.open(str(tmp_path)).unread
    assert unread.names == ("b.json", "c.csv.bz2", "d.xz", "link/", "sub/part-00000")
    assert unread.as_dict() == {"count": 5, "first": list(unread.names)}
    (warning,) = unread.warnings()
    assert "5 entries are not read" in warning
    assert "b.json, c.csv.bz2" in warning
    (tmp_path / "e.txt").write_text("")
    (warning,) = Source.open(str(tmp_path)).unread.warnings()
    assert warning.count(".") < 20
    assert "and 1 more" in warning
    assert Source.open(str(tmp_path / "a.csv")).unread.warnings() == ()


def test_a_folder_that_a_glob_matches_is_not_read(tmp_path: Path) -> None:
    put(tmp_path / "a.csv", [{"t": "a"}])
    put(tmp_path / "sub" / "b.csv", [{"t": "a"}])
    unread = Source.open(str(tmp_path / "*")).unread
    assert [Path(name).name for name in unread.names] == ["sub"]
    assert Source.open(str(tmp_path / "**" / "*")).unread.names == ()


def test_a_folder_without_data_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "part-00000").write_text("x")
    with pytest.raises(InputMissing, match="there are 1 other files, such as part-00000"):
        Source.open(str(tmp_path))
    pq.write_table(pa.table({"t": ["a"]}), tmp_path / "part-00000")
    assert read(tmp_path / "part-00000").num_rows == 1
    assert Source.open(str(tmp_path), dialect=Dialect(format="parquet")).files == (tmp_path / "part-00000",)


# Links.


@pytest.mark.parametrize("location", ["", "*.csv", "**/*.csv"])
def test_a_link_to_a_file_that_is_read_anyway_is_not_read_again(location: str, tmp_path: Path) -> None:
    put(tmp_path / "real" / "a.csv", [{"t": "a"}])
    put(tmp_path / "real" / "b.csv", [{"t": "b"}])
    (tmp_path / "real" / "latest.csv").symlink_to("b.csv")
    (tmp_path / "named").symlink_to("real")  # a link on the way to all of them changes nothing
    source = Source.open(str(tmp_path / "named" / location))
    assert [path.name for path in source.files] == ["a.csv", "b.csv"]
    (warning,) = source.unread.warnings()
    assert "latest.csv: not read a second time, being a link" in warning
    assert source.unread.as_dict()["count"] == 1
    assert read(tmp_path / "named")["t"].to_pylist() == ["a", "b"]


def test_a_pattern_does_not_go_round_in_circles(tmp_path: Path) -> None:
    put(tmp_path / "day=1" / "a.csv", [{"t": "a"}])
    put(tmp_path / "day=2" / "b.csv", [{"t": "b"}])
    (tmp_path / "day=latest").symlink_to("day=2")
    (tmp_path / "loop").symlink_to(".")
    for pattern in ("day=*/*.csv", "**/*.csv"):
        source = Source.open(str(tmp_path / pattern))
        assert source.files == (tmp_path / "day=1" / "a.csv", tmp_path / "day=2" / "b.csv")
        assert source.read(()).schema.field("day").type == pa.int64()


def test_links_to_files_elsewhere_are_read(tmp_path: Path) -> None:
    put(tmp_path / "store" / "x.csv", [{"t": "a"}])
    for name in ("a.csv", "b.csv"):  # what a cache of the hub looks like, where two files are equal
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / name).symlink_to(tmp_path / "store" / "x.csv")
    assert read(tmp_path / "in")["t"].to_pylist() == ["a", "a"]
    assert Source.open(str(tmp_path / "in")).unread.warnings() == ()


@pytest.mark.parametrize("name", ["csv", "jsonl"])
def test_parts_of_0_bytes_are_passed_over_and_told(tmp_path: Path, name: str) -> None:
    content = "t,n\na,1\n" if name == "csv" else '{"t": "a", "n": 1}\n'
    for number, data in enumerate(["", content, "", content]):
        (tmp_path / f"part-{number}.{name}").write_text(data)
    source = Source.open(str(tmp_path))
    assert [path.name for path in source.files] == [f"part-1.{name}", f"part-3.{name}"]
    assert source.read(["t"]).rows == 2
    (warning,) = source.unread.warnings()
    assert "part-0" in warning
    assert "0 bytes" in warning
    assert source.unread.as_dict()["count"] == 2
    (tmp_path / f"part-1.{name}").write_text("")
    (tmp_path / f"part-3.{name}").write_text("")
    with pytest.raises(DataError, match="the file is empty"):
        Source.open(str(tmp_path))
