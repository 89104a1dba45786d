"""Parquet files: read in small batches with their page checksums verified, and their footers.

Owns everything about reading Parquet. Does not know what is written into it: `sink` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from scorer.errors import DataError, StorageError, from_os_error
from scorer.tables.identity import Stamp
from scorer.tables.reader import Reader
from scorer.tables.streams import first_line

# A few rows at a time, because a page of a dictionary-encoded column can expand a thousandfold.
BATCH_ROWS: Final = 1024
_BUFFER_BYTES: Final = 1 << 20


def read_footer(path: Path) -> tuple[pa.Schema, int]:
    """The schema of a Parquet file and its number of rows. DataError if it has no footer that can be read."""
    with _damage(path), _open(path) as file:
        metadata = file.metadata
        rows = int(metadata.num_rows)
        in_groups = sum(metadata.row_group(index).num_rows for index in range(metadata.num_row_groups))
        if rows != in_groups:
            raise DataError(
                f"{path}: damaged: its footer counts {rows} rows, its row groups {in_groups}; copy it again"
            )
        return file.schema_arrow, rows


def read_metadata(path: Path) -> dict[bytes, bytes]:
    """The key-value metadata in the footer of a Parquet file."""
    with _damage(path), _open(path) as file:
        return dict(file.metadata.metadata or {})


def verify_footer(path: Path, *, rows: int) -> None:
    """StorageError unless `path`, which was just written, has a readable footer that counts `rows` rows."""
    try:
        found = read_footer(path)[1]
    except DataError as error:
        raise StorageError(f"{path}: what was written cannot be read back; is the disk full?") from error
    if found != rows:
        raise StorageError(f"{path}: {rows} rows were written, but {found} read back; is the disk failing?")


class ParquetReader(Reader):
    """The rows of Parquet files that share one schema; DataError for a damaged one."""

    def __init__(self, stamps: Sequence[Stamp], schema: pa.Schema, rows: int, text_columns: Sequence[str]) -> None:
        super().__init__(stamps, text_columns)
        self.schema = schema
        self.rows = rows

    def _pieces(self) -> Iterator[pa.Table]:
        for stamp in self._stamps:
            with _damage(stamp.path), _open(stamp.path) as file:
                for row_group in range(file.num_row_groups):
                    _check_row_group(stamp.path, file.metadata, row_group)
                    rows = file.metadata.row_group(row_group).num_rows
                    # One at a time: pyarrow cannot join nested dictionaries across row groups.
                    for batch in file.iter_batches(BATCH_ROWS, row_groups=[row_group], use_threads=False):
                        rows -= batch.num_rows
                        yield pa.Table.from_arrays(batch.columns, schema=self.schema)
                    if rows:
                        raise DataError(f"{stamp.path}: damaged: row group {row_group} has other rows than it counts")


def _check_row_group(path: Path, metadata: pq.FileMetaData, index: int) -> None:
    """DataError where the footer contradicts itself on a row group: it has no checksum, but says some things twice."""
    group = metadata.row_group(index)
    for column in range(group.num_columns):
        chunk, name = group.column(column), metadata.schema.column(column).path
        if chunk.path_in_schema != name:
            raise DataError(f"{path}: damaged: row group {index} names column {column + 1} otherwise than the schema")


def _open(path: Path) -> pq.ParquetFile:
    # A buffer makes pyarrow read a column page by page, where it would else read the row group's whole column.
    return pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False, buffer_size=_BUFFER_BYTES)


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Name what pyarrow raises: damage is a DataError, the operating system's refusals are what they are."""
    try:
        yield
    except pa.ArrowException as error:
        raise DataError(f"{path}: not readable as Parquet ({first_line(error)}); write the file again") from error
    except OSError as error:
        if error.errno is not None:
            raise from_os_error(error) from error
        raise DataError(f"{path}: damaged Parquet ({first_line(error)}); write or copy the file again") from error
