"""An input as the user names it: a path, a glob, a folder or "-", or several of them.

Sees to it that all files of an input have one format and one set of columns. `listing` says which files they are, the
readers of each format what is in them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Final

from scorer.config import Data, FileFormat, check_utf8
from scorer.errors import FILE_FAULTS, DataError, UsageError, shown
from scorer.records.shard import InputFile, RowGroups, Shard
from scorer.stores.fingerprints import Stamp, combined, content_hashes
from scorer.stores.location import Location
from scorer.stores.object_path import path_of
from scorer.tables.advice import advice, format_advice, unreadable
from scorer.tables.arrivals import Arrivals
from scorer.tables.delimited_columns import HEADER_IN_DOUBT
from scorer.tables.dialect import UNSAID, Dialect
from scorer.tables.encodings import MalformedText, open_text, plausible_encoding
from scorer.tables.formats.format import Contents, Format, ReadOptions
from scorer.tables.formats.registry import SNIFF_BYTES, check_first_bytes, format_named, format_of, sniff
from scorer.tables.listing import Listing, list_together
from scorer.tables.partitions import PartitionedReader
from scorer.tables.reader import Reader, check_names, check_types
from scorer.tables.rejects import CountedRejects, Rejects
from scorer.tables.spooling import Spool, SpooledReader
from scorer.tables.streams import COMPRESSIONS, Compression, compression_of, open_bytes, sniff_compression
from scorer.tables.unpacking import member_name

__all__ = ["Reader", "Source"]

# No file of nothing has more bytes, however it is compressed; a name may be in it.
_NOTHING_COMPRESSED: Final = 512

UNREADABLE: Final = (*FILE_FAULTS, OSError, UnicodeEncodeError)
"""What may be raised where a file is looked into: damage, no permission, a name for no library, or it is gone. Whoever
reads it will tell."""

# What stands for a large file in a repository whose files were not fetched.
_LFS_POINTER: Final = b"version https://git-lfs.github.com/spec/"


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
        dialect: Dialect = UNSAID,
    ) -> None:
        self._format = format_named(file_format)
        check_dialect(dialect, self._format, where=listing.files[0])
        self._listing = listing
        self._spool: Spool | None = None
        self._groups: RowGroups | None = None
        self._stamps = tuple(map(Stamp.of, listing.files))
        self._options = ReadOptions(rejects=rejects, dialect=dialect)
        with self._advised():
            self._contents = self._format.look(self._stamps, self._options)
        self._scanned: Reader | None = None
        # Malformed records are set aside once, however often the rows are read.
        self._read_before = False
        self.files = listing.files
        self.unread = replace(listing.unread, lack=_lack(self._contents, listing))
        self.format = file_format
        self.names: tuple[str, ...] = tuple(dict.fromkeys((*self._contents.names, *listing.partition_names)))
        self.rows = self._contents.rows

    @classmethod
    def open(
        cls,
        location: str | Path | Location | Arrivals | Data,
        *,
        dialect: Dialect = UNSAID,
        spool: Path | None = None,
        rejects: Rejects | None = None,
    ) -> Source:
        """Look at the names, first bytes, headers and footers of `location`, and at nothing else.

        A stream, such as "-", is copied to a temporary file in `spool` that lives as long as the source.
        With `rejects`, malformed records of CSV, TSV and JSON lines are no error: `read` puts them there.
        The files are written as `dialect` says, and where it says nothing, as the rules of their format are.
        InputMissing when there is nothing; DataError when the first bytes contradict the format, a header is malformed,
        or files differ in their columns; UsageError when nothing tells the format.
        """
        if isinstance(location, Arrivals):
            return cls._of_stream(location, dialect=dialect, spool=spool, rejects=rejects)
        named = list(location.places) if isinstance(location, Data) else [location]
        places = [one if isinstance(one, Location) else Location.of_input(one) for one in named]
        if len(places) == 1 and places[0].is_stream:
            return cls._of_stream(Arrivals(places[0]), dialect=dialect, spool=spool, rejects=rejects)
        for place in places:
            if place.is_stream:
                raise UsageError(f"{place.said}: a stream, which is read alone; name no other data beside it")
        listed = [place.said for place in places]
        listing = list_together(listed, any_ending=dialect.format is not None)
        formats = {path: format_of_file(path, dialect) for path in listing.files}
        listing = listing.without(lambda path: format_named(formats[path]).text and is_empty(path))
        kinds = sorted({formats[path] for path in listing.files})
        if len(kinds) > 1:
            several = ", ".join(kinds)
            raise DataError(
                f"{Data(*listed)}: holds files of several formats ({several}); name those of one with a glob"
            )
        return cls._of(listing, kinds[0], rejects, dialect)

    @classmethod
    def _of(cls, listing: Listing, file_format: FileFormat, rejects: Rejects | None, dialect: Dialect) -> Source:
        for path in listing.files:
            _check_name(path, file_format)
            _check_beginning(path, file_format, dialect, lenient=rejects is not None)
        return cls(listing, file_format, rejects=rejects, dialect=dialect)

    @classmethod
    def _of_stream(cls, arrivals: Arrivals, *, dialect: Dialect, spool: Path | None, rejects: Rejects | None) -> Source:
        first = arrivals.look(SNIFF_BYTES)
        ending = _ending(sniff_compression(first) if sniff(first) != "excel" else None)
        copy = Spool(arrivals, ending=ending, folder=spool)
        if rejects is not None:
            rejects.titles[copy.path] = copy.title
        with copy.naming():
            shown = said_format(dialect, copy.title) or _shown_format(copy.path, dialect.encoding)
            source = cls._of(Listing((copy.path,), ((),)), shown, rejects, dialect)
        source._spool = copy
        return source

    @classmethod
    def of_shard(
        cls,
        shard: Shard,
        file_format: FileFormat,
        *,
        rejects: Rejects | None = None,
        dialect: Dialect = UNSAID,
    ) -> Source:
        """The files of a `shard` that some source has told of, in whatever process; their `file_format` is known.

        DataError where they are not the same any more.
        """
        files = tuple(path_of(file.location) for file in shard.files)
        listing = Listing(files, tuple(file.partition for file in shard.files))
        source = cls(listing, file_format, rejects=rejects, dialect=dialect)
        for ours, asked in zip(source.shard.files, shard.files, strict=True):
            if ours != asked:
                raise DataError(
                    f"{asked.location}: changed while it was read; run again when it is no longer written to"
                )
        source._groups = shard.row_groups
        return source

    @cached_property
    def shard(self) -> Shard:
        """All files, each with the hash of its content."""
        hashes = content_hashes(self._stamps)
        files = [
            InputFile(location=str(stamp.path), identity=identity, size=stamp.size, partition=partition)
            for stamp, identity, partition in zip(self._stamps, hashes, self._listing.partitions, strict=True)
        ]
        return Shard(files=tuple(files))

    @property
    def size(self) -> int:
        """Bytes of the files."""
        return sum(stamp.size for stamp in self._stamps)

    def fingerprint(self) -> str:
        """BLAKE2b (hexadecimal) of the files' contents and partitions; of files over 1 GiB a sample, see
        `stores.fingerprints`."""
        contents = combined(file.identity for file in self.shard.files)
        if not self._listing.partition_names:
            return contents
        return hashlib.blake2b(f"{contents} {self._listing.partitions}".encode(), digest_size=32).hexdigest()

    def read(self, text_columns: Sequence[str] = (), *, appended: Collection[str] | None = None) -> Reader:
        """A reader of all rows; CSV, TSV and JSON lines are scanned whole here, to type their columns, but not again
        after a first scan without text columns.

        With `appended`, the names of the columns that an output of JSON lines gets, the rows of JSON lines keep their
        lines as they stand: see `formats.jsonl`.
        Then the malformed records are in the rejects that the source was opened with, each once.
        UsageError when a text column is not there, ConfigError when it holds no text.
        """
        self._refuse_lacking(text_columns)
        partitions = self._listing.partition_names
        inside = [name for name in text_columns if name not in partitions or name in self._contents.names]
        with self.doubting_header():
            reader = self._read(inside, appended)
        if self._spool is not None:
            return SpooledReader(reader, self._spool)
        if not partitions:
            return reader
        lack = {**self._contents.lack, **reader.lack}
        return PartitionedReader(reader, self._stamps, self._listing.partitions, text_columns, lack)

    @contextmanager
    def doubting_header(self) -> Iterator[None]:
        """DataError instead of a UsageError for a column that is not there, where the header looks like data: then no
        message may show its names, which are a row's texts."""
        naming = self._spool.naming if self._spool is not None else nullcontext
        with naming(), self._doubting_header():
            yield

    @contextmanager
    def _doubting_header(self) -> Iterator[None]:
        try:
            yield
        except UsageError:
            dialect, first = self._options.dialect, self._stamps[0]
            if self._format.delimited and (better := unreadable(first.path, self._format.dialect(self._options))):
                raise better from None
            if dialect.names is not None or not self._format.begins_with_data(first, self._options):
                raise
            raise DataError(f"{self.files[0]}: {HEADER_IN_DOUBT}") from None

    @contextmanager
    def _advised(self) -> Iterator[None]:
        """Say behind what is wrong with a text what to try."""
        try:
            yield
        except MalformedText as error:
            dialect = self._format.dialect(self._options)
            hint = advice(error.path, dialect, error.fault, delimited=self._format.delimited)
            raise DataError(f"{error}{hint}") from error

    def _refuse_lacking(self, text_columns: Sequence[str]) -> None:
        """DataError for a column of texts that some of the files do not have."""
        for name in (name for name in text_columns if name not in self._listing.partition_names):
            for path in self._contents.lack.get(name, ()):
                other = next(file for file in self.files if file not in self._contents.lack[name])
                raise DataError(
                    f"{path}: no column {shown(name)}, and in {other} the texts are in it; name it alike in all files, "
                    "or take the files on their own"
                )

    def _read(self, text_columns: Sequence[str], appended: Collection[str] | None) -> Reader:
        """A reader of the columns that the files themselves have."""
        if self._contents.schema is not None:
            check_names(self._contents.names, text_columns, where=str(self.files[0]))
            check_types(self._contents.schema, text_columns, where=str(self.files[0]))
        if appended is None and self._scanned is not None:
            again = self._scanned.with_texts(text_columns)
            if again is not None:
                return again
        options = replace(self._options, appended=appended, beside=self._listing.partition_names)
        if self._read_before and options.rejects is not None:
            options = replace(options, rejects=CountedRejects())
        self._read_before = True
        with self._advised():
            reader = self._format.open_reader(self._stamps, self._contents, text_columns, options)
        if self._groups is not None:
            reader = reader.of_row_groups(self._groups)
        if appended is None and not text_columns:
            # Only then it knows the types of all columns.
            self._scanned = reader
        return reader


