"""CSV and TSV files: read twice, once to find the type that every value of a column survives, once to give the rows.

The two passes stand here. The grammar is in `fields`, the position in the file in `record_scanner`, names and
types are in `delimited_columns`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import pyarrow as pa

from scorer.errors import DataError, UsageError, shown
from scorer.stores.fingerprints import Stamp
from scorer.tables import compute as pc
from scorer.tables.arrivals import Arriving
from scorer.tables.delimited_columns import (
    HEADER_IN_DOUBT,
    TypeGuess,
    WrongType,
    as_said,
    convert,
    field_of,
    looks_like_data,
    type_name,
)
from scorer.tables.dialect import Dialect
from scorer.tables.encodings import open_text
from scorer.tables.fields import Block
from scorer.tables.formats.format import Contents, Evidence, Format, ReadOptions, Sink
from scorer.tables.live import LiveReader
from scorer.tables.reader import Reader, check_names, listed, tell_blank_lines
from scorer.tables.record_scanner import BLOCK_BYTES, RecordScanner
from scorer.tables.rejects import Reject, Rejects, forget
from scorer.tables.streams import Compression, Output
from scorer.tables.textsinks import DelimitedSink
from scorer.tables.widening import lacking

_HEADER_BYTES: Final = 64 << 10
# How MySQL, PostgreSQL, Hive and Snowflake write a null.
_NULL_MARK: Final = "\\N"


def read_header(stamp: Stamp, dialect: Dialect, *, lenient: bool = False) -> tuple[str, ...]:
    """The column names of a file, or of one without a header those that it is given, as for a RecordScanner.

    DataError for an empty file, a duplicate name or a malformed header; for bytes behind it that are none of the
    encoding, unless `lenient`.
    """
    with open_text(stamp.path, dialect.encoding, lenient=lenient) as stream:
        return RecordScanner(stream, stamp.path, dialect=dialect, block_bytes=_HEADER_BYTES).header()


def begins_with_data(stamp: Stamp, dialect: Dialect) -> bool:
    """Whether the first record of a file looks like data, and not like a header."""
    with open_text(stamp.path, dialect.encoding, lenient=True) as stream:
        scanner = RecordScanner(stream, stamp.path, dialect=dialect, block_bytes=_HEADER_BYTES, reject=forget)
        names = scanner.header()
        first = next(scanner.blocks(), None)
    values = [[] if first is None else first.column(index).to_pylist() for index in range(len(names))]
    return looks_like_data(names, values)


class DelimitedReader(Reader):
    """The rows of files in one dialect, in columns of these `names`, whether the files have headers or not. Making one
    reads them whole, to type their columns. The header of a file may have the names in another order, and lack some:
    these columns are null there.

    A type is given only if every value of the whole input comes back as the same text (`delimited_columns`). Columns of
    `text_columns` stay text. UsageError for a text column that is not there. A malformed record is a DataError, or goes
    into `rejects` and is no row: it has no say in the types, and `rows` does not count it.
    """

    def __init__(
        self,
        stamps: Sequence[Stamp],
        names: tuple[str, ...],
        text_columns: Sequence[str],
        *,
        dialect: Dialect,
        block_bytes: int = BLOCK_BYTES,
        rejects: Rejects | None = None,
    ) -> None:
        super().__init__(stamps, text_columns)
        self._names = names
        # Every file has the names that the first was given.
        self._dialect = dialect if dialect.names is None else replace(dialect, names=names)
        self._block_bytes = block_bytes
        self._check_names(text_columns)
        self._said = SaidTypes(names, self._dialect, where=self._stamps[0].path)
        self._said.refuse_texts(text_columns)
        self._blank_lines: dict[Path, int] = {}
        self._guesses = [TypeGuess(text=name in text_columns or name in self._said.kinds) for name in names]
        self._null_marks = [0 for _ in names]
        self.rows = self._type_columns(rejects.add if rejects else None)
        self._reject: Reject | None = forget if rejects else None
        self._settle_types()

    def with_texts(self, text_columns: Sequence[str]) -> DelimitedReader:
        """Texts are not typed, whatever the scan found."""
        self._check_names(text_columns)
        other = copy.copy(self)
        other.text_columns = tuple(text_columns)
        other._settle_types()
        return other

    @property
    def blank_lines(self) -> int:
        return sum(self._blank_lines.values())

    @property
    def warnings(self) -> tuple[str, ...]:
        where = str(self._stamps[0].path)
        marked = {name: count for name, count in zip(self._names, self._null_marks, strict=True) if count}
        return (*tell_blank_lines(where, self.blank_lines), *_tell_null_marks(where, marked))

    def _settle_types(self) -> None:
        self._said.refuse_texts(self.text_columns)
        typed = zip(self._names, self._guesses, strict=True)
        found = [None if name in self.text_columns else guess.kind for name, guess in typed]
        self._kinds = [self._said.kinds.get(name, kind) for name, kind in zip(self._names, found, strict=True)]
        self.schema = pa.schema([field_of(name, kind) for name, kind in zip(self._names, self._kinds, strict=True)])

    def _check_names(self, text_columns: Sequence[str]) -> None:
        check_names(self._names, text_columns, where=str(self._stamps[0].path))

    def _type_columns(self, reject: Reject | None) -> int:
        rows = 0
        for stamp in self._stamps:
            before = rows
            for block in self._blocks(stamp, reject, rows=rows):
                self._said.columns(block, path=stamp.path, before=rows - before)
                rows += block.rows
                self._count_null_marks(block)
                for index, guess in enumerate(self._guesses):
                    if guess.open:
                        guess.see(block.column(index), quoted=bool(block.quoted[:, index].any()))
        return rows

    def _count_null_marks(self, block: Block) -> None:
        # To look for one byte is quicker than to look for two, and most files have no backslash at all.
        if not (block.data == ord(_NULL_MARK[0])).any() or _NULL_MARK.encode() not in block.data.tobytes():
            return
        for index in range(len(self._names)):
            marked = pc.sum(pc.equal(block.column(index), _NULL_MARK)).as_py()
            self._null_marks[index] += marked or 0

    def _blocks(self, stamp: Stamp, reject: Reject | None, *, rows: int = 0) -> Iterator[Block]:
        """The sound records of a file; `rows` are those of earlier files."""
        with open_text(stamp.path, self._dialect.encoding, lenient=reject is not None) as stream:
            scanner = RecordScanner(
                stream,
                stamp.path,
                dialect=self._dialect,
                block_bytes=self._block_bytes,
                reject=reject,
                rows=rows,
            )
            places = self._places(scanner.header(), stamp)
            yield from (block.arranged(places) for block in scanner.blocks()) if places else scanner.blocks()
            self._blank_lines[stamp.path] = scanner.blank_lines

    def _places(self, header: tuple[str, ...], stamp: Stamp) -> list[int | None] | None:
        """Where in a file with this `header` the columns are; None where all are in their own places."""
        if header == self._names:
            return None
        places = {name: place for place, name in enumerate(header)}
        if self._dialect.names is not None or not places.keys() <= set(self._names):
            self.check_unchanged()
            raise DataError(f"{stamp.path}: its header differs from that of {self._stamps[0].path}")
        return [places.get(name) for name in self._names]

    def pieces_of(self, stamp: Stamp) -> Iterator[pa.Table]:
        for block in self._blocks(stamp, self._reject):
            try:
                said = self._said.columns(block, path=stamp.path)
                columns = [
                    said[index] if index in said else convert(block.column(index), kind)
                    for index, kind in enumerate(self._kinds)
                ]
            except pa.ArrowInvalid:
                # The first pass saw that every value fits, so the file is no longer the one it read.
                self.check_unchanged()
                raise
            yield pa.Table.from_arrays(columns, schema=self.schema)


class _Mistyped(DataError):
    """The row at `place` of a block has a value that is not of the type that a person said."""

    def __init__(self, message: str, *, place: int) -> None:
        super().__init__(message)
        self.place = place


class SaidTypes:
    """The types that a person said of columns `names`: their `kinds` by name. UsageError for a column that is not
    there."""

    def __init__(self, names: Sequence[str], dialect: Dialect, *, where: Path) -> None:
        self.kinds = dict(dialect.types)
        check_names(names, tuple(self.kinds), where=f"{where}: --types")
        self._places = {names.index(name): (name, kind) for name, kind in self.kinds.items()}

    def refuse_texts(self, text_columns: Sequence[str]) -> None:
        """UsageError where a column of texts was said to be something else."""
        for name in text_columns:
            if self.kinds.get(name) is not None:
                raise UsageError(f"--types: column {shown(name)} holds the texts; they stay as they are")

    def columns(self, block: Block, *, path: Path, before: int = 0) -> dict[int, pa.Array]:
        """Those of `block`, which follows so many rows of `path`, by their places; DataError for the first value that
        is none of its type."""
        found = {}
        for place, (name, kind) in self._places.items():
            try:
                found[place] = as_said(block.column(place), kind)
            except WrongType as error:
                raise _Mistyped(
                    f"{path}: row {before + error.place + 1}: column {shown(name)}: not the {type_name(kind)} that "
                    "--types says; say string, or leave it out",
                    place=error.place,
                ) from None
        return found


class LiveDelimited(LiveReader):
    """The rows of CSV as they arrive: columns are text, unless the `dialect` says their types."""

    def __init__(self, arriving: Arriving, *, dialect: Dialect, rejects: Rejects | None = None) -> None:
        super().__init__(arriving)
        reject = rejects.add if rejects is not None else None
        self._scanner = RecordScanner(arriving, self.path, dialect=dialect, reject=reject, prompt=True)
        self._names = self._scanner.header()
        self._said = SaidTypes(self._names, dialect, where=self.path)

    @property
    def names(self) -> tuple[str, ...]:
        return self._names

    @property
    def blank_lines(self) -> int:
        return self._scanner.blank_lines

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(tell_blank_lines(str(self.path), self.blank_lines))

    def settle(self, text_columns: tuple[str, ...]) -> None:
        check_names(self._names, text_columns, where=str(self.path))
        self._said.refuse_texts(text_columns)
        self.text_columns = text_columns
        self.schema = pa.schema([field_of(name, self._said.kinds.get(name)) for name in self._names])

    def pieces(self) -> Iterator[pa.Table]:
        before = 0
        for block in self._scanner.blocks():
            yield from self._tables(block, before)
            before += block.rows

    def _tables(self, block: Block, before: int) -> Iterator[pa.Table]:
        try:
            said = self._said.columns(block, path=self.path, before=before)
        except _Mistyped as error:
            if error.place:
                yield from self._tables(block.head(error.place), before)
            raise
        columns = [said[at] if at in said else block.column(at) for at in range(len(self._names))]
        yield pa.Table.from_arrays(columns, schema=self.schema)


def _tell_null_marks(where: str, marked: Mapping[str, int]) -> list[str]:
    """What a person should know where columns have values that are `marked` as databases mark a null."""
    if not marked:
        return []
    rows = max(marked.values())
    return [
        f"{where}: {listed(tuple(marked))}: up to {rows:,} values are {_NULL_MARK}, as databases mark a null; here "
        "that is a text like any other; export nulls as empty fields"
    ]


class Delimited(Format):
    """Text whose fields stand between `delimiter`s."""

    text = True
    delimited = True
    delimiter: str

    def look(self, stamps: Sequence[Stamp], options: ReadOptions) -> Contents:
        dialect, lenient = self.dialect(options), options.rejects is not None
        headers = [read_header(stamp, dialect, lenient=lenient) for stamp in stamps]
        names = tuple(dict.fromkeys(name for header in dict.fromkeys(headers) for name in header))
        if all(header == names for header in headers):
            return Contents(names)
        if dialect.names is not None:
            other = next(number for number, header in enumerate(headers) if header != headers[0])
            raise DataError(
                f"{stamps[other].path}: {len(headers[other])} columns, and {len(headers[0])} in {stamps[0].path}; "
                "without headers nothing tells which are the same; take the files on their own"
            )
        for stamp in dict(zip(headers, stamps, strict=True)).values():
            # Its names, which may be the texts of a row, are no columns of the other files.
            if begins_with_data(stamp, dialect):
                raise DataError(f"{stamp.path}: other columns than in the files beside it, and {HEADER_IN_DOUBT}")
        return Contents(names, lack=lacking(headers, [stamp.path for stamp in stamps]))

    def open_reader(
        self, stamps: Sequence[Stamp], contents: Contents, text_columns: Sequence[str], options: ReadOptions
    ) -> Reader:
        return DelimitedReader(
            stamps,
            contents.names,
            text_columns,
            dialect=self.dialect(options),
            rejects=options.rejects,
        )

    def begin(self, arriving: Arriving, options: ReadOptions) -> LiveReader:
        return LiveDelimited(arriving, dialect=self.dialect(options), rejects=options.rejects)

    def open_sink(self, output: Output, schema: pa.Schema, compression: Compression | None) -> Sink:
        return DelimitedSink(output, schema, compression, delimiter=self.delimiter)

    def begins_with_data(self, stamp: Stamp, options: ReadOptions) -> bool:
        return begins_with_data(stamp, self.dialect(options))

    def dialect(self, options: ReadOptions) -> Dialect:
        return replace(options.dialect, usual=self.delimiter)


class _Csv(Delimited):
    name = "csv"
    endings = (".csv",)
    delimiter = ","

    def evidence(self, first_bytes: bytes) -> Evidence:  # noqa: ARG002 - any text may be CSV
        return 1


FORMAT = _Csv()
