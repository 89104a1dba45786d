"""Parquet files: read in small batches with their page checksums verified, written with checksums; their footers."""

from __future__ import annotations

import base64
import copy
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from scorer.errors import DataError, StorageError
from scorer.records.shard import RowGroups
from scorer.stores.fingerprints import Stamp
from scorer.tables import compute as pc
from scorer.tables.dictionaries import fitting_parts, has_dictionary, with_plain_values
from scorer.tables.formats.format import (
    Contents,
    Evidence,
    ReadOptions,
    SelfDescribing,
    look_together,
    united_reader,
)
from scorer.tables.parquet_files import BATCH_ROWS, Int96Unit, batches_of, int96_unit, named_damage, open_parquet
from scorer.tables.reader import Reader
from scorer.tables.streams import LONGEST_ROW, Output
from scorer.tables.texts import check_utf8, is_text

# Fewer rows than `BATCH_ROWS` are read at a time where the first ones of a row group are so large that these would be
# more than so many bytes.
_BATCH_BYTES: Final = 16 << 20
_PROBED_ROWS: Final = 4
# Where rows are small, that few would cost more than to read them: they go on together, up to so many rows or bytes.
_TOGETHER_ROWS: Final = 4096
_TOGETHER_BYTES: Final = 4 << 20
# So many characters of a type tell which it is.
_SHOWN: Final = 80


def read_footer(path: Path, *, int96: Int96Unit = "ns") -> tuple[pa.Schema, int]:
    """The schema of a Parquet file and its number of rows. DataError if it has no footer that can be read."""
    with named_damage(path), open_parquet(path, int96=int96) as file:
        _check_names(path, file)
        return file.schema_arrow, int(file.metadata.num_rows)


def read_metadata(path: Path) -> dict[bytes, bytes]:
    """The key-value metadata in the footer of a Parquet file."""
    with named_damage(path), open_parquet(path) as file:
        return dict(file.metadata.metadata or {})


def rows_of_row_groups(path: Path) -> list[int]:
    """How many rows each row group of a Parquet file has."""
    with named_damage(path), open_parquet(path) as file:
        return [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]


def verify_footer(path: Path, *, rows: int) -> None:
    """StorageError unless `path`, which was just written, has a readable footer that counts `rows` rows."""
    try:
        found = read_footer(path)[1]
    except DataError as error:
        raise StorageError(f"{path}: what was written cannot be read back; is the disk full?") from error
    if found != rows:
        raise StorageError(f"{path}: {rows} rows were written, but {found} read back; is the disk failing?")


class ParquetReader(Reader):
    """The rows of Parquet files that share one schema, in which INT96 times have the unit `int96`; DataError for a
    damaged one."""

    def __init__(
        self,
        stamps: Sequence[Stamp],
        schema: pa.Schema,
        rows: int,
        text_columns: Sequence[str],
        *,
        int96: Int96Unit = "ns",
    ) -> None:
        super().__init__(stamps, text_columns)
        self._int96 = int96
        self.schema = schema
        self.rows = rows
        self._groups: RowGroups | None = None
        self._only: list[str] | None = None

    def only(self, names: Collection[str]) -> Reader:
        # To pyarrow a name with a dot may mean a field within a column.
        if any("." in name for name in self.schema.names) or not set(names) & set(self.schema.names):
            return self
        some = copy.copy(self)
        some._only = [name for name in self.schema.names if name in names]
        some.schema = pa.schema([self.schema.field(name) for name in some._only], self.schema.metadata)
        return some

    def of_row_groups(self, groups: RowGroups) -> ParquetReader:
        """The rows of these row groups alone, of the only file."""
        assert len(self._stamps) == 1, "row groups of several files; this is a bug"
        some = copy.copy(self)
        some._groups = groups
        some.rows = sum(rows_of_row_groups(self._stamps[0].path)[groups.first : groups.end])
        return some

    def pieces_of(self, stamp: Stamp) -> Iterator[pa.Table]:
        with named_damage(stamp.path), open_parquet(stamp.path, int96=self._int96) as file:
            groups, rows, before = range(file.num_row_groups), file.metadata.num_rows, 0
            if self._groups is not None:
                groups = groups[self._groups.first : self._groups.end]
                rows = sum(file.metadata.row_group(number).num_rows for number in groups)
                before = sum(file.metadata.row_group(number).num_rows for number in range(groups.start))
            for row_group in groups:
                # One at a time: pyarrow cannot join nested dictionaries across row groups.
                _refuse_bomb(stamp.path, file, row_group)
                batches = batches_of(file, row_group, _fitting_rows(file, row_group, self._only), self._only)
                for piece in _together(batches, self.schema):
                    check_utf8(piece, self.text_columns, where=str(stamp.path), before=before)
                    before += piece.num_rows
                    rows -= piece.num_rows
                    yield piece
            if rows:
                raise DataError(f"{stamp.path}: damaged: it holds other rows than its footer counts; copy it again")


