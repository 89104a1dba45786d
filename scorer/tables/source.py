"""An input as the user names it: a path, a glob, a folder or "-".

Owns which files a location stands for, and that they have one format and one set of columns. What is in them, the
readers of each format know.
"""

from __future__ import annotations

import glob
import os
import shutil
import stat
import sys
import tempfile
import weakref
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final, NoReturn

import pyarrow as pa

from scorer.config import UNFINISHED, FileFormat, check_utf8
from scorer.errors import DataError, InputMissing, UsageError, from_os_error
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
from scorer.tables.reader import Reader, check_names, check_types
from scorer.tables.rejects import Rejects
from scorer.tables.streams import open_bytes

__all__ = ["Reader", "Source"]

_COPY_BYTES: Final = 1 << 20
_ENDING: Final = {"gzip": ".gz", "zstd": ".zst"}


class Source:
    """What a location holds: one or several files of one format and one set of columns.

    `files` are in the order in which their rows are read (a folder's and a glob's by name), `names` the columns in
    order (for JSON lines those of the first lines), `rows` the number of rows where the files tell it without
    being read.
    """

    def __init__(self, stamps: Sequence[Stamp], file_format: FileFormat, rejects: Rejects | None = None) -> None:
        self._stamps = tuple(stamps)
        self._rejects = rejects
        self.files = tuple(stamp.path for stamp in stamps)
        self.format = file_format
        self.names: tuple[str, ...]
        self.rows: int | None = None
        if file_format in TEXT_FORMATS:
            self.names = self._read_names()
            return
        self._schema, self.rows = self._read_schema()
        self.names = tuple(self._schema.names)

    @classmethod
    def open(
        cls,
        location: str,
        *,
        input_format: FileFormat | None = None,
        spool: Path | None = None,
        rejects: Rejects | None = None,
    ) -> Source:
        """Look at the names, first bytes, headers and footers of `location`, and at nothing else.

        "-" is the standard input, copied to a temporary file in `spool` that lives as long as the source.
        With `rejects`, malformed records of CSV, TSV and JSON lines are no error: `read` puts them there.
        InputMissing when there is nothing; DataError when the first bytes contradict the format, a header is malformed,
        or files differ in their columns; UsageError when nothing tells the format.
        """
        if location == "-":
            path = _spooled(spool)
            try:
                source = cls._of([path], input_format or _shown_format(path), rejects)
            except BaseException:
                path.unlink()
                raise
            weakref.finalize(source, path.unlink, missing_ok=True)
            return source
        files = _files(location, any_ending=input_format is not None)
        formats = {path: input_format or format_of(path) or _binary_format(path) for path in files}
        if len(set(formats.values())) > 1:
            kinds = ", ".join(sorted(set(formats.values())))
            raise DataError(f"{location}: holds files of several formats ({kinds}); name them with a glob")
        return cls._of(files, formats[files[0]], rejects)

    @classmethod
    def _of(cls, files: Sequence[Path], file_format: FileFormat, rejects: Rejects | None) -> Source:
        stamps = [Stamp.of(path) for path in files]
        for path in files:
            _check_name(path, file_format)
            _check_beginning(path, file_format)
        return cls(stamps, file_format, rejects)

    def fingerprint(self) -> str:
        """BLAKE2b (hexadecimal) of the files' contents; of files over 1 GiB a sample, see `stores.stamp`."""
        return fingerprint(self._stamps)

    def read(self, text_columns: Sequence[str] = (), *, appended: Collection[str] | None = None) -> Reader:
        """A reader of all rows; CSV, TSV and JSON lines are scanned whole here, to type their columns.

        With `appended`, the names of the columns that an output of JSON lines gets, the rows of JSON lines keep their
        lines as they stand: see `jsonlines`.
        Then the malformed records are in the rejects that the source was opened with; read such a source once.
        UsageError when a text column is not there, ConfigError when it holds no text.
        """
        if self.format in ("csv", "tsv"):
            delimiter = delimited.DELIMITERS[self.format]
            return delimited.DelimitedReader(
                self._stamps, self.names, text_columns, delimiter=delimiter, rejects=self._rejects
            )
        if self.format == "jsonl":
            return jsonlines.JsonLinesReader(self._stamps, text_columns, self._rejects, appended=appended)
        check_names(self.names, text_columns, where=str(self.files[0]))
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
                raise DataError(f"{path}: the column name {duplicates[0]!r} stands more than once")
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
        headers = [delimited.read_header(stamp, delimiter=delimiter) for stamp in self._stamps]
        for path, header in zip(self.files, headers, strict=True):
            if header != headers[0]:
                raise DataError(
                    f"{path}: its header ({len(header)} columns) differs from that of {self.files[0]} "
                    f"({len(headers[0])} columns); score it on its own"
                )
        return headers[0]


def _files(location: str, *, any_ending: bool) -> list[Path]:
    """The files that `location` stands for, by name.

    In a folder hidden ones and those that begin with `_` are not data, nor is anywhere what another run works in.
    InputMissing for a link to nothing and NotPermitted for a folder that may not be read: rows would be missing.
    """
    path = Path(location)
    if path.is_dir():
        inside = (file for file in _beneath(path) if any_ending or format_of(file))
        files = sorted(file for file in inside if _is_file(file))
        if not files:
            raise InputMissing(f"{location}: the folder holds no data file (.parquet .csv .tsv .jsonl .arrow)")
        return files
    if path.exists():
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputMissing(f"{location}: neither a file nor a folder; pipe it in and say - instead")
        return [path]
    if not glob.has_magic(location):
        raise InputMissing(f"{location}: no such file or folder")
    found = glob.glob(location, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
    named = (file for file in map(Path, found) if not file.parent.name.endswith(UNFINISHED))
    files = sorted(file for file in named if _is_file(file))
    if not files:
        raise InputMissing(f"{location}: no file matches")
    return files


def _beneath(folder: Path) -> Iterator[Path]:
    """What may be data beneath `folder` and is no folder. Links to folders are not followed."""

    def refuse(error: OSError) -> NoReturn:
        raise from_os_error(error) from error

    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = filter(_visible, folders)
        yield from (Path(parent, name) for name in filter(_visible, names))


def _visible(name: str) -> bool:
    """Whether what has this name in a folder may be data; `lost+found`, at the root of a disk, is the system's own."""
    return not name.startswith((".", "_")) and not name.endswith(UNFINISHED) and name != "lost+found"


def _is_file(path: Path) -> bool:
    try:
        if path.is_symlink() and not path.exists():
            raise InputMissing(f"{path}: a symlink to nothing; remove it, or bring back what it links to")
        return path.is_file()
    except OSError as error:  # a folder that may be listed and not entered
        raise from_os_error(error) from error


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
    return f"column {name!r} is of another type ({schema.field(name).type}, not {first.field(name).type})"
