"""Arrow IPC files and streams, read record batch by record batch.

Owns everything about reading Arrow's own formats. The memory in use is one record batch, as its writer made it. Files
are not mapped into memory: whoever touches the map of a file that has been cut short meanwhile is killed (SIGBUS).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pyarrow as pa

from scorer.errors import DataError, from_os_error
from scorer.stores.stamp import Stamp
from scorer.tables.formats import SNIFF_BYTES, is_arrow_stream
from scorer.tables.reader import Reader

_SLICE_ROWS: Final = 8192
_END_OF_STREAM: Final = b"\xff\xff\xff\xff\0\0\0\0"


def read_header(path: Path) -> tuple[pa.Schema, int | None]:
    """The schema of an Arrow file or stream and its number of rows, which a stream does not tell."""
    with _damage(path), path.open("rb") as raw:
        if is_arrow_stream(raw.read(SNIFF_BYTES)):
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


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    with path.open("rb") as raw:
        stream = is_arrow_stream(raw.read(SNIFF_BYTES))
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


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    try:
        yield
    except pa.ArrowException as error:
        raise DataError(f"{path}: damaged Arrow data, or not the IPC format; write or copy the file again") from error
    except OSError as error:
        if error.errno is not None:
            raise from_os_error(error) from error
        raise DataError(f"{path}: damaged Arrow data; write or copy the file again") from error