class ParquetSink:
    """One row group a table (several where dictionaries must stay apart), zstd, page checksums; the Arrow schema is
    kept, so that types come back as they were."""

    def __init__(self, output: Output, schema: pa.Schema) -> None:
        self._output = output
        self._rows = 0
        self._schema = _without_views(schema)
        with output.errors():
            self._writer = pq.ParquetWriter(
                pa.PythonFile(output.watched, mode="w"),
                self._schema,
                compression="zstd",
                write_page_checksum=True,
                use_compliant_nested_type=False,  # it would rename the element of a list that has another name
            )

    def write(self, table: pa.Table) -> None:
        if table.num_rows:
            with self._output.errors():
                # A reader joins the dictionaries of a row group, and could not if they did not fit together.
                for part in fitting_parts(_cast_views(table, self._schema)):
                    self._writer.write_table(part, row_group_size=part.num_rows)
            self._rows += table.num_rows

    def close(self, metadata: Mapping[str, str]) -> None:
        with self._output.errors():
            self._writer.add_key_value_metadata(dict(metadata))
            self._writer.close()
            self._output.finish()
        if self._output.path is not None:
            verify_footer(self._output.path, rows=self._rows)

    def abort(self) -> None:
        self._output.abandon(self._writer.close)


def _without_views(schema: pa.Schema) -> pa.Schema:
    """`schema` whose dictionaries have texts and bytes in them as Parquet has them, and no views."""
    fields = [field.with_type(with_plain_values(field.type)) for field in schema]
    return pa.schema(fields, schema.metadata)


def _cast_views(table: pa.Table, schema: pa.Schema) -> pa.Table:
    for place, field in enumerate(schema):
        if field.type != table.schema.field(place).type:
            table = table.set_column(place, field, pc.cast(table.column(place), field.type))
    return table


