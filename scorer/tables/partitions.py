"""Columns that stand in the names of folders (`day=1/`), beside those of the files in them.

A partition column gets a type only where all its values survive it, as in CSV: `01` is text. Where the files have a
column of that name as well, both must say the same, and the files' own column stays as it is; in those that lack it,
the folder says it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa

from scorer.errors import DataError, shown
from scorer.stores.fingerprints import Stamp
from scorer.tables import compute as pc
from scorer.tables.delimited_columns import TypeGuess, convert, field_of
from scorer.tables.json_lines import with_members
from scorer.tables.listing import Partition
from scorer.tables.reader import Reader
from scorer.tables.rendering import IN_LINE, LINE, json_text, json_values, text_of
from scorer.tables.texts import type_name


class PartitionedReader(Reader):
    """The rows of `reader` with the partition columns of its files, in their order, behind its own columns."""

    def __init__(
        self,
        reader: Reader,
        stamps: Sequence[Stamp],
        partitions: Sequence[Partition],
        text_columns: Sequence[str],
        lack: Mapping[str, Collection[Path]] = MappingProxyType({}),
    ) -> None:
        super().__init__(stamps, text_columns)
        self._lack = lack
        self._reader = reader
        self._values = [dict(partition) for partition in partitions]
        self._places = {stamp.path: place for place, stamp in enumerate(self._stamps)}
        self._own = [name for name, _ in partitions[0] if name in reader.names]
        self._columns = {
            name: _typed(name, [values[name] for values in self._values], text=name in text_columns)
            for name, _ in partitions[0]
            if name not in reader.names
        }
        self.rows = reader.rows
        self.schema = reader.schema
        for field, _ in self._columns.values():
            self.schema = self.schema.append(field)

    @property
    def names(self) -> tuple[str, ...]:
        return (*self._reader.names, *self._columns)

    @property
    def warnings(self) -> tuple[str, ...]:
        return self._reader.warnings

    @property
    def blank_lines(self) -> int:
        return self._reader.blank_lines

    def pieces_of(self, stamp: Stamp) -> Iterator[pa.Table]:
        place = self._places[stamp.path]
        for piece in self._reader.pieces_of(stamp):
            whole = piece
            for name in self._own:
                if stamp.path in self._lack.get(name, ()):
                    whole = _filled(whole, name, self._values[place][name], stamp)
                else:
                    _check_same(piece, name, self._values[place][name], stamp)
            for field, values in self._columns.values():
                whole = whole.append_column(field, pa.repeat(values[place], piece.num_rows))
            yield whole


def _typed(name: str, values: list[str | None], *, text: bool) -> tuple[pa.Field, pa.Array]:
    texts = pa.array(values, pa.string())
    guess = TypeGuess(text=text)
    guess.see(texts, quoted=False)
    return field_of(name, guess.kind), convert(texts, guess.kind)


def _filled(piece: pa.Table, name: str, value: str | None, stamp: Stamp) -> pa.Table:
    """`piece` with the column `name`, which other files have themselves, as the name of its folder says it."""
    place = piece.schema.get_field_index(name)
    field = piece.schema.field(place)
    try:
        scalar = pa.scalar(value, pa.string()).cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"{stamp.path}: its folder says the column {shown(name)}, and not as the {type_name(field.type)} that "
            "other files have in it; rename the column or the folder"
        ) from error
    column = pa.repeat(scalar, piece.num_rows)
    piece = piece.set_column(place, field, column)
    return _in_lines(piece, name, column) if IN_LINE in (field.metadata or {}) else piece


def _in_lines(piece: pa.Table, name: str, column: pa.Array) -> pa.Table:
    """`piece`, whose rows are lines of JSON, with the values of `column` in these, too, behind their own keys."""
    place = next(at for at, field in enumerate(piece.schema) if LINE in (field.metadata or {}))
    added = [json_text({name: value}) for value in json_values(column)]
    lines = [with_members(line, one) for line, one in zip(piece.column(place).to_pylist(), added, strict=True)]
    return piece.set_column(place, piece.schema.field(place), pa.array(lines, pa.string()))


def _check_same(piece: pa.Table, name: str, value: str | None, stamp: Stamp) -> None:
    """DataError where the column `name` of `piece` says something else than the name of its folder."""
    column = piece[name].combine_chunks()
    if value is None:
        same = column.null_count == len(column)
    else:
        same = not column.null_count and _equal(column, value, piece.schema.field(name))
    if not same:
        raise DataError(
            f"{stamp.path}: column {shown(name)} of the file says something else than the folder that it lies in; "
            "rename the column or the folder"
        )


def _equal(column: pa.Array, value: str, field: pa.Field) -> bool:
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if pc.all(pc.equal(text_of(column, field), value)).as_py():
        return True
    try:
        return bool(pc.all(pc.equal(column, pa.scalar(value).cast(column.type))).as_py())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
