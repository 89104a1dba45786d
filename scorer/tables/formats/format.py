"""What a file format is: how it is known, how it is read and how it is written.

Each format is a file of this folder that is called by its name and has a `FORMAT`; the names stand in
`scorer.config.FileFormat`, and `registry` finds them.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal, Protocol

import pyarrow as pa

from scorer.config import FileFormat
from scorer.errors import DataError, UsageError, from_os_error, shown
from scorer.stores.fingerprints import Stamp
from scorer.tables.arrivals import Arriving
from scorer.tables.dialect import UNSAID, Dialect
from scorer.tables.dictionaries import fields_of
from scorer.tables.live import LiveReader
from scorer.tables.reader import Reader
from scorer.tables.rejects import Rejects
from scorer.tables.rendering import why_no_text
from scorer.tables.streams import Compression, Output, first_line
from scorer.tables.united import UnitedReader
from scorer.tables.widening import united

Evidence = Literal[0, 1, 2, 3]
"""How strongly first bytes show a format: not at all, as text of whatever kind, by how it begins, by a magic number."""


@dataclass(frozen=True)
class ReadOptions:
    """How files are read.

    rejects   where malformed records go, which else are errors
    dialect   how their text is written, as far as a person said it
    appended  the names of the columns that will be appended, where each row is to keep its text for an output in the
              same format
    beside    the columns that are wanted besides the texts then, if the files have them
    """

    rejects: Rejects | None = None
    dialect: Dialect = UNSAID
    appended: Collection[str] | None = None
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contents:
    """What files tell without being read: the names of their columns, and perhaps their schema and number of rows.

    Where files differ in their columns, `lack` says which files lack one, and `each` has the schema and the number of
    rows of every file that tells them.
    """

    names: tuple[str, ...]
    schema: pa.Schema | None = None
    rows: int | None = None
    lack: Mapping[str, tuple[Path, ...]] = dataclasses.field(default_factory=dict)
    each: tuple[tuple[pa.Schema, int | None], ...] = ()


class Sink(Protocol):
    """Where tables go. After `close` everything is in the file; after `abort` what is there is worth nothing."""

    def write(self, table: pa.Table) -> None:
        """Append the rows of `table`, which has the sink's schema."""

    def close(self, metadata: Mapping[str, str]) -> None:
        """Finish the file; `metadata` goes into the footer of a Parquet file and nowhere in other formats."""

    def abort(self) -> None:
        """Stop writing and let go of the file."""


class Format(ABC):
    """A format called `name`, whose files end with one of `endings`, the first of which is the usual one.

    `text` says that it is text, which may be compressed as a whole; `proof` what is wrong with a file of this ending
    whose first bytes do not show the format, or nothing where they need not; `delimited` that it has fields
    between delimiters, and perhaps no header; `written` that outputs may have this format. Else it
    is for reading alone, and in a folder it is data only where nothing else is.
    """

    name: FileFormat
    endings: tuple[str, ...]
    text: bool = False
    proof: str = ""
    delimited: bool = False
    written: bool = True

    @abstractmethod
    def evidence(self, first_bytes: bytes) -> Evidence:
        """How strongly (decompressed) `first_bytes`, which are no UTF-16, show this format."""

    def begin(self, arriving: Arriving, options: ReadOptions) -> LiveReader | None:  # noqa: ARG002
        """A reader of rows while they arrive; None where only all of the input tells what they are. Errors as of
        `look`."""
        return None

    @abstractmethod
    def look(self, stamps: Sequence[Stamp], options: ReadOptions) -> Contents:
        """What files tell without being read; DataError where one is damaged, or differs in its columns."""

    @abstractmethod
    def open_reader(
        self, stamps: Sequence[Stamp], contents: Contents, text_columns: Sequence[str], options: ReadOptions
    ) -> Reader:
        """A reader of all rows of files with these `contents`."""

    def open_sink(self, output: Output, schema: pa.Schema, compression: Compression | None) -> Sink:  # noqa: ARG002
        """A sink of tables of `schema` into `output`; UsageError where the format is not `written`."""
        raise UsageError(f"{output.path or 'output'}: {self.name} is for reading alone; write another format")

    def refusal(self, field: pa.Field) -> str | None:
        """What a column of `field` is that no file of this format can hold; None where one can."""
        return why_no_text(field.type) if self.text else None

    def check_schema(self, schema: pa.Schema) -> None:
        """DataError by the name of the first column that no file of this format can hold."""
        for field in schema:
            if (what := self.refusal(field)) is not None:
                raise DataError(
                    f"column {shown(field.name)}: {what}; name an output of Arrow (.arrow), or leave the column out"
                )

    def check_rows(self, reader: Reader, windows: Callable[[], Iterator[pa.Table]]) -> None:  # noqa: ARG002
        """DataError by the name of a column whose rows no file of this format can hold, as far as its type does not
        tell; `windows` gives all rows of `reader`, again at each call."""
        return

    def dialect(self, options: ReadOptions) -> Dialect:
        """How the files are written: as was said, or else as this format is."""
        return options.dialect

    def begins_with_data(self, stamp: Stamp, options: ReadOptions) -> bool:  # noqa: ARG002 - most say which are names
        """Whether the names of the columns look like a row."""
        return False


