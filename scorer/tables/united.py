"""The rows of files that differ in their columns, as those of one table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from scorer.errors import DataError, shown
from scorer.stores.fingerprints import Stamp
from scorer.tables.reader import Reader
from scorer.tables.texts import type_name
from scorer.tables.widening import cast


class UnitedReader(Reader):
    """The rows of `readers`, one for each file, in the columns of `schema`: by name, null where a file has none.

    DataError, with the file and the column, for a value that the wider type does not hold: an integer beyond 2**53 in
    a column that other files have as floats, a time beyond what nanoseconds reach.
    """

    def __init__(
        self,
        stamps: Sequence[Stamp],
        readers: Sequence[Reader],
        schema: pa.Schema,
        rows: int | None,
        text_columns: Sequence[str],
    ) -> None:
        super().__init__(stamps, text_columns)
        self._readers = {stamp.path: reader for stamp, reader in zip(stamps, readers, strict=True)}
        self.schema = schema
        self.rows = rows

    def pieces_of(self, stamp: Stamp) -> Iterator[pa.Table]:
        for piece in self._readers[stamp.path].pieces_of(stamp):
            own = dict(zip(piece.schema.names, piece.columns, strict=True))
            columns = [
                _column(own.get(field.name), field, rows=piece.num_rows, path=stamp.path) for field in self.schema
            ]
            yield pa.Table.from_arrays(columns, schema=self.schema)


def _column(own: pa.ChunkedArray | None, field: pa.Field, *, rows: int, path: Path) -> pa.ChunkedArray:
    """The column of `field` of so many rows of the file `path`, whose `own` it is if there is one."""
    if own is None:
        return pa.chunked_array([pa.nulls(rows, field.type)], field.type)
    try:
        return cast(own, field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"{path}: column {shown(field.name)}: a value does not fit the {type_name(field.type)} that the column has "
            "in other files; write it alike in all files, or take the files on their own"
        ) from error
