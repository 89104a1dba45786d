"""A stream whose rows can only be told when all of it is there: it is copied to a temporary file, and read from that.

Whoever reads it hears of the stream, and never of the copy.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

import pyarrow as pa

from scorer.errors import NotPermitted, ScorerError, StorageError, from_os_error
from scorer.stores.fingerprints import Stamp
from scorer.tables.arrivals import Arrivals
from scorer.tables.reader import Reader, nothing

_COPY_BYTES: Final = 1 << 20


class Spool:
    """A copy of all that `arrivals` bring, at `path` in `folder`, or where temporary files are; the stream is called
    `title`, and the name of the copy has the `ending`. StorageError names the folder where there is no room in it.
    """

    def __init__(self, arrivals: Arrivals, *, ending: str, folder: Path | None) -> None:
        self.title = arrivals.title
        try:
            handle, name = tempfile.mkstemp(prefix="scorer-stdin-", suffix=ending, dir=folder)
        except OSError as error:
            raise self._no_room(error, folder) from error
        self.path = Path(name)
        # Readers and sources hold the spool as long as they need the copy.
        weakref.finalize(self, self.path.unlink, missing_ok=True)
        try:
            with self._closing(os.fdopen(handle, "wb")) as stream:
                self._copy(arrivals, stream)
        except BaseException:
            self.path.unlink(missing_ok=True)
            raise

    @contextmanager
    def naming(self) -> Iterator[None]:
        """What is raised in this block tells of the stream, and not of the copy."""
        try:
            yield
        except ScorerError as error:
            error.args = tuple(self.named(part) if isinstance(part, str) else part for part in error.args)
            raise

    def named(self, message: str) -> str:
        """`message` with the stream's name for the copy's."""
        return message.replace(str(self.path), self.title)

    @contextmanager
    def _closing(self, stream: BinaryIO) -> Iterator[BinaryIO]:
        """`stream`, closed at the end; closing writes what is left, and may find the disk full once more."""
        try:
            yield stream
        except BaseException:
            with suppress(OSError):  # the first error counts
                stream.close()
            raise
        stream.close()

    def _copy(self, arrivals: Arrivals, stream: BinaryIO) -> None:
        arrivals.let_go()
        while part := arrivals.read(_COPY_BYTES):
            try:
                stream.write(part)
            except OSError as error:
                raise self._no_room(error, self.path.parent) from error
        try:
            stream.flush()
        except OSError as error:
            raise self._no_room(error, self.path.parent) from error

    def _no_room(self, error: OSError, folder: Path | None) -> ScorerError:
        found = from_os_error(error)
        if not isinstance(found, StorageError | NotPermitted) or error.strerror is None:
            return found
        where = folder or Path(tempfile.gettempdir())
        return type(found)(
            f"{where}: {error.strerror}; a copy of {self.title} is needed there: free some space, or name another "
            "folder (TMPDIR=/some/folder)"
        )


class SpooledReader(Reader):
    """The rows of `reader`, which reads the copy of a stream."""

    def __init__(self, reader: Reader, spool: Spool) -> None:
        super().__init__((), reader.text_columns)
        self._reader = reader
        self._spool = spool
        self.schema = reader.schema
        self.rows = reader.rows

    @property
    def names(self) -> tuple[str, ...]:
        return self._reader.names

    @property
    def blank_lines(self) -> int:
        return self._reader.blank_lines

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(map(self._spool.named, self._reader.warnings))

    @property
    def one_dictionary(self) -> bool:
        return self._reader.one_dictionary

    def pieces_of(self, stamp: Stamp) -> Iterator[pa.Table]:
        return self._reader.pieces_of(stamp)

    def windows(
        self, *, max_rows: int, max_bytes: int, limit: int | None = None, check: Callable[[], None] = nothing
    ) -> Iterator[pa.Table]:
        with self._spool.naming():
            yield from self._reader.windows(max_rows=max_rows, max_bytes=max_bytes, limit=limit, check=check)

    def check_unchanged(self) -> None:
        with self._spool.naming():
            self._reader.check_unchanged()
