"""Arrow IPC files and streams, read record batch by record batch, and files written.

The memory in use is one record batch, as its writer made it. Files are not mapped into memory: whoever touches the map
of a file that has been cut short meanwhile is killed (SIGBUS).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import pyarrow as pa

from scorer.errors import DataError
from scorer.stores.fingerprints import Stamp
from scorer.tables.formats.format import Evidence, SelfDescribing, damage
from scorer.tables.reader import Reader
from scorer.tables.streams import Output

_FILE: Final = b"ARROW1"
_STREAM: Final = b"\xff\xff\xff\xff"
_SLICE_ROWS: Final = 8192
_END_OF_STREAM: Final = b"\xff\xff\xff\xff\0\0\0\0"
_damage = partial(
    damage,
    unreadable="damaged Arrow data, or not the IPC format; write or copy the file again",
    damaged="damaged Arrow data; write or copy the file again",
)


def read_header(path: Path) -> tuple[pa.Schema, int | None]:
    """The schema of an Arrow file or stream and its number of rows, which a stream does not tell."""
    with _damage(path), path.open("rb") as raw:
        if _is_stream(raw.read(len(_STREAM))):
            with pa.OSFile(str(path)) as source:
                return pa.ipc.open_stream(source).schema, None
        with pa.OSFile(str(path)) as source:
            reader = pa.ipc.open_file(source)
            return reader.schema, int(reader.count_rows())


class ArrowReader(Reader):
    """The rows of Arrow files or streams that share one schema; DataError for a damaged one."""

    def __init__(
        self, stamps: Sequence[Stamp], schema: pa.Schema, rows: int | None, text_columns: Sequence[str]
    ) -> None:
        super().__init__(stamps, text_columns)
        self.schema = schema
        self.rows = rows

    def pieces_of(self, stamp: Stamp) -> Iterator[pa.Table]:
        with _damage(stamp.path):
            for batch in _batches(stamp.path):
                # In full: offsets that point elsewhere would have whoever follows them read any memory.
                batch.validate(full=True)
                table = pa.Table.from_batches([batch], schema=self.schema)
                for begin in range(0, table.num_rows, _SLICE_ROWS):
                    yield table.slice(begin, _SLICE_ROWS)


class ArrowSink:
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


def _is_stream(first_bytes: bytes) -> bool:
    """Whether `first_bytes` open an Arrow IPC stream (an IPC file has a magic number instead)."""
    return first_bytes.startswith(_STREAM)


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    with path.open("rb") as raw:
        stream = _is_stream(raw.read(len(_STREAM)))
    if stream:
        with pa.OSFile(str(path)) as source:
            yield from pa.ipc.open_stream(source)
            # A reader of streams takes the end of the file for the end of the stream as well.
            source.seek(max(source.tell() - len(_END_OF_STREAM), 0))
            if source.read(len(_END_OF_STREAM)) != _END_OF_STREAM:
                raise DataError(f"{path}: damaged Arrow data: the stream has no end; write or copy the file again")
            if source.read(1):
                raise DataError(f"{path}: more follows the end of the Arrow stream; give each stream a file of its own")
        return
    with pa.OSFile(str(path)) as source:
        reader = pa.ipc.open_file(source)
        for index in range(reader.num_record_batches):
            yield reader.get_batch(index)


class _Arrow(SelfDescribing):
    name = "arrow"
    endings = (".arrow", ".feather")
    proof = "the first bytes are not those of arrow"

    def evidence(self, first_bytes: bytes) -> Evidence:
        return 3 if first_bytes.startswith(_FILE) or _is_stream(first_bytes) else 0

    def header(self, path: Path) -> tuple[pa.Schema, int | None]:
        return read_header(path)

    def reader(
        self, stamps: Sequence[Stamp], schema: pa.Schema, rows: int | None, text_columns: Sequence[str]
    ) -> ArrowReader:
        return ArrowReader(stamps, schema, rows, text_columns)

    def sink(self, output: Output, schema: pa.Schema) -> ArrowSink:
        return ArrowSink(output, schema)


FORMAT = _Arrow()
