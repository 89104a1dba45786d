"""JSON lines: strict, typed over the whole file, located errors."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scorer.errors import ConfigError, DataError, UsageError
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
    lines = ['{"a": 1, "s": {"x": null}, "l": []}\n'] * 40_000 + ['{"a": 0.5, "s": {"x": 1, "y": "z"}, "l": ["q"]}\n']
    table = read(write(tmp_path, "".join(lines)))
    kinds = [pa.float64(), pa.struct([("x", pa.int64()), ("y", pa.string())]), pa.list_(pa.string())]
    assert table.schema.types == kinds
    assert table.num_rows == 40_001
    assert table["s"][-1].as_py() == {"x": 1, "y": "z"}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"a": 1}', '{"a": "x"}'], "line 2: column 'a' is string here and int64 before"),
        (['{"a": 1}', "", '{"a": true}'], "line 3: column 'a' is bool here and int64 before"),
        (['{"a": [1]}', '{"a": 1}'], "line 2: column 'a'"),
        (['{"a": {"b": 1}}', '{"a": {"b": "c"}}'], "line 2: column 'a'"),
        (['{"a": 9223372036854775808}'], "line 1: column 'a': an integer beyond 64 bits"),
        (['{"a": 9007199254740993}', '{"a": 0.5}'], "column 'a'"),
        (['{"a": "\\ud800"}'], "line 1: column 'a': a text with an unpaired surrogate"),
        (['{"a": 1}', '{"a": 1'], "line 2: not JSON at character 8"),
        (['{"a": 1} {"a": 2}'], "line 1: not JSON at character 10"),
        (['{"a": 1}', "[1]"], "line 2: list instead of an object"),
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
    with pytest.raises(ConfigError, match="column 'n' is int64"):
        read(path, "n")


def test_compressed_and_named_ndjson(tmp_path: Path) -> None:
    assert read(write(tmp_path, gzip.compress(b'{"a": 1}\n'), "in.ndjson.gz")).to_pylist() == [{"a": 1}]


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
