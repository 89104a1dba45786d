"""Bytes in and out of files, compressed or not, with bounded memory. An I/O error names its file."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import BinaryIO, Final, Literal, Protocol

import pyarrow as pa

from scorer.errors import DataError, ScorerError, from_os_error
from scorer.stores.object_path import ObjectPath
from scorer.tables.unpacking import ChainedStreams, ZipMember

Compression = Literal["gzip", "zstd", "bz2", "xz", "zip"]

LONGEST_ROW: Final = 64 << 20
"""A row beyond this many bytes is a bomb, or a quote that is never closed: so memory stays bounded."""

# Of bzip2 with the block's or the end's own number behind it: `BZh` alone may begin a text.
_BZ2: Final = tuple(b"BZh%d" % level + mark for level in range(1, 10) for mark in (b"1AY&SY", b"\x17rE8P\x90"))
COMPRESSIONS: Final[dict[Compression, tuple[str, bytes | tuple[bytes, ...]]]] = {
    "gzip": (".gz", b"\x1f\x8b"),
    "zstd": (".zst", b"\x28\xb5\x2f\xfd"),
    "bz2": (".bz2", _BZ2),
    "xz": (".xz", b"\xfd7zXZ\0"),
    "zip": (".zip", (b"PK\x03\x04", b"PK\x05\x06")),
}
"""The ending and the magic numbers of each compression."""
WRITTEN: Final[tuple[Compression, ...]] = ("gzip", "zstd")
"""The compressions of outputs; the others are read alone."""


def compression_of(path: PurePath | str) -> Compression | None:
    """The compression that the ending of `path` promises."""
    suffix = os.path.splitext(os.fspath(path).rstrip("/"))[1].lower()  # noqa: PTH122  asked of every file of a folder
    return next((name for name, (ending, _) in COMPRESSIONS.items() if ending == suffix), None)


def sniff_compression(first_bytes: bytes) -> Compression | None:
    """The compression whose magic number `first_bytes` begin with."""
    return next((name for name, (_, magic) in COMPRESSIONS.items() if first_bytes.startswith(magic)), None)


def may_be_compressed(first_bytes: bytes) -> bool:
    """Whether `first_bytes` are fewer than those by which `sniff_compression` would know one."""
    magic = [one for _, marks in COMPRESSIONS.values() for one in ((marks,) if isinstance(marks, bytes) else marks)]
    return any(len(first_bytes) < len(one) and one.startswith(first_bytes) for one in magic)


class ByteStream(Protocol):
    """What readers need of an open file."""

    def read(self, size: int) -> bytes: ...


class _Decompressed:
    """The decompressed bytes of a file; damage in the compressed stream is a DataError."""

    def __init__(self, path: Path, compression: Compression) -> None:
        self._path = path
        self._compression = compression
        self._stream = pa.CompressedInputStream(arrow_file(path), compression)

    def read(self, size: int) -> bytes:
        try:
            return bytes(self._stream.read(size))
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self._path}: the {self._compression} stream is damaged or cut short") from error

    def close(self) -> None:
        self._stream.close()


def arrow_file(path: Path) -> pa.NativeFile:
    """The bytes of `path` as Arrow reads them."""
    if isinstance(path, ObjectPath):
        return pa.PythonFile(path.open("rb", buffering=0), mode="r")
    return pa.OSFile(str(path))


@contextmanager
def open_bytes(path: Path, compression: Compression | None) -> Iterator[ByteStream]:
    """The decompressed bytes of `path`. Errors of the operating system come out of our error tree."""
    try:
        if compression is None:
            with path.open("rb", buffering=0) as raw:
                yield _Whole(raw)
            return
        decompressed = _unpacked(path, compression)
    except OSError as error:
        raise from_os_error(error) from error
    try:
        yield decompressed
    finally:
        decompressed.close()


def _unpacked(path: Path, compression: Compression) -> _Decompressed | ChainedStreams | ZipMember:
    if compression == "bz2" or compression == "xz":
        return ChainedStreams(path.open("rb"), path, compression)
    return ZipMember(path) if compression == "zip" else _Decompressed(path, compression)


class _Whole:
    """An unbuffered file whose `read` returns fewer bytes than asked for only at the end."""

    def __init__(self, raw: io.FileIO) -> None:
        self._raw = raw

    def read(self, size: int) -> bytes:
        parts = []
        while size > 0 and (part := self._raw.read(size)):
            parts.append(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


class WatchedOutput(io.RawIOBase):
    """A binary output that counts its bytes, remembers the first failure and can be told to drop the rest.

    pyarrow's writers may swallow an error while they close; `check` raises it after all. A closed pipe stays a
    BrokenPipeError, for the caller to tell from a full disk.
    """

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        self._written = 0
        self._error: OSError | None = None
        self.discarding = False

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def write(self, data: object) -> int:
        view = memoryview(data)  # type: ignore[arg-type]
        if self.discarding:
            return view.nbytes
        try:
            offset = 0
            while offset < view.nbytes:
                offset += self._stream.write(view[offset:]) or 0
        except OSError as error:
            self._error = self._error or error
            raise
        self._written += view.nbytes
        return view.nbytes

    def flush(self) -> None:
        if not self.discarding and not self._stream.closed:
            self._stream.flush()

    def check(self) -> None:
        """Raise the first failure of a write, if there was one."""
        if self._error is not None:
            raise named(self._error)


class Output:
    """The watched stream of a sink, and whether it is ours to close."""

    def __init__(self, path: Path | BinaryIO) -> None:
        self.path = path if isinstance(path, Path) else None
        try:
            self._raw: BinaryIO = path.open("wb") if isinstance(path, Path) else path
        except OSError as error:
            raise from_os_error(error) from error
        self.watched = WatchedOutput(self._raw)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Name what goes wrong while writing; pyarrow passes on what the stream raised, or swallows it."""
        try:
            yield
        except pa.ArrowException as error:
            self.watched.check()
            raise DataError(f"the output cannot be written in this format ({first_line(error)})") from error
        except OSError as error:
            self.watched.check()
            raise named(error) from error
        self.watched.check()

    def finish(self) -> None:
        self.watched.flush()
        if self.path is not None:
            self._raw.close()

    def abandon(self, close: Callable[[], object] | None = None) -> None:
        """`close` a writer without letting it write any more: a closed Parquet file would look complete."""
        self.watched.discarding = True
        with contextlib.suppress(OSError, pa.ArrowException):  # the run fails already, with the error that counts
            if close is not None:
                close()
        if self.path is not None:
            with contextlib.suppress(OSError):
                self._raw.close()


def named(error: OSError) -> ScorerError | BrokenPipeError:
    """The error of our tree for a failed write; a closed pipe stays what it is."""
    return error if isinstance(error, BrokenPipeError) else from_os_error(error)


def first_line(error: Exception) -> str:
    """The first line of what an outside library says, shortened: enough to recognise the trouble."""
    return str(error).strip().split("\n", maxsplit=1)[0][:200]
