"""How Parquet files are opened: what is wrong with one that cannot be, and the unit of the times that are INT96.

INT96 has nanoseconds and any day; Arrow's times of 64 bits have the one or the other. Only the times themselves tell
which.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from scorer.errors import DataError, shown
from scorer.stores.fingerprints import Stamp
from scorer.stores.object_path import ObjectPath
from scorer.tables.formats.format import damage
from scorer.tables.streams import arrow_file

BATCH_ROWS: Final = 256
"""So few rows are read at a time, because a page of a dictionary-encoded column can expand a thousandfold."""
_BUFFER_BYTES: Final = 1 << 20
_FAR_MICROSECONDS: Final = 2**63 // 1000
Int96Unit = Literal["ns", "us"]


@contextmanager
def named_damage(path: Path) -> Iterator[None]:
    """Name what pyarrow raises over the file at `path`, see `format.damage`; an encrypted file is not damaged."""
    try:
        with damage(
            path,
            unreadable="not readable as Parquet ({reason}); write the file again",
            damaged="damaged Parquet ({reason}); write or copy the file again",
        ):
            yield
    except DataError as error:
        if "crypt" in str(error.__cause__):
            raise DataError(f"{path}: encrypted Parquet, and scorer takes no keys; decrypt it first") from error
        raise


def open_parquet(path: Path, *, int96: Int96Unit = "ns") -> pq.ParquetFile:
    """The file at `path`, whose page checksums are verified; `int96` is the unit that times of that type get."""
    # A buffer makes pyarrow read a column page by page, where it would else read the row group's whole column.
    return pq.ParquetFile(
        arrow_file(path) if isinstance(path, ObjectPath) else path,
        page_checksum_verification=True,
        pre_buffer=False,
        buffer_size=_BUFFER_BYTES,
        coerce_int96_timestamp_unit=int96,
    )


def batches_of(
    file: pq.ParquetFile, row_group: int, rows: int, columns: list[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """The `columns` of a row group, or all, so many `rows` at a time."""
    batches: Iterator[pa.RecordBatch] = file.iter_batches(
        rows, row_groups=[row_group], columns=columns, use_threads=False
    )
    return batches


def int96_unit(stamps: Sequence[Stamp]) -> Int96Unit:
    """The unit in which every INT96 time of the files is what it was: nanoseconds, or microseconds where one lies
    outside the years 1677 to 2262, which Arrow would wrap round without a word. Reads the columns of such times.

    DataError where some times are too far away for the one, and others too fine for the other.
    """
    far = fine = False
    for stamp in stamps:
        for name, ns, us in _int96_times(stamp.path):
            # Both wrap round at 64 bits, so the difference is right: what microseconds leave out.
            fine = fine or bool((ns - us * 1000).any())
            far = far or bool((np.abs(us) >= _FAR_MICROSECONDS).any())
            if far and fine:
                raise DataError(
                    f"{stamp.path}: column {shown(name)}: some INT96 times are too far away for nanoseconds, and some "
                    "too fine for microseconds; write them as TIMESTAMP"
                )
    return "us" if far else "ns"


def _int96_times(path: Path) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.int64]]]:
    """The name of a column with INT96 times in it, and some of these in nanoseconds and in microseconds."""
    with named_damage(path), open_parquet(path) as nanos, open_parquet(path, int96="us") as micros:
        for name in _int96_columns(nanos):
            for group in range(nanos.num_row_groups):
                batches = [batches_of(file, group, BATCH_ROWS, [name]) for file in (nanos, micros)]
                for one, other in zip(*batches, strict=True):
                    for ns, us in zip(_times(one), _times(other), strict=True):
                        yield name, ns, us


def _int96_columns(file: pq.ParquetFile) -> list[str]:
    """The columns of a file with INT96 times in them, however deep."""
    leaves = [file.schema.column(index) for index in range(len(file.schema))]
    paths = [leaf.path for leaf in leaves if leaf.physical_type == "INT96"]
    names: list[str] = file.schema_arrow.names
    return [name for name in names if any(path == name or path.startswith(f"{name}.") for path in paths)]


def _times(batch: pa.RecordBatch) -> list[NDArray[np.int64]]:
    """The times in nanoseconds or microseconds in a batch, however deep, as numbers; null is 0."""
    found = [_leaf_arrays(column) for column in batch.columns]
    times = [leaf for leaves in found for leaf in leaves if pa.types.is_timestamp(leaf.type)]
    return [leaf.cast(pa.int64()).fill_null(0).to_numpy() for leaf in times]


def _leaf_arrays(array: pa.Array) -> list[pa.Array]:
    """The arrays that a nested array is made of, in order, without what lies under a null."""
    if pa.types.is_struct(array.type):
        return [leaf for child in array.flatten() for leaf in _leaf_arrays(child)]
    if pa.types.is_map(array.type):
        # What flatten gives of a map is its list of pairs.
        kind = pa.list_(pa.struct([array.type.key_field, array.type.item_field]))
        return _leaf_arrays(array.cast(kind))
    if pa.types.is_nested(array.type):
        return _leaf_arrays(array.flatten())
    return [array]
