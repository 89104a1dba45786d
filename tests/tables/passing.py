"""One file through reader and sink, and whether its columns came out as pyarrow reads them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from scorer.config import FileFormat
from scorer.errors import DataError
from scorer.tables.dialect import Dialect
from scorer.tables.formats.registry import format_named
from scorer.tables.sink import open_sink
from scorer.tables.source import Source

OUTPUTS: tuple[FileFormat, ...] = ("parquet", "arrow", "csv", "jsonl")


def pass_through(path: Path, kind: FileFormat, out: FileFormat, folder: Path) -> str:
    """Write the rows of `path`, a file of `kind`, as `out` into `folder`, as a score job does. Why the file is refused,
    or "" after its columns were compared with pyarrow's own reading of it; any other error is raised.

    Nothing is written of a column that cannot be written: that is said first.
    """
    target = folder / f"out.{out}"
    try:
        reader = Source.open(str(path), dialect=Dialect(format=kind)).read()
        format = format_named(out)
        format.check_schema(reader.schema)

        def windows() -> Iterator[pa.Table]:
            return reader.windows(max_rows=65_536, max_bytes=1 << 26)

        format.check_rows(reader, windows)
        sink = open_sink(target, format=out, schema=reader.schema)
        try:
            for window in windows():
                sink.write(window)
        except BaseException:
            sink.abort()
            raise
        sink.close({})
    except DataError as error:
        return str(error).replace(str(path), "FILE")
    if out in ("parquet", "arrow"):
        assert_same(own_reading(target, out), own_reading(path, kind), types=out == "arrow")
    return ""


def own_reading(path: Path, kind: FileFormat) -> pa.Table:
    """The rows of `path` as pyarrow reads them."""
    if kind == "parquet":
        file = pq.ParquetFile(path, page_checksum_verification=True)
        groups = [file.read_row_group(place) for place in range(file.num_row_groups)]
        return pa.concat_tables(groups) if groups else file.read()
    with pa.OSFile(str(path)) as source:
        if path.read_bytes().startswith(b"ARROW1"):
            reader = pa.ipc.open_file(source)
            batches = [reader.get_batch(place) for place in range(reader.num_record_batches)]
        else:
            reader = pa.ipc.open_stream(source)
            batches = list(reader)
        return pa.Table.from_batches(batches, schema=reader.schema)


def assert_same(found: pa.Table, expected: pa.Table, *, types: bool) -> None:
    """The columns of both have the same names, values and, with `types`, types and metadata."""
    assert found.column_names == expected.column_names
    if types:
        assert found.schema.types == expected.schema.types
        assert [field.metadata or {} for field in found.schema] == [field.metadata or {} for field in expected.schema]
        assert [field.nullable for field in found.schema] == [field.nullable for field in expected.schema]
    for name in expected.column_names:
        one, other = found[name], expected[name]
        # By their text where NaN or another index of a dictionary makes equal columns differ.
        same = one.type == other.type and not pa.types.is_dictionary(one.type) and one.equals(other)
        assert same or repr(one.to_pylist()) == repr(other.to_pylist()), f"{name}: {other.type} came out otherwise"
