"""The one sheet of an Excel workbook (.xlsx), by fastexcel, the extra `excel`; for reading alone.

A sheet has at most 1,048,576 rows, and is read as a whole. Cells of one kind give a column of that kind, numbers that
are all whole one of integers; cells of several kinds are texts, and an error in a cell is one.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from scorer.errors import ConfigError, DataError, shown
from scorer.stores.fingerprints import Stamp
from scorer.tables import compute as pc
from scorer.tables.formats.format import Evidence, Format, SelfDescribing, Sink
from scorer.tables.reader import Reader
from scorer.tables.streams import Output, first_line

# What the parts of a workbook may come to, unpacked: no workbook of real data has more.
_MOST_BYTES: Final = 1 << 30
# Up to this, every integer is a float64.
_WHOLE: Final = 2**53


class _ExcelReader(Reader):
    """The rows of workbooks whose sheets share a schema."""

    def __init__(self, stamps: Sequence[Stamp], schema: pa.Schema, rows: int | None, texts: Sequence[str]) -> None:
        super().__init__(stamps, texts)
        self.schema = schema
        self.rows = rows

    def pieces_of(self, stamp: Stamp) -> Iterator[pa.Table]:
        table = _table(stamp.path)
        if not table.schema.equals(self.schema):
            self.check_unchanged()
            raise DataError(f"{stamp.path}: not what was read before; is the file being written?")
        for batch in table.to_batches(max_chunksize=8192):
            yield pa.Table.from_batches([batch], self.schema)


class _Excel(SelfDescribing):
    name = "excel"
    endings = (".xlsx",)
    written = False
    proof = "the first bytes are not those of a workbook; save it as CSV"
    open_sink = Format.open_sink

    def evidence(self, first_bytes: bytes) -> Evidence:
        parts = (b"[Content_Types].xml", b"xl/", b"_rels/.rels", b"docProps/")
        return 3 if first_bytes.startswith(b"PK\x03\x04") and any(part in first_bytes for part in parts) else 0

    def header(self, path: Path) -> tuple[pa.Schema, int | None]:
        table = _table(path)
        return table.schema, table.num_rows

    def reader(
        self, stamps: Sequence[Stamp], schema: pa.Schema, rows: int | None, text_columns: Sequence[str]
    ) -> Reader:
        return _ExcelReader(stamps, schema, rows, text_columns)

    def sink(self, output: Output, schema: pa.Schema) -> Sink:
        return self.open_sink(output, schema, None)


def _table(path: Path) -> pa.Table:
    """The sheet of the workbook `path`. DataError where it is damaged, has errors in cells, or several sheets."""
    fastexcel = _library(path)
    _check_archive(path)
    try:
        book = fastexcel.read_excel(str(path))
        sheets = [sheet for name in book.sheet_names if (sheet := book.load_sheet(name, header_row=None)).width]
        if len(sheets) != 1:
            raise DataError(f"{path}: {len(sheets)} sheets have cells; keep one of them, or save one as CSV")
        names = _names(path, book, sheets[0].name)
        batch, errors = book.load_sheet(sheets[0].name, schema_sample_rows=None).to_arrow_with_errors()
    except fastexcel.FastExcelError as error:
        raise DataError(f"{path}: the workbook cannot be read ({first_line(error)}); save it as CSV") from error
    if errors is not None and errors.errors:
        row, column = errors.errors[0].position
        raise DataError(
            f"{path}: row {row + 1}, column {shown(names[column])}: an error instead of a value; correct the cell"
        )
    columns = [_settled(column) for column in batch.columns]
    return pa.table(columns, schema=pa.schema(pa.field(n, c.type) for n, c in zip(names, columns, strict=True)))


def _names(path: Path, book: Any, sheet: str) -> list[str]:
    first = book.load_sheet(sheet, header_row=None, n_rows=1, dtypes="string").to_arrow()
    names = [column[0].as_py() or "" for column in first.columns]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{path}: the column name {shown(name)} stands {names.count(name)} times in the first row")
    return names


def _settled(column: pa.Array) -> pa.Array:
    """`column` with whole numbers as integers, and as texts where there is nothing at all."""
    if pa.types.is_null(column.type):
        return column.cast(pa.string())
    if not pa.types.is_floating(column.type):
        return column
    bounds = pc.min_max(pc.abs(column)).as_py()
    if bounds["max"] is None or bounds["max"] > _WHOLE:
        return column
    whole = pc.all(pc.equal(pc.floor(column), column)).as_py()
    return column.cast(pa.int64()) if whole else column


def _check_archive(path: Path) -> None:
    """DataError where a part of the workbook is damaged, or all would unpack to more than memory is for."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > _MOST_BYTES:
                raise DataError(f"{path}: it unpacks to more than {_MOST_BYTES >> 30} GiB; save it as CSV")
            # What is said of the sizes is only true where the checksums are.
            damaged = archive.testzip()
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, zlib.error) as error:
        raise DataError(f"{path}: the workbook is damaged or cut short") from error
    if damaged is not None:
        raise DataError(f"{path}: the workbook is damaged or cut short")


def _library(path: Path) -> Any:
    try:
        import fastexcel
    except ImportError:
        raise ConfigError(
            f"{path}: reading Excel needs a library: pip install 'scorer[excel]', or save it as CSV"
        ) from None
    return fastexcel


FORMAT = _Excel()