def check_dialect(dialect: Dialect, format: Format, *, where: Path) -> None:
    """UsageError for what is said of a format that does not have it."""
    said = {
        "--no-header": dialect.names is not None,
        "--delimiter": dialect.delimiter is not None,
        "--quote": not dialect.quotes,
        "--types": bool(dialect.types),
    }
    if not format.delimited:
        for flag in (flag for flag, given in said.items() if given):
            raise UsageError(f"{where}: {flag} is for CSV and TSV; the format is {format.name}")
    if dialect.sheet is not None and format.name != "excel":
        raise UsageError(f"{where}: --sheet is for workbooks of Excel; the format is {format.name}")
    if dialect.encoding is not None and not format.text:
        raise UsageError(f"{where}: --encoding is for text; {format.name} says itself how its texts are written")


def _lack(contents: Contents, listing: Listing) -> tuple[str, ...]:
    """Which columns some files lack, and so are null there, for people."""
    lack = {name: paths for name, paths in contents.lack.items() if name not in listing.partition_names}
    return tuple(
        f"{shown(name)} in {len(paths)} of {len(listing.files)} files ({paths[0]})" for name, paths in lack.items()
    )


def is_empty(path: Path) -> bool:
    """Whether a file of text has nothing in it, compressed or not; no, where it cannot be read."""
    try:
        size = path.stat().st_size
        if not size or size > _NOTHING_COMPRESSED or (compression := compression_of(path)) is None:
            return not size
        with open_bytes(path, compression) as stream:
            return not stream.read(1)
    except UNREADABLE:
        return False


