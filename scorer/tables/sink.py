"""Tables out to a file or a stream, in any of the formats, and the lineage that a Parquet file keeps in its footer.

`open_sink` writes to exactly the path or stream that is given, in order, one table after the other; `table_file` to a
file that appears whole or not at all. A job whose output must outlive a kill puts sink and atomic file together itself.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import pyarrow as pa

from scorer.config import FileFormat
from scorer.errors import DataError
from scorer.records.lineage import Lineage
from scorer.stores.atomic import AtomicFile
from scorer.tables.formats.format import Sink
from scorer.tables.formats.parquet import read_metadata
from scorer.tables.formats.registry import format_named
from scorer.tables.streams import Compression, Output, compression_of

__all__ = ["Sink", "lineage_metadata", "open_sink", "read_lineage", "table_file", "without_told_schemas"]

# Where a Parquet footer keeps the lineage.
_LINEAGE_KEY: Final = "scorer"
# Here Spark and Avro keep a schema of their own, and take a file's columns from it alone.
_TOLD_SCHEMAS: Final = (b"org.apache.spark.sql.parquet.row.metadata", b"parquet.avro.schema", b"avro.schema")


def open_sink(
    path: Path | BinaryIO, *, format: FileFormat, schema: pa.Schema, compression: Compression | None = None
) -> Sink:
    """A sink of tables of `schema` at `path`, or into an open binary stream, which stays open.

    Text formats are compressed as `compression` says, or else as the ending of a path does. Errors of the operating
    system become StorageError and its siblings, but for a closed pipe, which stays a BrokenPipeError.
    DataError by the name of a column that no file of the format can hold. What other programs told in the metadata of
    which columns there are is left out.
    """
    schema = without_told_schemas(schema)
    if isinstance(path, Path):
        compression = compression or compression_of(path)
    format_named(format).check_schema(schema)
    output = Output(path)
    try:
        return format_named(format).open_sink(output, schema, compression)
    except BaseException:
        output.abandon()
        raise


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


def without_told_schemas(schema: pa.Schema) -> pa.Schema:
    """`schema` without what the metadata of its table tell of its columns once more: Spark and Avro would not see any
    other column beside these."""
    told = schema.metadata or {}
    if not _TOLD_SCHEMAS & told.keys():
        return schema
    left = {key: value for key, value in told.items() if key not in _TOLD_SCHEMAS}
    # No metadata is another schema than empty ones.
    return schema.with_metadata(left) if left else schema.remove_metadata()


def lineage_metadata(lineage: Lineage) -> dict[str, str]:
    """`lineage` as what `Sink.close` takes: equal lineages give equal bytes."""
    return {_LINEAGE_KEY: json.dumps(lineage.as_document(), sort_keys=True, ensure_ascii=False, allow_nan=False)}


def read_lineage(path: Path) -> Lineage | None:
    """The lineage in the footer of a Parquet file; None when it has none. DataError for a damaged file, and for an
    entry that scorer did not write, or that a later version wrote."""
    text = read_metadata(path).get(_LINEAGE_KEY.encode())
    if text is None:
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: the footer's {_LINEAGE_KEY!r} entry is not JSON") from error
    return Lineage.of_document(document, where=f"{path}: the footer's {_LINEAGE_KEY!r} entry")