def _together(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of `batches` in tables of several batches, where these are small; nothing is copied."""
    held: list[pa.Table] = []
    rows = size = 0
    for batch in batches:
        held.append(pa.Table.from_arrays(batch.columns, schema=schema))
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= _TOGETHER_ROWS or size >= _TOGETHER_BYTES:
            yield pa.concat_tables(held)
            held, rows, size = [], 0, 0
    if held:
        yield pa.concat_tables(held)


def _fitting_rows(file: pq.ParquetFile, row_group: int, columns: list[str] | None) -> int:
    """How many rows of a row group to read at a time, by the size of its first ones."""
    first = next(batches_of(file, row_group, _PROBED_ROWS, columns), None)
    if first is None or not first.num_rows:
        return BATCH_ROWS
    fitting = int(_BATCH_BYTES * first.num_rows // max(first.nbytes, 1))
    return max(min(fitting, BATCH_ROWS), 1)


def _refuse_bomb(path: Path, file: pq.ParquetFile, row_group: int) -> None:
    """DataError when the rows of a row group have more bytes than any row may have; a page is decompressed whole."""
    metadata = file.metadata.row_group(row_group)
    mean = metadata.total_byte_size / max(metadata.num_rows, 1)
    if mean > LONGEST_ROW:
        raise DataError(
            f"{path}: a row of row group {row_group + 1} has {mean / 2**20:,.0f} MiB; {LONGEST_ROW >> 20} is the most"
        )


def _check_names(path: Path, file: pq.ParquetFile) -> None:
    """DataError where Parquet's schema and the Arrow schema that its writer left contradict each other.

    No checksum covers the footer, but it says the names twice, and which columns are text. What it says a third time,
    of each row group, is not asked for: pyarrow 26.0.1 ends the process (std::terminate) over some damage there.
    """
    left = (file.metadata.metadata or {}).get(b"ARROW:schema")
    if left is None:
        return
    try:
        stored = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(left)))
    except ValueError as error:
        raise DataError(f"{path}: damaged: the Arrow schema in its footer cannot be read; copy it again") from error
    for column, (one, other) in enumerate(zip(stored, file.schema_arrow, strict=False), 1):
        leaves = zip(_leaves(one.type), _leaves(other.type), strict=False)
        if one.name != other.name or any(is_text(told) and not is_text(found) for told, found in leaves):
            raise DataError(f"{path}: damaged: its footer describes column {column} in two ways; copy it again")


def _leaves(kind: pa.DataType) -> list[pa.DataType]:
    """The types that a nested type is made of, in order."""
    if not kind.num_fields:
        return [kind]
    return [leaf for index in range(kind.num_fields) for leaf in _leaves(kind.field(index).type)]


class _Parquet(SelfDescribing):
    name = "parquet"
    endings = (".parquet", ".pq")
    proof = "the first bytes are not those of parquet"

    def evidence(self, first_bytes: bytes) -> Evidence:
        return 3 if first_bytes.startswith((b"PAR1", b"PARE")) else 0

    def header(self, path: Path) -> tuple[pa.Schema, int | None]:
        return read_footer(path)

    def open_reader(
        self,
        stamps: Sequence[Stamp],
        contents: Contents,
        text_columns: Sequence[str],
        options: ReadOptions,  # noqa: ARG002 - for text
    ) -> Reader:
        # Only the times themselves tell the unit, which is that of all files.
        unit = int96_unit(stamps)
        if unit == "us":
            contents = look_together(stamps, partial(read_footer, int96=unit))
        return united_reader(stamps, contents, text_columns, partial(_reader, text_columns=text_columns, int96=unit))

    def check_schema(self, schema: pa.Schema) -> None:
        # All at once first: columns may be many.
        if _trouble(schema) is not None:
            super().check_schema(schema)

    def refusal(self, field: pa.Field) -> str | None:
        trouble = _trouble(pa.schema([field]))
        return None if trouble is None else f"{str(field.type)[:_SHOWN]}, which Parquet has no type for"

    def sink(self, output: Output, schema: pa.Schema) -> ParquetSink:
        return ParquetSink(output, schema)


def _reader(
    stamps: Sequence[Stamp], schema: pa.Schema, rows: int | None, *, text_columns: Sequence[str], int96: Int96Unit
) -> ParquetReader:
    assert rows is not None, "Parquet counts its rows; this is a bug"
    return ParquetReader(stamps, schema, rows, text_columns, int96=int96)


def _trouble(schema: pa.Schema) -> Exception | None:
    """What pyarrow says of a schema that it cannot write; of dictionaries it says so of their rows alone."""
    schema = _without_views(schema)
    dictionaries = [pa.field(field.name, field.type) for field in schema if has_dictionary(field.type)]
    try:
        pq.ParquetWriter(pa.BufferOutputStream(), schema).close()
        with pq.ParquetWriter(pa.BufferOutputStream(), pa.schema(dictionaries)) as writer:
            writer.write_table(pa.table([pa.nulls(1, field.type) for field in dictionaries], writer.schema))
    except (pa.ArrowException, OSError) as error:
        return error
    return None


FORMAT = _Parquet()