def _check_name(path: Path, file_format: FileFormat) -> None:
    """UsageError for a name that is not UTF-8, unless the file is plain text: everything else Arrow is to open."""
    if not format_named(file_format).text or compression_of(path) is not None:
        check_utf8(path)


def _check_beginning(path: Path, file_format: FileFormat, dialect: Dialect, *, lenient: bool) -> None:
    """DataError when the first bytes of `path` are not those of its compression and format, or, unless `lenient`, none
    of its encoding."""
    first = _first_bytes(path)
    if first.startswith(_LFS_POINTER):
        raise DataError(f"{path}: a pointer of Git LFS, and not the file itself; run: git lfs pull")
    promised, shown = compression_of(path), sniff_compression(first)
    if shown is not None and (binary := sniff(first)) == "excel" != file_format:
        raise DataError(f"{path}: expected {file_format}, but the first bytes are those of {binary}; rename it")
    text = format_named(file_format).text
    if text and promised != shown:
        if promised:
            raise DataError(
                f"{path}: the ending promises {promised}, but the first bytes are not {promised}; rename it"
            )
        raise DataError(f"{path}: the content is {shown}-compressed; add {_ending(shown)} to its name")
    if text and (promised or dialect.encoding):
        with open_text(path, dialect.encoding, lenient=lenient) as stream:
            first = stream.read(SNIFF_BYTES)
    if text and sniff(first) is None and first and (encoding := plausible_encoding(path)):
        raise DataError(f"{path}: the text is UTF-16 or UTF-32; try: --encoding {encoding}")
    check_first_bytes(path, first, file_format)


