"""What writes the rows of one part: into a file, into a stream, or into several files as a layout has them.

A file is written in the folder of the run, and gets its name when somebody publishes it.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO, Final, Protocol, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.config import FileFormat
from scorer.errors import DataError
from scorer.records.lineage import Counts, Lineage
from scorer.records.part import OutputFile
from scorer.stores.location import Location
from scorer.stores.workspace import WorkFolder
from scorer.tables import compute as pc
from scorer.tables.dictionaries import OF_VIEWS
from scorer.tables.layouts import MOST_VALUES, Layout
from scorer.tables.reader import joined
from scorer.tables.sink import Sink, lineage_metadata, open_sink
from scorer.tables.streams import compression_of, named
from scorer.tables.texts import holds_texts

TAIL: Final = "tail"
"""What ends a stream of the format, kept in the folder of the run until the part is published."""
# Rows of files that are open are held until all of them have so many bytes: then each file gets a row group.
_HELD_BYTES: Final = 64 << 20
_LEAST_ROW_BYTES: Final = 256
_VALUE_BYTES: Final = 8


class PartWriter(Protocol):
    """Where the rows of one part go, in order; `files` are those that it is laid out in, once it is finished; None
    for a part that is one file."""

    @property
    def files(self) -> tuple[OutputFile, ...] | None: ...

    def write(self, table: pa.Table) -> None:
        """Append the rows of `table`."""
        ...

    def finish(self, record: Lineage) -> int | None:
        """Complete the part with the `record` of its job, input and rows, durably; its bytes, as far as anybody counts
        them. It is seen when its set publishes it."""
        ...

    def abort(self) -> None:
        """Forget what was written. Does nothing after `finish`."""
        ...


class FilePart:
    """A file that is written in the folder of the run."""

    files = None

    def __init__(
        self, folder: WorkFolder, target: Location, format: FileFormat, schema: pa.Schema, *, temporary: str
    ) -> None:
        self._file = folder.begin(target.path, temporary=temporary)
        self._sink: Sink | None = None
        try:
            # The compression goes by the ending that the part will have.
            compression = compression_of(target.path)
            self._sink = open_sink(self._file.temporary, format=format, schema=schema, compression=compression)
        except BaseException:
            self._file.discard()
            raise

    def write(self, table: pa.Table) -> None:
        assert self._sink is not None, "the part was ended; this is a bug"
        self._sink.write(table)

    def finish(self, record: Lineage) -> int | None:
        assert self._sink is not None, "the part was ended; this is a bug"
        self._file.check()
        self._sink.close(lineage_metadata(record))
        self._sink = None
        return self._file.finish()

    def abort(self) -> None:
        if self._sink is not None:
            self._sink.abort()
            self._sink = None
        self._file.discard()


class StreamPart:
    """The one part of a stream. What is written is seen at once, but for what ends a file of the format."""

    files = None

    def __init__(self, folder: WorkFolder, target: Location, format: FileFormat, schema: pa.Schema) -> None:
        self._folder = folder
        self._stream = _HeldBack(target.stream)
        self._sink: Sink | None = open_sink(cast(BinaryIO, self._stream), format=format, schema=schema)
        self._send()

    def write(self, table: pa.Table) -> None:
        assert self._sink is not None, "the part was ended; this is a bug"
        self._sink.write(table)
        self._send()

    def finish(self, record: Lineage) -> int | None:
        assert self._sink is not None, "the part was ended; this is a bug"
        self._stream.held = io.BytesIO()
        self._sink.close(lineage_metadata(record))
        self._sink = None
        self._folder.keep(TAIL, self._stream.held.getvalue())
        return None

    def abort(self) -> None:
        if self._sink is not None:
            self._sink.abort()
            self._sink = None

    def _send(self) -> None:
        """Let whoever reads the stream have what was written."""
        try:
            self._stream.flush()
        except OSError as error:
            raise named(error) from error


class _HeldBack:
    """A `stream` to write to. Once there is `held`, what is written goes into that."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.held: io.BytesIO | None = None

    @property
    def closed(self) -> bool:
        return self._stream.closed

    def write(self, data: bytes) -> int:
        return (self.held or self._stream).write(data)

    def flush(self) -> None:
        self._stream.flush()


@dataclass
class _OpenFile:
    """A file of a part: its `name`, the rows in all and by status, and those that are `held`."""

    name: str
    writer: PartWriter
    rows: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    held: list[pa.Table] = field(default_factory=list)

    def hold(self, rows: pa.Table, *, status: str) -> None:
        self.rows += rows.num_rows
        found = pc.value_counts(pc.cast(rows.column(status), pa.string()))
        self.statuses.update({one["values"]: one["counts"] for one in found.to_pylist()})
        self.held.append(rows)

    def flush(self, layout: Layout) -> None:
        """Write what is held, as one table."""
        if self.held:
            self.writer.write(joined(self.held).drop_columns(list(layout.partition_by)))
            self.held = []

    @property
    def counts(self) -> Counts:
        return Counts(rows=self.rows, statuses=dict(sorted(self.statuses.items())))


