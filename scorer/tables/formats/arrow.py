"""Arrow IPC files and streams, read record batch by record batch; files written, and streams into streams.

The memory in use is one record batch, as its writer made it. Files are not mapped into memory: whoever touches the map
of a file that has been cut short meanwhile is killed (SIGBUS).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import pyarrow as pa

from scorer.errors import DataError, shown
from scorer.stores.fingerprints import Stamp
from scorer.tables.arrivals import Arriving
from scorer.tables.dictionaries import JoinedDictionaries, has_dictionary, may_not_join, without_null_values
from scorer.tables.formats.format import (
    Contents,
    Evidence,
    ReadOptions,
    SelfDescribing,
    check_schema,
    damage,
    united_reader,
)
from scorer.tables.live import LiveReader
from scorer.tables.reader import Reader, check_names, check_types
from scorer.tables.streams import Output, arrow_file

_FILE: Final = b"ARROW1"
_STREAM: Final = b"\xff\xff\xff\xff"
# So many first bytes tell whether a file is a stream of before Arrow 0.15, whose first message has no mark before it.
_OLD_BYTES: Final = 4096
_MOST_METADATA: Final = 1 << 24
_SCHEMA_MESSAGE: Final = 1
_MESSAGE_FIELDS: Final = 8  # bytes of the list of a message's fields, as far as its type
_SLICE_ROWS: Final = 8192
_END_OF_STREAM: Final = b"\xff\xff\xff\xff\0\0\0\0"
_OLD_END_OF_STREAM: Final = b"\0\0\0\0"
_damage = partial(
    damage,
    unreadable="damaged Arrow data, or not the IPC format; write or copy the file again",
    damaged="damaged Arrow data; write or copy the file again",
)


def read_header(path: Path) -> tuple[pa.Schema, int | None]:
    """The schema of an Arrow file or stream and its number of rows, which a stream does not tell."""
    with _damage(path), path.open("rb") as raw:
        if _is_stream(raw.read(_OLD_BYTES)):
            with arrow_file(path) as source:
                return pa.ipc.open_stream(source).schema, None
        with arrow_file(path) as source:
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

    @property
    def one_dictionary(self) -> bool:
        # Only a file, and no stream, counts its rows; and it must not replace a dictionary.
        return len(self._stamps) == 1 and self.rows is not None

    def pieces_of(self, stamp: Stamp) -> Iterator[pa.Table]:
        with _damage(stamp.path):
            yield from _tables(_batches(stamp.path), self.schema, stamp.path)


class LiveArrow(LiveReader):
    """The rows of an Arrow stream as its batches arrive; DataError for a damaged one."""

    def __init__(self, arriving: Arriving) -> None:
        super().__init__(arriving)
        self._end = _OLD_END_OF_STREAM if _is_old_stream(arriving.first) else _END_OF_STREAM
        self._file = _Remembered(arriving)
        with _damage(self.path):
            self._batches = pa.ipc.open_stream(pa.PythonFile(self._file, mode="r"))
            self.schema = self._batches.schema
        check_schema(self.schema, self.path)

    def settle(self, text_columns: tuple[str, ...]) -> None:
        check_names(self.names, text_columns, where=str(self.path))
        check_types(self.schema, text_columns, where=str(self.path))
        self.text_columns = text_columns

    def pieces(self) -> Iterator[pa.Table]:
        with _damage(self.path):
            yield from _tables(self._batches, self.schema, self.path)
        # A reader of streams takes the end of what arrives for the end of the stream as well.
        if not self._file.last.endswith(self._end):
            raise DataError(f"{self.path}: damaged Arrow data: the stream has no end; write it again")
        if self._file.read(1):
            raise DataError(f"{self.path}: more follows the end of the Arrow stream; send one stream alone")


class _Remembered(io.RawIOBase):
    """A file of what arrives, which gives as many bytes as are asked for, but at the end, and remembers the `last`."""

    def __init__(self, arriving: Arriving) -> None:
        super().__init__()
        self._arriving = arriving
        self.last = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts = []
        while size > 0 and (part := self._arriving.read(size)):
            parts.append(part)
            size -= len(part)
        whole = b"".join(parts)
        self.last = (self.last + whole[-len(_END_OF_STREAM) :])[-len(_END_OF_STREAM) :]
        return whole


def _tables(batches: Iterable[pa.RecordBatch], schema: pa.Schema, path: Path) -> Iterator[pa.Table]:
    """The rows of `batches` in small tables, without nulls among the values of dictionaries, which most of Arrow does
    not take."""
    dictionaries = [place for place, kind in enumerate(schema.types) if has_dictionary(kind)]
    for batch in batches:
        # In full: offsets that point elsewhere would have whoever follows them read any memory.
        _validate(batch, path)
        table = pa.Table.from_batches([batch], schema=schema)
        for place in dictionaries:
            table = table.set_column(place, schema.field(place), without_null_values(batch.column(place)))
        for begin in range(0, table.num_rows, _SLICE_ROWS):
            yield table.slice(begin, _SLICE_ROWS)


def _validate(batch: pa.RecordBatch, path: Path) -> None:
    """DataError for a batch with a value that its type does not allow, by the name of its column."""
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid as error:
        for name in batch.schema.names:
            try:
                batch.select([name]).validate(full=True)
            except pa.ArrowInvalid:
                raise DataError(
                    f"{path}: damaged Arrow data: column {shown(name)} has a value that its type does not allow; write "
                    "or copy the file again"
                ) from error
        raise


def read_schema(path: Path) -> pa.Schema:
    """The schema of an Arrow file that an `ArrowSink` wrote."""
    with pa.OSFile(str(path)) as file, pa.ipc.open_file(file) as reader:
        return reader.schema


def read_tables(path: Path) -> Iterator[pa.Table]:
    """What an `ArrowSink` wrote into the file at `path`, record batch by record batch."""
    with pa.OSFile(str(path)) as file, pa.ipc.open_file(file) as reader:
        for number in range(reader.num_record_batches):
            yield pa.Table.from_batches([reader.get_batch(number)])


class ArrowSink:
    """An Arrow IPC stream into an open stream, else an IPC file. The dictionaries of a file may only grow, so each
    table's are joined to those written before; in a stream each table has its own."""

    def __init__(self, output: Output, schema: pa.Schema) -> None:
        self._output = output
        self._dictionaries = JoinedDictionaries(schema) if output.path is not None else None
        with output.errors():
            stream = pa.PythonFile(output.watched, mode="w")
            if self._dictionaries is None:
                self._writer = pa.ipc.new_stream(stream, schema)
            else:
                options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
                self._writer = pa.ipc.new_file(stream, schema, options=options)

    def write(self, table: pa.Table) -> None:
        if not table.num_rows:
            return
        with self._output.errors():
            self._writer.write_table(table if self._dictionaries is None else self._dictionaries.join(table))

    def close(self, metadata: Mapping[str, str]) -> None:  # noqa: ARG002 - an IPC footer is fixed at the beginning
        with self._output.errors():
            self._writer.close()
            self._output.finish()

    def abort(self) -> None:
        self._output.abandon(self._writer.close)


