"""Arrow files and streams in."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from scorer.errors import ConfigError, DataError
from scorer.tables.source import Source

TABLE = pa.table({"text": [f"text {index}" for index in range(20_000)], "n": range(20_000)})


def write(path: Path, *, stream: bool) -> None:
    make = pa.ipc.new_stream if stream else pa.ipc.new_file
    with make(path, TABLE.schema) as writer:
        writer.write_table(TABLE.slice(0, 15_000))
        writer.write_table(TABLE.slice(15_000))


@pytest.mark.parametrize("stream", [False, True])
def test_files_and_streams(tmp_path: Path, stream: bool) -> None:
    path = tmp_path / "in.arrow"
    write(path, stream=stream)
    source = Source.open(str(path))
    assert source.rows == (None if stream else 20_000)
    windows = list(source.read(["text"]).windows(max_rows=6000, max_bytes=1 << 20, limit=14_000))
    assert [window.num_rows for window in windows] == [6000, 6000, 2000]
    assert pa.concat_tables(windows).equals(TABLE.slice(0, 14_000))
    with pytest.raises(ConfigError, match="'n' is int64"):
        source.read(["n"])


@pytest.mark.parametrize("stream", [False, True])
def test_truncated_ones_are_refused(tmp_path: Path, stream: bool) -> None:
    path = tmp_path / "in.arrow"
    write(path, stream=stream)
    whole = path.read_bytes()
    for size in (9, 200, len(whole) // 2):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"in\.arrow"):
            list(Source.open(str(path)).read().windows(max_rows=6000, max_bytes=1 << 20))


def test_dictionaries_replaced_within_a_stream(tmp_path: Path) -> None:
    path = tmp_path / "in.arrow"
    tables = [pa.table({"text": pa.array(values).dictionary_encode()}) for values in (["a", "b"], ["c", "a"])]
    with pa.ipc.new_stream(path, tables[0].schema) as writer:
        for table in tables:
            writer.write_table(table)
    (window,) = Source.open(str(path)).read(["text"]).windows(max_rows=10, max_bytes=100)
    assert window["text"].to_pylist() == ["a", "b", "c", "a"]
