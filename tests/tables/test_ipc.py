"""Arrow files and streams in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from scorer.errors import ConfigError, DataError
from scorer.tables.formats.registry import sniff
from scorer.tables.source import Source
from tests.tables.growth import growth_by_reading

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
    ends = [at for at in range(8, len(whole), 8) if whole[at : at + 4] == b"\xff\xff\xff\xff"]
    assert len(ends) >= 3
    for size in (9, 200, len(whole) // 2, len(whole) - 8, *ends):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"in\.arrow"):
            list(Source.open(str(path)).read().windows(max_rows=6000, max_bytes=1 << 20))


def test_what_follows_the_end_of_a_stream_is_not_lost_without_a_word(tmp_path: Path) -> None:
    path = tmp_path / "in.arrow"
    write(path, stream=True)
    path.write_bytes(2 * path.read_bytes())
    with pytest.raises(DataError, match=r"in\.arrow: more follows the end"):
        list(Source.open(str(path)).read().windows(max_rows=6000, max_bytes=1 << 20))


def test_dictionaries_replaced_within_a_stream(tmp_path: Path) -> None:
    path = tmp_path / "in.arrow"
    tables = [pa.table({"text": pa.array(values).dictionary_encode()}) for values in (["a", "b"], ["c", "a"])]
    with pa.ipc.new_stream(path, tables[0].schema) as writer:
        for table in tables:
            writer.write_table(table)
    (window,) = Source.open(str(path)).read(["text"]).windows(max_rows=10, max_bytes=100)
    assert window["text"].to_pylist() == ["a", "b", "c", "a"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_file_cut_short_while_it_is_read_is_refused(tmp_path: Path, stream: bool) -> None:
    path = tmp_path / "in.arrow"
    write(path, stream=stream)
    # In a process of its own: touching a memory map of a file that has become shorter kills (SIGBUS).
    program = """
import os, sys
from scorer.errors import DataError
from scorer.tables.formats.registry import sniff
from scorer.tables.source import Source
windows = Source.open(sys.argv[1]).read(["text"]).windows(max_rows=1000, max_bytes=1 << 20)
print(next(windows).num_rows)
os.truncate(sys.argv[1], 4096)
try:
    for window in windows:
        window.validate(full=True)
except DataError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    first, message = done.stdout.splitlines()
    assert first == "1000"
    assert "in.arrow: damaged Arrow data" in message


def test_memory_is_bounded_by_the_record_batch(tmp_path: Path) -> None:
    path = tmp_path / "in.arrow"
    batch = pa.record_batch({"text": ["x" * 1000] * 20_000})
    with pa.ipc.new_file(path, batch.schema) as writer:
        for _ in range(12):
            writer.write_batch(batch)
    rows, mib = growth_by_reading(path, max_rows=5000, max_bytes=8 << 20)
    assert rows == 240_000
    assert mib < 117  # 240 MB of text pass


def test_offsets_that_point_elsewhere_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.arrow"
    offsets = pa.py_buffer(np.array([0, 2, 1 << 30, 3], np.int32))
    wild = pa.Array.from_buffers(pa.string(), 3, [None, offsets, pa.py_buffer(b"abc")])
    batch = pa.RecordBatch.from_arrays([pa.array(["a", "b", "c"]), wild], ["text", "wild"])
    with pa.ipc.new_file(path, batch.schema) as writer:
        writer.write_batch(batch)
    with pytest.raises(DataError, match="damaged Arrow data"):
        list(Source.open(str(path)).read(["text"]).windows(max_rows=10, max_bytes=100))


def test_names_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.arrow"
    for schema in (
        pa.schema([("text", pa.string()), ("caf\u00e9", pa.int8())]),
        pa.schema([("text", pa.string()), ("s", pa.list_(pa.struct([("caf\u00e9", pa.int8())])))]),
    ):
        with pa.ipc.new_file(path, schema) as writer:
            writer.write_table(schema.empty_table())
        path.write_bytes(path.read_bytes().replace("\u00e9".encode(), b"\xe9\xe9"))
        with pytest.raises(DataError, match=r"in\.arrow: the name of column 2, or of a field in it, is not UTF-8"):
            Source.open(str(path))


def test_a_stream_of_before_arrow_0_15_is_read(tmp_path: Path) -> None:
    path = tmp_path / "in.arrow"
    options = pa.ipc.IpcWriteOptions(metadata_version=pa.ipc.MetadataVersion.V4, use_legacy_format=True)
    with pa.ipc.new_stream(path, TABLE.schema, options=options) as writer:
        writer.write_table(TABLE)
    whole = path.read_bytes()
    assert not whole.startswith(b"\xff")
    assert sniff(whole[:4096]) == "arrow"
    assert pa.concat_tables(Source.open(str(path)).read(["text"]).windows(max_rows=9000, max_bytes=1 << 20)) == TABLE
    for wrong, message in ((whole[:-4], "the stream has no end"), (whole + whole, "more follows the end")):
        path.write_bytes(wrong)
        with pytest.raises(DataError, match=message):
            list(Source.open(str(path)).read().windows(max_rows=9000, max_bytes=1 << 20))


@pytest.mark.parametrize(
    "first", [b"", b"\0" * 8, b"\1\0\0\0", b"id,text\n1,a\n", b"\x10\0\0\0\x04\0\0\0" + b"\xff" * 9]
)
def test_what_is_no_old_stream(first: bytes) -> None:
    assert sniff(first) != "arrow"


def test_a_value_that_its_type_does_not_allow_is_refused_by_its_column(tmp_path: Path) -> None:
    path = tmp_path / "in.arrow"
    wrong = pa.Array.from_buffers(pa.decimal128(3, 1), 1, [None, pa.py_buffer((12345).to_bytes(16, "little"))])
    batch = pa.record_batch([pa.array(["a"]), wrong], ["text", "price"])
    with pa.ipc.new_file(path, batch.schema) as writer:
        writer.write_batch(batch)
    with pytest.raises(DataError, match="column 'price' has a value that its type does not allow"):
        list(Source.open(str(path)).read(["text"]).windows(max_rows=10, max_bytes=100))
