"""JSON lines: strict, typed over the whole file, located errors."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scorer.errors import ConfigError, DataError, UsageError
from scorer.examples.example_columns import is_label
from scorer.tables.formats.jsonl import MOST_COLUMNS
from scorer.tables.rejects import Rejects
from scorer.tables.sink import open_sink
from scorer.tables.source import Source


def write(folder: Path, content: str | bytes, name: str = "in.jsonl") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path, *text_columns: str) -> pa.Table:
    reader = Source.open(str(path)).read(text_columns)
    table = pa.concat_tables(reader.windows(max_rows=1000, max_bytes=1 << 20))
    assert reader.rows == table.num_rows
    assert table.schema.equals(reader.schema)
    return table


def refusal(path: Path, *text_columns: str) -> str:
    with pytest.raises(DataError) as caught:
        read(path, *text_columns)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_types_and_missing_keys(tmp_path: Path) -> None:
    content = '{"a": 1, "t": "2024-05-01"}\n\n{"t": "x", "a": 2.5, "b": [1]}\r\n{"n": null, "s": {"k": true}}'
    table = read(write(tmp_path, content))
    assert table.to_pylist() == [
        {"a": 1.0, "t": "2024-05-01", "b": None, "n": None, "s": None},
        {"a": 2.5, "t": "x", "b": [1], "n": None, "s": None},
        {"a": None, "t": None, "b": None, "n": None, "s": {"k": True}},
    ]
    kinds = [pa.float64(), pa.string(), pa.list_(pa.int64()), pa.string(), pa.struct([("k", pa.bool_())])]
    assert table.schema.types == kinds


def test_types_unify_over_the_whole_file(tmp_path: Path) -> None:
    lines = ['{"a": 1, "s": {"x": null, "y": "v"}, "l": []}\n'] * 40_000
    lines += ['{"a": 0.5, "s": {"y": "z", "x": 1}, "l": ["q"]}\n']
    table = read(write(tmp_path, "".join(lines)))
    kinds = [pa.float64(), pa.struct([("x", pa.int64()), ("y", pa.string())]), pa.list_(pa.string())]
    assert table.schema.types == kinds
    assert table.num_rows == 40_001
    assert table["s"][-1].as_py() == {"x": 1, "y": "z"}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"a": 1}', '{"a": "x"}'], "line 2: column 'a' is text here and a number before"),
        (['{"a": 1}', "", '{"a": true}'], "line 3: column 'a' is true or false here and a number before"),
        (['{"a": [1]}', '{"a": 1}'], "line 2: column 'a' is a number here and a list before"),
        (['{"a": {}}', '{"a": 1e400}'], "line 2: column 'a' is a number here and an object before"),
        (['{"a": "\\ud800"}'], "line 1: a text with an unpaired surrogate"),
        (['{"a": {"b": ["\\uDFff x"]}}'], "line 1: a text with an unpaired surrogate"),
        (['{"a": 1}', '{"a": 1'], "line 2: not JSON at character 8"),
        (['{"a": 1} {"a": 2}'], "line 1: not JSON at character 10"),
        (['{"a": 1}', "[1]"], "line 2: a list instead of an object"),
        (['{"a": 1}', "1.5"], "line 2: a number instead of an object"),
        (['{"a": NaN}'], "line 1: NaN is not JSON"),
        (['{"a": -Infinity}'], "line 1: -Infinity is not JSON"),
        (['{"a": 1, "a": 2}'], "line 1: a key stands twice"),
        (['{"a": 1}', '{"a": ' + "[" * 100_000], "line 2: nested too deeply"),
    ],
)
def test_malformed_lines_are_refused(tmp_path: Path, lines: list[str], message: str) -> None:
    assert message in refusal(write(tmp_path, "\n".join(lines)))


def test_line_numbers_and_offsets_count_over_chunks(tmp_path: Path) -> None:
    many = b'{"a": "filling"}\n' * 80_000
    assert "line 80001: not JSON" in refusal(write(tmp_path, many + b"{\n"))
    assert f"byte {len(many) + 7} is not UTF-8" in refusal(write(tmp_path, many + b'{"a": "\xff"}\n'))


def test_a_byte_order_mark_is_passed_over_and_offsets_count_it(tmp_path: Path) -> None:
    assert read(write(tmp_path, b'\xef\xbb\xbf{"a": 1}\n')).to_pylist() == [{"a": 1}]
    assert "byte 10 is not UTF-8" in refusal(write(tmp_path, b'\xef\xbb\xbf{"a": "\xff"}\n'))


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    assert "empty" in refusal(write(tmp_path, b""))
    assert "expected jsonl" in refusal(write(tmp_path, b"\n\n"))


def test_text_columns(tmp_path: Path) -> None:
    path = write(tmp_path, '{"text": "x", "n": 1, "void": null}\n')
    assert read(path, "text", "void").to_pylist() == [{"text": "x", "n": 1, "void": None}]
    with pytest.raises(UsageError, match="did you mean 'text'"):
        read(path, "txt")
    assert read(path, "n").to_pylist() == [{"text": "x", "n": "1", "void": None}]
    typed = Source.open(str(path)).read()
    assert typed.with_texts(["n"]) is None
    assert typed.with_texts(["text"]) is not None


def test_compressed_and_named_ndjson(tmp_path: Path) -> None:
    assert read(write(tmp_path, gzip.compress(b'{"a": 1}\n'), "in.ndjson.gz")).to_pylist() == [{"a": 1}]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-0"], pa.int64()),
        (["18446744073709551615", "0"], pa.uint64()),
        (["18446744073709551615", "-1"], pa.json_()),
        (["18446744073709551616"], pa.json_()),
        (["9007199254740993", "0.5"], pa.json_()),
        (["9007199254740992", "0.5"], pa.float64()),
        (["1e400"], pa.json_()),
        (["-1e400", "1"], pa.json_()),
        (["1e-400"], pa.json_()),
        (["1e99999999999999999999"], pa.json_()),
        (["0.1000", "1e5", "-0.0", "1E+2"], pa.float64()),
        (["0.10000000000000000555"], pa.float64()),
        (["0.1234567890123456789012345"], pa.json_()),
        ([f"0.{'1' * 5000}"], pa.json_()),
        ([f"1{'0' * 400}.0"], pa.json_()),
        (["[]", "[1, null]"], pa.list_(pa.int64())),
        (["[]"], pa.list_(pa.null())),
        (['[1, "x"]'], pa.json_()),
        (["[1e400]"], pa.json_()),
        (['[{"a": 1}, {"b": 1}]'], pa.json_()),
        (['[{"a": 1}]', '[{"a": 2}]'], pa.list_(pa.struct([("a", pa.int64())]))),
        (["{}"], pa.json_()),
        (['{"a": {}}'], pa.json_()),
        (['{"a": 1}', '{"b": 1}'], pa.json_()),
        (['{"a": 1}', '{"a": 1, "b": null}'], pa.json_()),
        (['{"a": 1}', '{"a": "x"}'], pa.json_()),
        (['{"a": 1, "b": 2}', "null", '{"b": 3, "a": 4}'], pa.struct([("a", pa.int64()), ("b", pa.int64())])),
        (["[" * 40 + "]" * 40], pa.json_()),
    ],
)
def test_a_column_has_a_type_that_holds_every_value_or_is_json_text(
    tmp_path: Path, values: list[str], kind: pa.DataType
) -> None:
    path = write(tmp_path, "".join(f'{{"t": "x" , "v" :{value} , "w": "}}"}}\n' for value in values))
    reader = Source.open(str(path)).read(["t"])
    assert reader.schema.field("v").type == kind
    table = pa.concat_tables(reader.windows(max_rows=1000, max_bytes=1 << 20))
    if kind != pa.json_():
        assert reader.warnings == ()
        assert table["v"].to_pylist() == [json.loads(value) for value in values]
        return
    (warning,) = reader.warnings
    assert "'v': no type holds every value exactly" in warning
    spelt = [None if value == "null" else value for value in values]
    assert table["v"].combine_chunks().storage.to_pylist() == spelt
    for format in ("parquet", "arrow", "csv", "jsonl"):
        sink = open_sink(tmp_path / f"out.{format}", format=format, schema=table.schema)
        sink.write(table)
        sink.close({})
    assert pq.read_table(tmp_path / "out.parquet")["v"].combine_chunks().storage.to_pylist() == spelt
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert lines == [f'{{"t":"x","v":{value},"w":"}}"}}' for value in values]


def test_json_text_is_neither_text_nor_a_label(tmp_path: Path) -> None:
    path = write(tmp_path, '{"text": [1, "a"], "label": {"a": 1}}\n{"text": ["b"], "label": {}}\n')
    with pytest.raises(ConfigError, match="column 'text' is extension"):
        read(path, "text")
    assert not is_label(read(path).schema.field("label").type)


def as_lines(path: Path, out: Path, *text_columns: str, rejects: Rejects | None = None) -> list[str]:
    """`path` through the reader of whole lines and the sink of JSON lines, with a column `n` added to each row."""
    source = Source.open(str(path), rejects=rejects)
    reader = source.read(text_columns, appended=("n",))
    sink = open_sink(out, format="jsonl", schema=reader.schema.append(pa.field("n", pa.int64())))
    rows = 0
    for window in reader.windows(max_rows=7, max_bytes=1 << 20):
        assert [window[name].null_count == len(window) for name in text_columns] == [False] * len(text_columns)
        numbers = pa.array(range(rows, rows + window.num_rows))
        sink.write(window.append_column(pa.field("n", pa.int64()), numbers))
        rows += window.num_rows
    sink.close({})
    assert rows == reader.rows
    return out.read_text(encoding="utf-8").split("\n")[:-1]


ODD_LINES = [
    '{"t":"x"}',
    '{"t": "caf\\u00e9 \U0001f600", "a": {"z": 1, "b": []}, "l": [{"a": 1}, {"b": null}, "x"]}',
    '{"only": [{}]  }',
    "{}",
    '{ "t" : null , "n1": 1e400, "n2": 18446744073709551616, "n3": 0.1000, "n4": -0, "n5": 1.0, "n6": 1E+5 }',
    '{"n1": "now text", "n2": {"and": "an object"}, "t": "y"}',
    '{"line": 5, "t": "}"}',
]


@pytest.mark.parametrize("lenient", [False, True])
def test_for_json_lines_each_line_stays_as_it_is(tmp_path: Path, lenient: bool) -> None:
    path = write(tmp_path, "\ufeff" + "\r\n  \n".join(ODD_LINES))
    rejects = Rejects(tmp_path / "rejects.jsonl") if lenient else None
    found = as_lines(path, tmp_path / "out.jsonl", "t", rejects=rejects)
    for number, (before, after) in enumerate(zip(ODD_LINES, found, strict=True)):
        begin = before.removesuffix("}").rstrip()
        comma = "" if begin == "{" else ","
        assert after == f'{begin}{comma}"n":{number}}}'
        keys = list(json.loads(before))
        assert list(json.loads(after)) == [*keys, "n"]


def test_lines_with_a_key_of_an_appended_column_are_told_of_however_many_keys_there_are(tmp_path: Path) -> None:
    content = "".join(f'{{"t": "x", "k{number}": 1}}\n' for number in range(MOST_COLUMNS + 5))
    reader = Source.open(str(write(tmp_path, content + '{"t": "x", "n": 1}\n'))).read(["t"], appended=("n",))
    assert "n" in reader.names
    assert len(reader.names) == MOST_COLUMNS + 1


def test_memory_and_output_grow_with_the_input_when_every_line_has_keys_of_its_own(tmp_path: Path) -> None:
    lines = [f'{{"t": "x", "o": {{"key{number:06d}": {number}}}}}' for number in range(30_000)]
    path = write(tmp_path, "\n".join(lines))
    before = pa.total_allocated_bytes()
    table = read(path, "t")
    assert table.schema.field("o").type == pa.json_()
    assert pa.total_allocated_bytes() - before < 4 * path.stat().st_size
    del table
    found = as_lines(path, tmp_path / "out.jsonl", "t")
    assert len(found) == len(lines)
    assert (tmp_path / "out.jsonl").stat().st_size < 2 * path.stat().st_size


@pytest.mark.parametrize(("rows", "refused"), [(100, False), (300, True), (MOST_COLUMNS + 1, True)])
def test_a_table_of_hardly_anything_but_nulls_is_refused(tmp_path: Path, rows: int, refused: bool) -> None:
    path = write(tmp_path, "".join(f'{{"t": "x", "key{number}": {number}}}\n' for number in range(rows)))
    if not refused:
        assert read(path, "t").num_columns == rows + 1
        return
    assert "different keys" in (told := refusal(path, "t"))
    assert "JSON lines" in told
    assert len(as_lines(path, tmp_path / "out.jsonl", "t")) == rows


def test_a_wide_table_whose_lines_have_every_key_is_no_trouble(tmp_path: Path) -> None:
    row = {f"c{number}": number for number in range(2000)}
    table = read(write(tmp_path, f"{json.dumps(row)}\n" * 600))
    assert (table.num_columns, table.num_rows) == (2000, 600)


JSON_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "i": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
            "f": st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
            "t": st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=5)),
            "l": st.one_of(st.none(), st.lists(st.booleans(), max_size=3)),
            "s": st.fixed_dictionaries({"k": st.text('ab\u4e2d\n"\\', max_size=3)}),
        }
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JSON_ROWS, st.booleans())
def test_rows_survive_reading_and_writing(tmp_path: Path, rows: list[dict[str, Any]], ascii_only: bool) -> None:
    path = write(tmp_path, "".join(json.dumps(row, ensure_ascii=ascii_only) + "\n" for row in rows))
    table = read(path)
    assert table.to_pylist() == rows
    out = tmp_path / "out.jsonl"
    sink = open_sink(out, format="jsonl", schema=table.schema)
    sink.write(table)
    sink.close({})
    assert [json.loads(line) for line in out.read_text(encoding="utf-8").split("\n")[:-1]] == rows