class SelfDescribing(Format):
    """A format of Arrow's own, whose files tell their schema and are compressed within."""

    @abstractmethod
    def header(self, path: Path) -> tuple[pa.Schema, int | None]:
        """The schema of a file, and its number of rows where it tells that."""

    @abstractmethod
    def sink(self, output: Output, schema: pa.Schema) -> Sink:
        """A sink of tables of `schema` into `output`."""

    def look(self, stamps: Sequence[Stamp], options: ReadOptions) -> Contents:  # noqa: ARG002 - for text
        return look_together(stamps, self.header)

    def open_sink(self, output: Output, schema: pa.Schema, compression: Compression | None) -> Sink:  # noqa: ARG002
        return self.sink(output, schema)


@contextmanager
def damage(path: Path, *, unreadable: str, damaged: str) -> Iterator[None]:
    """Name what pyarrow raises over the file at `path`.

    A DataError says `unreadable` of what is not this format, `damaged` of what is cut short, each with pyarrow's
    `{reason}`. What the operating system refuses gets the error that stands for it.
    """
    try:
        yield
    except (pa.ArrowException, UnicodeDecodeError) as error:  # the latter from the names in a footer
        raise DataError(f"{path}: {unreadable.format(reason=first_line(error))}") from error
    except OSError as error:
        if error.errno is not None:
            raise from_os_error(error) from error
        raise DataError(f"{path}: {damaged.format(reason=first_line(error))}") from error


def look_together(stamps: Sequence[Stamp], read: Callable[[Path], tuple[pa.Schema, int | None]]) -> Contents:
    """The columns of all files, whose schemas `read` gives with their numbers of rows, which may be unknown. DataError
    where the types of a column contradict each other."""
    found = [read(stamp.path) for stamp in stamps]
    for stamp, (schema, _) in zip(stamps, found, strict=True):
        check_schema(schema, stamp.path)
    first = found[0][0]
    counts = [rows for _, rows in found if rows is not None]
    rows = sum(counts) if len(counts) == len(found) else None
    if all(schema.equals(first) for schema, _ in found):
        return Contents(tuple(first.names), first, rows)
    together = united([schema for schema, _ in found], [stamp.path for stamp in stamps])
    return Contents(tuple(together.schema.names), together.schema, rows, together.lack, tuple(found))


def united_reader(
    stamps: Sequence[Stamp],
    contents: Contents,
    text_columns: Sequence[str],
    open_files: Callable[[Sequence[Stamp], pa.Schema, int | None], Reader],
) -> Reader:
    """A reader of all files, of which `open_files` makes one of some that share a schema."""
    assert contents.schema is not None, "files of this format tell their schema; this is a bug"
    if not contents.each:
        return open_files(stamps, contents.schema, contents.rows)
    readers = [open_files((stamp,), *told) for stamp, told in zip(stamps, contents.each, strict=True)]
    return UnitedReader(stamps, readers, contents.schema, contents.rows, text_columns)


def check_schema(schema: pa.Schema, path: Path) -> None:
    """DataError for a name in the `schema` of `path` that is not UTF-8, or stands more than once."""
    _check_utf8(schema, path)
    _check_distinct(schema, path)


def _check_distinct(schema: pa.Schema, path: Path) -> None:
    if duplicates := sorted({name for name in schema.names if schema.names.count(name) > 1}):
        raise DataError(f"{path}: the column name {shown(duplicates[0])} stands more than once")


def _check_utf8(schema: pa.Schema, path: Path) -> None:
    """DataError for a column with a name that is not UTF-8, its own or that of a field in it: Arrow decodes a name when
    it is asked for."""
    for place in range(len(schema)):
        try:
            _names(schema.field(place))
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path}: the name of column {place + 1}, or of a field in it, is not UTF-8; write the file again"
            ) from error


def _names(field: pa.Field) -> list[str]:
    """The names of a field and of those in it, however deep."""
    return [field.name, *chain.from_iterable(map(_names, fields_of(field.type)))]