def _first_bytes(path: Path) -> bytes:
    with open_bytes(path, None) as stream:
        return stream.read(SNIFF_BYTES)


def _binary_format(path: Path, dialect: Dialect) -> FileFormat:
    """The format of a file whose ending tells none: only magic numbers are evidence enough."""
    shown = sniff(_first_bytes(path))
    if shown is not None and not format_named(shown).text:
        return shown
    raise UsageError(f"{path}: the ending tells no format{format_advice(path, dialect)}")


def format_of_file(path: Path, dialect: Dialect) -> FileFormat:
    """The format of the file at `path`: as the `dialect` says, or its ending, or its first bytes. UsageError where
    nothing tells."""
    told = dialect.format or format_of(path) or _member_format(path) or said_format(dialect, "")
    return told or _binary_format(path, dialect)


def _member_format(path: Path) -> FileFormat | None:
    """The format that the ending of the file in a zip archive promises."""
    if compression_of(path) != "zip" or sniff_compression(_first_bytes(path)) != "zip":
        return None
    named = format_of(member_name(path))
    if named is not None and not format_named(named).text:
        raise DataError(f"{path}: the archive holds a file of {named}; unpack it")
    return named


def said_format(dialect: Dialect, name: str) -> FileFormat | None:
    """The format that a person named, or the ending of `name`; whoever names a delimiter has CSV."""
    return dialect.format or format_of(name) or ("csv" if dialect.delimiter is not None else None)


def _shown_format(path: Path, encoding: str | None) -> FileFormat:
    with open_text(path, encoding, lenient=True) as stream:
        shown = sniff(first := stream.read(SNIFF_BYTES))
    if not first:
        raise DataError(f"{path}: empty")
    if shown is None:
        found = plausible_encoding(path)
        flag = f"try: --encoding {found}" if found else "convert it to UTF-8"
        raise DataError(f"{path}: UTF-16 or UTF-32 text; {flag}")
    return shown


def _ending(compression: Compression | None) -> str:
    return COMPRESSIONS[compression][0] if compression is not None else ""