class LaidOutPart:
    """The files of the part `name` of a `job`, whose rows have this `schema`. `begin` gives what writes a file of a
    name, `content` the hash of one that is finished.

    Which rows a file has, and which of them are written together, depends on the rows alone, and not on the tables that
    they come in.
    """

    def __init__(
        self,
        layout: Layout,
        name: str,
        job: Lineage,
        schema: pa.Schema,
        *,
        begin: Callable[[str, pa.Schema], PartWriter],
        content: Callable[[str], str],
    ) -> None:
        self._layout = layout
        self._name = name
        self._job = job
        self._schema = layout.without_partitions(schema)
        self._status = f"{job.job.prefix}score_status"
        self._begin_file = begin
        self._content = content
        # The last file of each folder, by the folder, and how many there were before it.
        self._open: dict[str, _OpenFile] = {}
        self._numbers: Counter[str] = Counter()
        self._held_bytes = 0
        self._done: list[OutputFile] = []

    @property
    def files(self) -> tuple[OutputFile, ...]:
        return tuple(sorted(self._done, key=lambda file: file.name))

    def write(self, table: pa.Table) -> None:
        ends = np.cumsum(_row_bytes(table))
        begin = 0
        while begin < table.num_rows:
            before = int(ends[begin - 1]) if begin else 0
            end = int(np.searchsorted(ends, before + _HELD_BYTES - self._held_bytes, side="right"))
            if end == begin and self._held_bytes:
                self._flush()
                continue
            end = max(end, begin + 1)
            for folder, rows in self._layout.divided(table.slice(begin, end - begin), where=self._name):
                self._add(folder, rows)
            self._held_bytes += int(ends[end - 1]) - before
            begin = end

    def finish(self, record: Lineage) -> int:  # noqa: ARG002 - each file tells of its own rows
        if not self._numbers and not self._layout.partition_by:
            self._begin("")
        for folder in list(self._open):
            self._end(folder)
        return sum(file.size for file in self.files)

    def abort(self) -> None:
        for file in self._open.values():
            file.writer.abort()
        self._open.clear()

    def _add(self, folder: str, rows: pa.Table) -> None:
        most = self._layout.rows_per_file
        while rows.num_rows:
            file = self._open.get(folder) or self._begin(folder)
            taken = rows if most is None else rows.slice(0, most - file.rows)
            file.hold(taken, status=self._status)
            rows = rows.slice(taken.num_rows)
            if file.rows == most:
                self._end(folder)

    def _begin(self, folder: str) -> _OpenFile:
        number = self._numbers[folder]
        if not number and len(self._numbers) >= MOST_VALUES:
            raise DataError(
                f"{self._name}: more than {MOST_VALUES} values of {', '.join(self._layout.partition_by)}, which are as "
                "many folders; partition by a column of fewer values"
            )
        name = self._layout.file(self._name, folder, number)
        file = self._open[folder] = _OpenFile(name, self._begin_file(name, self._schema))
        self._numbers[folder] += 1
        return file

    def _end(self, folder: str) -> None:
        file = self._open[folder]
        file.flush(self._layout)
        size = file.writer.finish(self._job.with_found(counts=file.counts, drift=None))
        assert size is not None, "a file whose bytes nobody counts; this is a bug"
        del self._open[folder]
        self._done.append(OutputFile(name=file.name, rows=file.rows, size=size, content=self._content(file.name)))

    def _flush(self) -> None:
        for file in self._open.values():
            file.flush(self._layout)
        self._held_bytes = 0


def _row_bytes(table: pa.Table) -> NDArray[np.int64]:
    """About how many bytes each row has (rows,): that of texts and of lists by their lengths."""
    size = np.zeros(table.num_rows, np.int64)
    for column in table.columns:
        kind = column.type
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            lengths = pc.multiply(pc.list_value_length(column), _VALUE_BYTES)
        elif pa.types.is_fixed_size_list(kind):
            size += kind.list_size * _VALUE_BYTES
            continue
        elif holds_texts(kind) and not pa.types.is_dictionary(kind) and not pa.types.is_null(kind):
            plain = OF_VIEWS.get(kind)
            lengths = pc.binary_length(column if plain is None else column.cast(plain))
        else:
            size += _VALUE_BYTES
            continue
        size += pc.fill_null(lengths, 0).to_numpy().astype(np.int64)
    return np.maximum(size, _LEAST_ROW_BYTES)
