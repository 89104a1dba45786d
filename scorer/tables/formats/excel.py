"""A sheet of an Excel workbook (.xlsx), by fastexcel, the extra `excel`; for reading alone.

A sheet has at most 1,048,576 rows, and is read as a whole, hidden rows and columns too. Its first row with a value has
the names. Cells of one kind give a column of that kind, numbers that are all whole one of integers; cells of several
kinds are texts, and an error in a cell is one. Formulas are their values, as they were calculated last.
"""

from __future__ import annotations

import datetime
import logging
import shlex
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import pyarrow as pa

from scorer.errors import ConfigError, DataError, UsageError, shown
from scorer.stores.fingerprints import Stamp
from scorer.stores.object_path import ObjectPath
from scorer.tables import compute as pc
from scorer.tables.formats.format import Contents, Evidence, Format, ReadOptions, look_together, united_reader
from scorer.tables.reader import Reader, listed
from scorer.tables.streams import first_line
from scorer.tables.unpacking import open_zip
from scorer.tables.worksheets import Sheet, look_at

# What the parts of a workbook may come to, unpacked: no workbook of real data has more.
_MOST_BYTES: Final = 1 << 30
# Up to this, every integer is a float64.
_WHOLE: Final = 2**53
# The date of a time that has none.
_NO_DAY: Final = datetime.date(1899, 12, 31)


class _ExcelReader(Reader):
    """The rows of workbooks whose sheets share a schema."""

    def __init__(
        self, stamps: Sequence[Stamp], schema: pa.Schema, rows: int | None, texts: Sequence[str], *, sheet: str | None
    ) -> None:
        super().__init__(stamps, texts)
        self.schema = schema
        self.rows = rows
        self._sheet = sheet

    def pieces_of(self, stamp: Stamp) -> Iterator[pa.Table]:
        table = _table(stamp.path, self._sheet)
        if not table.schema.equals(self.schema):
            self.check_unchanged()
            raise DataError(f"{stamp.path}: not what was read before; is the file being written?")
        for batch in table.to_batches(max_chunksize=8192):
            yield pa.Table.from_batches([batch], self.schema)


class _Excel(Format):
    name = "excel"
    endings = (".xlsx",)
    written = False
    proof = "the first bytes are not those of a workbook; save it as CSV"

    def evidence(self, first_bytes: bytes) -> Evidence:
        parts = (b"[Content_Types].xml", b"xl/", b"_rels/.rels", b"docProps/")
        return 3 if first_bytes.startswith(b"PK\x03\x04") and any(part in first_bytes for part in parts) else 0

    def look(self, stamps: Sequence[Stamp], options: ReadOptions) -> Contents:
        def header(path: Path) -> tuple[pa.Schema, int | None]:
            table = _table(path, options.dialect.sheet)
            return table.schema, table.num_rows

        return look_together(stamps, header)

    def open_reader(
        self, stamps: Sequence[Stamp], contents: Contents, text_columns: Sequence[str], options: ReadOptions
    ) -> Reader:
        def open_files(some: Sequence[Stamp], schema: pa.Schema, rows: int | None) -> Reader:
            return _ExcelReader(some, schema, rows, text_columns, sheet=options.dialect.sheet)

        return united_reader(stamps, contents, text_columns, open_files)


def _table(path: Path, sheet: str | None) -> pa.Table:
    """The `sheet` of the workbook `path`, or the only one that has cells. DataError where it is damaged, has several
    sheets, or values that cannot be told."""
    fastexcel = _library(path)
    _check_archive(path)
    try:
        book = fastexcel.read_excel(path.read_bytes() if isinstance(path, ObjectPath) else str(path))
        name = _sheet_name(path, book, sheet)
        found = _look_at(path, name)
        if found.fault:
            raise DataError(f"{path}: sheet {shown(name)}: {found.fault}")
        names = _names(path, book, name)
        batch, errors = book.load_sheet(name, schema_sample_rows=None).to_arrow_with_errors()
        spelt = book.load_sheet(name, dtypes="string").to_arrow() if found.truths else None
    except fastexcel.FastExcelError as error:
        raise DataError(f"{path}: the workbook cannot be read ({first_line(error)}); save it as CSV") from error
    if errors is not None and errors.errors:
        row, column = errors.errors[0].position
        place = f"row {row + found.first_row}, column {shown(names[column])}"
        raise DataError(f"{path}: {place}: an error instead of a value; correct the cell")
    columns = [_settled(column, spelt.column(at) if spelt else None) for at, column in enumerate(batch.columns)]
    return pa.table(columns, schema=pa.schema(pa.field(n, c.type) for n, c in zip(names, columns, strict=True)))


