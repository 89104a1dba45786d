"""A stream whose rows are read while they arrive, where its format allows that, as a source."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from scorer.config import FileFormat
from scorer.errors import DataError, UsageError
from scorer.records.shard import InputFile, Shard
from scorer.stores.location import Location
from scorer.tables.advice import unreadable
from scorer.tables.arrivals import Arrivals, Arriving
from scorer.tables.delimited_columns import HEADER_IN_DOUBT, looks_like_data
from scorer.tables.dialect import Dialect
from scorer.tables.formats.format import ReadOptions
from scorer.tables.formats.registry import check_first_bytes, format_named, is_binary, sniff
from scorer.tables.live import LiveReader
from scorer.tables.rejects import Rejects
from scorer.tables.source import check_dialect, said_format
from scorer.tables.unread import Unread

_UNKNOWN = "stream"
_WHOLE_LINES = re.compile(rb".*[\r\n]", re.DOTALL)


class Incoming:
    """The stream at `where`, which is written as `dialect` says: how it begins, and so its `format`, None where only
    all of it would tell. If it is `lenient`, bytes that are none of its encoding are no error.

    `arrivals` give it from its beginning as long as it was not made `live`.
    """

    def __init__(self, where: Location, dialect: Dialect, *, lenient: bool) -> None:
        self.arrivals = Arrivals(where)
        self._where = where
        self._dialect = dialect
        self._arriving = self.arrivals.begin(dialect.encoding, is_binary=is_binary, lenient=lenient)
        self.format: FileFormat | None = None
        if self._arriving is not None and self._arriving.first:
            self.format = said_format(dialect, self.arrivals.title) or sniff(self._arriving.first)

    def live(
        self, *, appended: Collection[str] | None, rejects: Rejects | None, flush_seconds: float
    ) -> LiveSource | None:
        """The source of its rows as they arrive; None where all must be there first, or nobody knows what it is.
        DataError for a malformed beginning."""
        if self.format is not None and self._arriving is not None and sniff(self._arriving.first) is not None:
            format = format_named(self.format)
            path = Path(self.arrivals.title)
            check_dialect(self._dialect, format, where=path)
            if format.text or not self._arriving.compressed:
                check_first_bytes(path, self._arriving.first, self.format)
                options = ReadOptions(rejects=rejects, dialect=self._dialect, appended=appended)
                reader = format.begin(self._arriving, options)
                if reader is not None:
                    self.arrivals.let_go()
                    reader.flush_seconds = flush_seconds
                    return LiveSource(self._where, self.format, reader, options)
        self.arrivals.rewind()
        return None


class LiveSource:
    """The rows of a stream as they arrive, which are read once: what `scorer.tables.source.Source` is for files."""

    rows = None
    size = 0
    files: tuple[Path, ...] = ()

    def __init__(self, where: Location, format: FileFormat, reader: LiveReader, options: ReadOptions) -> None:
        self.format = format
        self.unread = Unread()
        self.names = reader.names
        self._where = where
        self._reader = reader
        self._options = options

    @property
    def shard(self) -> Shard:
        """The stream, whose content nobody knows before it was read."""
        return Shard(files=(InputFile(location=self._where.said, identity=_UNKNOWN, size=0),))

    def fingerprint(self) -> str:
        """What stands for the content, which is not known."""
        return _UNKNOWN

    def read(self, text_columns: Sequence[str] = (), *, appended: Collection[str] | None = None) -> LiveReader:
        """The only reader, with these `text_columns`. Errors as of `Source.read`."""
        assert appended == self._options.appended, "it began otherwise; this is a bug"
        with self.doubting_header():
            self._reader.settle(tuple(text_columns))
        return self._reader

    @contextmanager
    def doubting_header(self) -> Iterator[None]:
        """As of `Source`, by what arrived first."""
        try:
            yield
        except UsageError:
            format = format_named(self.format)
            dialect = format.dialect(self._options)
            if not format.delimited:
                raise
            if better := _unreadable(self._reader.arriving, dialect):
                raise better from None
            if dialect.names is not None or not looks_like_data(self.names, [[] for _ in self.names]):
                raise
            raise DataError(f"{self._reader.path}: {HEADER_IN_DOUBT}") from None


def _unreadable(arriving: Arriving, dialect: Dialect) -> DataError | None:
    """What to say where the whole lines that arrived first have one column in `dialect`, and several in another."""
    lines = _WHOLE_LINES.match(arriving.first)
    if lines is None or not _is_utf8(lines[0]):
        return None
    handle, name = tempfile.mkstemp(prefix="scorer-stdin-")
    sample = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(lines[0])
        error = unreadable(sample, replace(dialect, encoding=None))
        return DataError(str(error).replace(name, arriving.arrivals.title)) if error is not None else None
    finally:
        sample.unlink()


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
