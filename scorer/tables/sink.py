"""Tables out to a file or a stream, in any of the formats.

Owns the writers. They write to exactly the path or stream they are given, in order, one table after the other; that
the file appears atomically is the business of `stores.atomic`. Does not know what the columns mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from scorer.config import FileFormat
from scorer.tables.formats import Compression, compression_of
from scorer.tables.parquet import verify_footer
from scorer.tables.streams import Output
from scorer.tables.textsinks import DelimitedSink, JsonLinesSink


class Sink(Protocol):
    """Where tables go. After `close` everything is in the file; after `abort` what is there is worth nothing."""

    def write(self, table: pa.Table) -> None:
        """Append the rows of `table`, which has the sink's schema."""

    def close(self, metadata: Mapping[str, str]) -> None:
        """Finish the file; `metadata` goes into the footer of a Parquet file and nowhere in other formats."""

    def abort(self) -> None:
        """Stop writing and let go of the file."""


def open_sink(
    path: Path | BinaryIO, *, format: FileFormat, schema: pa.Schema, compression: Compression | None = None
) -> Sink:
    """A sink of tables of `schema` at `path`, or into an open binary stream, which stays open.

    Text formats are compressed as `compression` says, or else as the ending of a path does. Errors of the operating
    system become StorageError and its siblings, but for a closed pipe, which stays a BrokenPipeError.
    """
    if isinstance(path, Path):
        compression = compression or compression_of(path)
    output = Output(path)
    try:
        return _sink(output, format, schema, compression)
    except BaseException:
        output.abandon()
        raise


def _sink(output: Output, format: FileFormat, schema: pa.Schema, compression: Compression | None) -> Sink:
    if format == "parquet":
        return _ParquetSink(output, schema)
    if format == "arrow":
        return _ArrowSink(output, schema)
    if format == "jsonl":
        return JsonLinesSink(output, schema, compression)
    return DelimitedSink(output, schema, compression, delimiter="," if format == "csv" else "\t")


class _ParquetSink:
    """One row group a table, zstd, page checksums; the Arrow schema is kept, so that types come back as they were."""

    def __init__(self, output: Output, schema: pa.Schema) -> None:
        self._output = output
        self._rows = 0
        with output.errors():
            self._writer = pq.ParquetWriter(
                pa.PythonFile(output.watched, mode="w"),
                schema,
                compression="zstd",
                write_page_checksum=True,
                use_compliant_nested_type=False,  # it would rename the element of a list that has another name
            )

    def write(self, table: pa.Table) -> None:
        if table.num_rows:
            with self._output.errors():
                self._writer.write_table(table, row_group_size=table.num_rows)
            self._rows += table.num_rows

    def close(self, metadata: Mapping[str, str]) -> None:
        with self._output.errors():
            self._writer.add_key_value_metadata(dict(metadata))
            self._writer.close()
            self._output.finish()
        if self._output.path is not None:
            verify_footer(self._output.path, rows=self._rows)

    def abort(self) -> None:
        self._output.abandon(self._writer.close)


class _ArrowSink:
    """An Arrow IPC file. Its dictionaries may only grow, so each table's are joined to those written before."""

    def __init__(self, output: Output, schema: pa.Schema) -> None:
        self._output = output
        self._dictionaries = any(_has_dictionary(kind) for kind in schema.types)
        self._seen = schema.empty_table()
        options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
        with output.errors():
            self._writer = pa.ipc.new_file(pa.PythonFile(output.watched, mode="w"), schema, options=options)

    def write(self, table: pa.Table) -> None:
        if not table.num_rows:
            return
        with self._output.errors():
            if self._dictionaries:
                joined = pa.concat_tables([self._seen, table]).unify_dictionaries()
                table = joined.slice(self._seen.num_rows)
                self._seen = table.slice(0, 1)
            self._writer.write_table(table)

    def close(self, metadata: Mapping[str, str]) -> None:  # noqa: ARG002 - an IPC footer is fixed at the beginning
        with self._output.errors():
            self._writer.close()
            self._output.finish()

    def abort(self) -> None:
        self._output.abandon(self._writer.close)


def _has_dictionary(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return True
    if isinstance(kind, pa.BaseExtensionType):
        return _has_dictionary(kind.storage_type)
    return any(_has_dictionary(kind.field(index).type) for index in range(kind.num_fields))