def _is_stream(first_bytes: bytes) -> bool:
    """Whether `first_bytes` open an Arrow IPC stream (an IPC file has a magic number instead)."""
    return first_bytes.startswith(_STREAM) or _is_old_stream(first_bytes)


def _is_old_stream(first_bytes: bytes) -> bool:
    """Whether `first_bytes` open a stream of before Arrow 0.15: a length, and a flatbuffer that says that it is a
    message with a schema."""
    try:
        length, root = struct.unpack_from("<iI", first_bytes)
        table = 4 + root
        fields = table - struct.unpack_from("<i", first_bytes, table)[0]
        size, _, _, header_type = struct.unpack_from("<4H", first_bytes, fields)
        kind = first_bytes[table + header_type]
    except (struct.error, IndexError):
        return False
    return bool(0 < length <= _MOST_METADATA and root < length and size >= _MESSAGE_FIELDS and kind == _SCHEMA_MESSAGE)


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    with path.open("rb") as raw:
        first_bytes = raw.read(_OLD_BYTES)
    if _is_stream(first_bytes):
        end = _OLD_END_OF_STREAM if _is_old_stream(first_bytes) else _END_OF_STREAM
        with arrow_file(path) as source:
            reader = pa.ipc.open_stream(source)
            at = source.tell()
            for batch in reader:
                at = source.tell()
                yield batch
            # A reader of streams takes the end of the file for the end of the stream as well.
            read = source.tell() - at
            source.seek(max(source.tell() - len(end), 0))
            if read < len(end) or source.read(len(end)) != end:
                raise DataError(f"{path}: damaged Arrow data: the stream has no end; write or copy the file again")
            if source.read(1):
                raise DataError(f"{path}: more follows the end of the Arrow stream; give each stream a file of its own")
        return
    with arrow_file(path) as source:
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

    def open_reader(
        self,
        stamps: Sequence[Stamp],
        contents: Contents,
        text_columns: Sequence[str],
        options: ReadOptions,  # noqa: ARG002 - for text
    ) -> Reader:
        return united_reader(stamps, contents, text_columns, partial(ArrowReader, text_columns=text_columns))

    def begin(self, arriving: Arriving, options: ReadOptions) -> LiveReader | None:  # noqa: ARG002 - for text
        """A stream; the batches of a file are found from its end."""
        return LiveArrow(arriving) if _is_stream(arriving.first) else None

    def check_rows(self, reader: Reader, windows: Callable[[], Iterator[pa.Table]]) -> None:
        if reader.one_dictionary or not any(map(may_not_join, reader.schema.types)):
            return
        dictionaries = JoinedDictionaries(reader.schema)
        for window in windows():
            dictionaries.join(window)

    def sink(self, output: Output, schema: pa.Schema) -> ArrowSink:
        return ArrowSink(output, schema)


FORMAT = _Arrow()
