"""The bytes of a stream as they arrive: unpacked and decoded on the way, and never waited for while there are any.

Whoever asks for bytes gets those that are there, and waits only where there are none. The beginning may be looked at,
and read again, until somebody begins to read for good.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import re
import select
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

import pyarrow as pa

from scorer.errors import DataError, from_os_error
from scorer.stores.location import Location
from scorer.tables.encodings import Transcoded
from scorer.tables.streams import ByteStream, Compression, may_be_compressed, sniff_compression
from scorer.tables.unpacking import ChainedStreams

# How often a stream that waits looks whether it is to stop.
_WAIT_MS: Final = 50
_LOOK_BYTES: Final = 1 << 16
_TELLING_BYTES: Final = 4096
# Arrow's decompressor waits until it has all that it is asked for, so it is asked for little.
_ZSTD_BYTES: Final = 512
# A line with anything but the begin of a JSON array: enough to tell a text's format, and its header.
_LINE: Final = re.compile(rb"[\s\[]*[^\s\[][^\r\n]*[\r\n]")


class Arrivals:
    """The bytes of the stream at `where`, which are kept until `let_go`, so that `rewind` can give them again.

    `check` is called while nothing arrives, and raises when whoever waits is to stop.
    """

    def __init__(self, where: Location) -> None:
        self.title = where.title
        self.check: Callable[[], None] = lambda: None
        self._stream, self._handle = _opened(self, where)
        self._kept: bytes | None = b""
        self._again = b""

    def read(self, size: int) -> bytes:
        """At least one byte and at most `size`, as many as are there; nothing at the end alone."""
        if self._again:
            part, self._again = self._again[:size], self._again[size:]
        else:
            part = self._arrived(size)
        if self._kept is not None:
            self._kept += part
        return part

    def rewind(self) -> None:
        """Read from the beginning again."""
        assert self._kept is not None, "the beginning was let go; this is a bug"
        self._again, self._kept = self._kept + self._again, b""

    def look(self, size: int) -> bytes:
        """The first `size` bytes, or all that there are; they can be read again. To be called before anything was
        read."""
        first = b""
        while len(first) < size and (part := self.read(size - len(first))):
            first += part
        self.rewind()
        return first

    def let_go(self) -> None:
        """Keep nothing of what is read from here on."""
        self._kept = None

    def begin(
        self, encoding: str | None, *, is_binary: Callable[[bytes], bool], lenient: bool = False
    ) -> Arriving | None:
        """What arrives, unpacked; text is in `encoding` and comes as UTF-8 (None). None where only the end tells what
        there is: of a zip archive. To be called before anything was read.

        `is_binary` knows the first bytes of what is no text. If it is `lenient`, bytes that the encoding does not have
        are none of UTF-8 either.
        """
        compression = self._compression()
        if compression == "zip":
            return None
        stream: ByteStream = self
        if compression == "zstd":
            stream = _Zstd(self)
        elif compression is not None:
            stream = _Unpacked(ChainedStreams(_Raw(self), Path(self.title), compression))
        if encoding is not None:
            stream = Transcoded(stream, Path(self.title), encoding, lenient=lenient, prompt=True)
        return Arriving(stream, self, compressed=compression is not None, is_binary=is_binary)

    def _compression(self) -> Compression | None:
        first = b""
        while may_be_compressed(first) and (part := self.read(_LOOK_BYTES)):
            first += part
        self.rewind()
        return sniff_compression(first)

    def _arrived(self, size: int) -> bytes:
        try:
            if self._handle is None:
                return self._stream.read(size)
            return self._waited_for(self._handle, size)
        except OSError as error:
            error.filename = self.title
            raise from_os_error(error) from error

    def _waited_for(self, handle: int, size: int) -> bytes:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        while True:
            if poll.poll(_WAIT_MS):
                with contextlib.suppress(BlockingIOError):  # somebody else reads the same stream, and was faster
                    return os.read(handle, size)
            self.check()


def _opened(owner: Arrivals, where: Location) -> tuple[BinaryIO, int | None]:
    """The stream at `where` and its number, None where it has none; what was opened is closed with its `owner`."""
    try:
        if where.scheme == "pipe":
            stream: BinaryIO = Path(where.said).open("rb", buffering=0)  # noqa: SIM115 - closed with its owner
            weakref.finalize(owner, stream.close)
        else:
            stream = where.stream
    except OSError as error:
        raise from_os_error(error) from error
    try:
        return stream, stream.fileno()
    except (AttributeError, io.UnsupportedOperation):  # in memory
        return stream, None


class Arriving:
    """What arrives, unpacked, and if it is text, as UTF-8. `first` is how it begins: of a text, a whole line that is
    not blank. `compressed` says whether it was unpacked."""

    def __init__(
        self, stream: ByteStream, arrivals: Arrivals, *, compressed: bool, is_binary: Callable[[bytes], bool]
    ) -> None:
        self.arrivals = arrivals
        self.compressed = compressed
        self._stream = stream
        self.first = b""
        while not (_tells(self.first) or is_binary(self.first)) and (part := stream.read(_LOOK_BYTES)):
            self.first += part
        self._left = self.first

    def read(self, size: int) -> bytes:
        """At least one byte and at most `size`, as many as are there; nothing at the end alone."""
        if self._left:
            part, self._left = self._left[:size], self._left[size:]
            return part
        return self._stream.read(size)


def _tells(first: bytes) -> bool:
    """Whether so many first bytes of a text tell its format and its header."""
    return len(first) >= _TELLING_BYTES or _LINE.match(first.removeprefix(codecs.BOM_UTF8)) is not None


class _Raw(io.RawIOBase):
    """What decompressors take for a file."""

    def __init__(self, arrivals: Arrivals) -> None:
        super().__init__()
        self._arrivals = arrivals

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._arrivals.read(size)


class _Unpacked:
    def __init__(self, stream: ChainedStreams) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        return self._stream.read_some(size)


class _Zstd:
    """Waits with fewer than `_ZSTD_BYTES` bytes in hand, perhaps."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._title = arrivals.title
        self._stream = pa.CompressedInputStream(pa.PythonFile(_Raw(arrivals), mode="r"), "zstd")

    def read(self, size: int) -> bytes:
        try:
            return bytes(self._stream.read(min(size, _ZSTD_BYTES)))
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self._title}: the zstd stream is damaged or cut short") from error
