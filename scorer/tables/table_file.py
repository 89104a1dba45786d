"""A table file that appears whole or not at all: a sink into an atomic file.

Owns their meeting, and the temporary name. A job whose output must outlive a kill puts the two together by itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from scorer.config import FileFormat
from scorer.stores.atomic import AtomicFile
from scorer.tables.sink import Sink, open_sink


@contextmanager
def table_file(target: Path, *, format: FileFormat, schema: pa.Schema, metadata: Mapping[str, str]) -> Iterator[Sink]:
    """A sink of tables of `schema` into `target`, which appears when the block ends, and not at all when it fails;
    `metadata` as in `Sink.close`."""
    # The ending stays, since the compression goes by it.
    file = AtomicFile(target, temporary=target.with_name(f".{os.getpid()}.{target.name}"))
    try:
        sink = open_sink(file.temporary, format=format, schema=schema)
        try:
            yield sink
        except BaseException:
            sink.abort()
            raise
        file.check()
        sink.close(metadata)
        file.commit()
    finally:
        file.discard()
