"""Tables out to a file or a stream, in any of the formats.

They are written to exactly the path or stream that is given, in order, one table after the other; that the file appears
atomically is the business of `stores`. Does not know what the columns mean.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from scorer.config import FileFormat
from scorer.tables.formats.format import Sink
from scorer.tables.formats.registry import format_named
from scorer.tables.streams import Compression, Output, compression_of

__all__ = ["Sink", "open_sink"]


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
        return format_named(format).open_sink(output, schema, compression)
    except BaseException:
        output.abandon()
        raise