def _sheet_name(path: Path, book: Any, asked: str | None) -> str:
    """The name of the sheet to read. UsageError where the one that is `asked` for is not there."""
    if asked is not None:
        if asked not in book.sheet_names:
            raise UsageError(f"{path}: --sheet {asked}: there is no such sheet; there are {listed(book.sheet_names)}")
        if not _first_row(book, asked).width:
            raise DataError(f"{path}: sheet {shown(asked)} has no cells")
        return asked
    full = {name: sheet.visible for name in book.sheet_names if (sheet := _first_row(book, name)).width}
    if not full:
        raise DataError(f"{path}: no sheet has cells")
    if len(full) > 1:
        names = ", ".join(shown(name) + " (hidden)" * (visible != "visible") for name, visible in full.items())
        likely = next((name for name, visible in full.items() if visible == "visible"), next(iter(full)))
        raise DataError(f"{path}: {len(full)} sheets have cells: {names}; try: --sheet {shlex.quote(likely)}")
    return str(next(iter(full)))


def _first_row(book: Any, sheet: str) -> Any:
    # As texts: below a name, a column may have durations, and both are no column.
    return book.load_sheet(sheet, header_row=None, n_rows=1, dtypes="string")


def _look_at(path: Path, sheet: str) -> Sheet:
    try:
        with open_zip(path) as archive:
            return look_at(archive, sheet)
    except (KeyError, StopIteration, ElementTree.ParseError) as error:
        raise DataError(f"{path}: not a workbook as its format has it; save it again, or save it as CSV") from error


def _names(path: Path, book: Any, sheet: str) -> list[str]:
    names = [column[0].as_py() or "" for column in _first_row(book, sheet).to_arrow().columns]
    if names.count("") > 1:
        raise DataError(
            f"{path}: {names.count('')} columns have no name in the first row; name them, or clear their cells"
        )
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{path}: the column name {shown(name)} stands {names.count(name)} times in the first row")
    return names


def _settled(column: pa.Array, spelt: pa.Array | None) -> pa.Array:
    """`column` with whole numbers as integers, times without a date as times, and as texts where there is nothing at
    all, or true and false among the numbers; then it is as it is `spelt`."""
    if pa.types.is_null(column.type):
        return column.cast(pa.string())
    if pa.types.is_timestamp(column.type):
        return _times(column)
    if not pa.types.is_floating(column.type):
        return column
    if spelt is not None and pc.any(pc.is_in(spelt, pa.array(["true", "false"]))).as_py():
        return spelt
    bounds = pc.min_max(pc.abs(column)).as_py()
    if bounds["max"] is None or bounds["max"] > _WHOLE:
        return column
    whole = pc.all(pc.equal(pc.floor(column), column)).as_py()
    return column.cast(pa.int64()) if whole else column


def _times(column: pa.Array) -> pa.Array:
    """A column of times, which a workbook has on the day before its first one; any other as it is."""
    days = pc.cast(column, pa.date32())
    if len(column) == column.null_count or not pc.all(pc.equal(days, _NO_DAY)).as_py():
        return column
    return pc.cast(column, pa.time32("ms"))


def _check_archive(path: Path) -> None:
    """DataError where a part of the workbook is damaged, or all would unpack to more than memory is for."""
    try:
        with open_zip(path) as archive:
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
    # They tell of types that they could not find, and of sheets that are charts, on the standard error.
    for name in ("fastexcel", "calamine"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return fastexcel


FORMAT = _Excel()
