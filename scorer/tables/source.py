"""An input as the user names it: a path, a glob, a folder or "-".

Owns that the files of a location have one format and one set of columns. Which files they are `listing` knows, what is
in them the readers of each format.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
import weakref
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pyarrow as pa

from scorer.config import FileFormat, check_utf8
from scorer.errors import DataError, UsageError, from_os_error, shown
from scorer.stores.stamp import Stamp, fingerprint
from scorer.tables import delimited, ipc, jsonlines, parquet
from scorer.tables.formats import (
    SNIFF_BYTES,
    TEXT_FORMATS,
    check_first_bytes,
    compression_of,
    format_of,
    sniff,
    sniff_compression,
)
from scorer.tables.listing import Listing, list_files
from scorer.tables.partitions import PartitionedReader
from scorer.tables.reader import Reader, check_names, check_types
from scorer.tables.rejects import Rejects
from scorer.tables.streams import open_bytes

__all__ = ["Reader", "Source"]

_COPY_BYTES: Final = 1 << 20
_ENDING: Final = {"gzip": ".gz", "zstd": ".zst"}


class Source:
    """What a location holds: one or several files of one format and one set of columns.

    `files` are in the order in which their rows are read (a folder's and a glob's by name), `unread` what lies beside
    them and is not read, `names` the columns in order, those of partitions last (for JSON lines those of the first
    lines), `rows` the number of rows where the files tell it without being read.
    """

    def __init__(
        self,
        listing: Listing,
        file_format: FileFormat,
        *,
        rejects: Rejects | None = None,
        names: tuple[str, ...] | None = None,
    ) -> None:
        if names is not None and file_format not in delimited.DELIMITERS:
            raise UsageError(f"{listing.files[0]}: --no-header is for CSV and TSV; {file_format} names its columns")
        self._listing = listing
        self._stamps = tuple(map(Stamp.of, listing.files))
        self._rejects = rejects
        self._given_names = names
        self.files = listing.files
        self.unread = listing.unread
        self.format = file_format
        self.names: tuple[str, ...]
        self.rows: int | None = None
        if file_format in TEXT_FORMATS:
            self._own_names = self._read_names()
        else:
            self._schema, self.rows = self._read_schema()
            self._own_names = tuple(self._schema.names)
        self.names = tuple(dict.fromkeys((*self._own_names, *listing.partition_names)))

    @classmethod
    def open(
        cls,
        location: str,
        *,
        input_format: FileFormat | None = None,
        spool: Path | None = None,
        rejects: Rejects | None = None,
        names: tuple[str, ...] | None = None,
    ) -> Source:
        """Look at the names, first bytes, headers and footers of `location`, and at nothing else.

        "-" is the standard input, copied to a temporary file in `spool` that lives as long as the source.
        With `rejects`, malformed records of CSV, TSV and JSON lines are no error: `read` puts them there.
        With `names`, CSV and TSV have no header: see `header.given_names`.
        InputMissing when there is nothing; DataError when the first bytes contradict the format, a header is malformed,
        or files differ in their columns; UsageError when nothing tells the format.
        """
        if location == "-":
            path = _spooled(spool)
            try:
                source = cls._of(Listing((path,), ((),)), input_format or _shown_format(path), rejects, names)
            except BaseException:
                path.unlink()
                raise
            weakref.finalize(source, path.unlink, missing_ok=True)
            return source
        listing = list_files(location, any_ending=input_format is not None)
        formats = {path: input_format or format_of(path) or _binary_format(path) for path in listing.files}
        if len(set(formats.values())) > 1:
            kinds = ", ".join(sorted(set(formats.values())))
            raise DataError(f"{location}: holds files of several formats ({kinds}); name them with a glob")
        return cls._of(listing, formats[listing.files[0]], rejects, names)

    @classmethod
    def _of(
        cls, listing: Listing, file_format: FileFormat, rejects: Rejects | None, names: tuple[str, ...] | None
    ) -> Source:
        for path in listing.files:
            _check_name(path, file_format)
            _check_beginning(path, file_format)
        return cls(listing, file_format, rejects=rejects, names=names)

    def fingerprint(self) -> str:
        """BLAKE2b (hexadecimal) of the files' contents and partitions; of files over 1 GiB a sample, see
        `stores.stamp`."""
        contents = fingerprint(self._stamps)
        if not self._listing.partition_names:
            return contents
        return hashlib.blake2b(f"{contents} {self._listing.partitions}".encode(), digest_size=32).hexdigest()

    def read(self, text_columns: Sequence[str] = (), *, appended: Collection[str] | None = None) -> Reader:
        """A reader of all rows; CSV, TSV and JSON lines are scanned whole here, to type their columns.

        With `appended`, the names of the columns that an output of JSON lines gets, the rows of JSON lines keep their
        lines as they stand: see `jsonlines`.
        Then the malformed records are in the rejects that the source was opened with; read such a source once.
        UsageError when a text column is not there, ConfigError when it holds no text.
        """
        partitions = self._listing.partition_names
        inside = [name for name in text_columns if name not in partitions or name in self._own_names]
        with self.doubting_header():
            reader = self._read(inside, appended)
        if not partitions:
            return reader
        return PartitionedReader(reader, self._stamps, self._listing.partitions, text_columns)

    @contextmanager
    def doubting_header(self) -> Iterator[None]:
        """DataError instead of a UsageError for a column that is not there, where the header looks like data: then no
        message may show its names, which are a row's texts."""
        try:
            yield
        except UsageError:
            delimiter = delimited.DELIMITERS.get(self.format)
            if delimiter is None or self._given_names is not None:
                raise
            if not delimited.begins_with_data(self._stamps[0], delimiter=delimiter):
                raise
            raise DataError(
                f"{self.files[0]}: the first line looks like data, not names: say --no-header, and --columns A,B,C to "
                "name the columns; if they are names, name yours with --text-column and --label-column"
            ) from None

    def _read(self, text_columns: Sequence[str], appended: Collection[str] | None) -> Reader:
        """A reader of the columns that the files themselves have."""
        if self.format in ("csv", "tsv"):
            delimiter = delimited.DELIMITERS[self.format]
            return delimited.DelimitedReader(
                self._stamps,
                self._own_names,
                text_columns,
                delimiter=delimiter,
                rejects=self._rejects,
                headless=self._given_names is not None,
            )
        if self.format == "jsonl":
            return jsonlines.JsonLinesReader(
                self._stamps, text_columns, self._rejects, appended=appended, beside=self._listing.partition_names
            )
        check_names(self._own_names, text_columns, where=str(self.files[0]))
        check_types(self._schema, text_columns, where=str(self.files[0]))
        if self.format == "arrow":
            return ipc.ArrowReader(self._stamps, self._schema, self.rows, text_columns)
        assert self.rows is not None
        return parquet.ParquetReader(self._stamps, self._schema, self.rows, text_columns)

    def _read_schema(self) -> tuple[pa.Schema, int | None]:
        """The schema that all files share, and the number of their rows."""
        read = parquet.read_footer if self.format == "parquet" else ipc.read_header
        found = [read(path) for path in self.files]
        first = found[0][0]
        for path, (schema, _) in zip(self.files, found, strict=True):
            if duplicates := sorted({name for name in schema.names if schema.names.count(name) > 1}):
                raise DataError(f"{path}: the column name {shown(duplicates[0])} stands more than once")
            if not schema.equals(first):
                raise DataError(f"{path}: {_difference(schema, first)} than in {self.files[0]}; score it on its own")
        counts = [rows for _, rows in found]
        return first, None if None in counts else sum(rows for rows in counts if rows is not None)

    def _read_names(self) -> tuple[str, ...]:
        if self.format == "jsonl":
            lenient = self._rejects is not None
            headers = [jsonlines.read_header(stamp, lenient=lenient) for stamp in self._stamps]
            return tuple(dict.fromkeys(name for header in headers for name in header))
        delimiter = delimited.DELIMITERS[self.format]
        given = self._given_names
        headers = [delimited.read_header(stamp, delimiter=delimiter, names=given) for stamp in self._stamps]
        for path, header in zip(self.files, headers, strict=True):
            if header != headers[0]:
                raise DataError(
                    f"{path}: its header ({len(header)} columns) differs from that of {self.files[0]} "
                    f"({len(headers[0])} columns); score it on its own"
                )
        return headers[0]


def _check_name(path: Path, file_format: FileFormat) -> None:
    """UsageError for a name that is not UTF-8, unless the file is plain text: everything else Arrow is to open."""
    if file_format not in TEXT_FORMATS or compression_of(path) is not None:
        check_utf8(path)


def _check_beginning(path: Path, file_format: FileFormat) -> None:
    """DataError when the first bytes of `path` are not those of its compression and format."""
    first = _first_bytes(path)
    promised, shown = compression_of(path), sniff_compression(first)
    if file_format in TEXT_FORMATS and promised != shown:
        if promised:
            raise DataError(
                f"{path}: the ending promises {promised}, but the first bytes are not {promised}; rename it"
            )
        raise DataError(f"{path}: the content is {shown}-compressed; add {_ENDING[str(shown)]} to its name")
    if promised and file_format in TEXT_FORMATS:
        with open_bytes(path, promised) as stream:
            first = stream.read(SNIFF_BYTES)
    check_first_bytes(path, first, file_format)


def _first_bytes(path: Path) -> bytes:
    with open_bytes(path, None) as stream:
        return stream.read(SNIFF_BYTES)


def _binary_format(path: Path) -> FileFormat:
    """The format of a file whose ending tells none: only magic numbers are evidence enough."""
    shown = sniff(_first_bytes(path))
    if shown in ("parquet", "arrow"):
        return shown
    raise UsageError(f"{path}: the ending tells no format; say which with --input-format")


def _shown_format(path: Path) -> FileFormat:
    compression = compression_of(path)
    with open_bytes(path, compression) as stream:
        shown = sniff(first := stream.read(SNIFF_BYTES))
    if not first:
        raise DataError("standard input: empty")
    if shown is None:
        raise DataError("standard input: UTF-16 or UTF-32 text; convert it to UTF-8")
    return shown


def _spooled(folder: Path | None) -> Path:
    """A copy of the standard input, whose ending tells its compression."""
    try:
        first = sys.stdin.buffer.read(SNIFF_BYTES)
        ending = _ENDING.get(sniff_compression(first) or "", "")
        handle, name = tempfile.mkstemp(prefix="scorer-stdin-", suffix=ending, dir=folder)
        path = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(first)
                shutil.copyfileobj(sys.stdin.buffer, stream, _COPY_BYTES)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise from_os_error(error) from error
    return path


def _difference(schema: pa.Schema, first: pa.Schema) -> str:
    if schema.names != first.names:
        return f"other columns ({len(schema.names)} against {len(first.names)})"
    name = next((one.name for one, other in zip(schema, first, strict=True) if not one.equals(other)), "")
    return f"column {shown(name)} is of another type ({schema.field(name).type}, not {first.field(name).type})"
