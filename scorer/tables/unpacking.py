"""Compressed files that are read and never written: bzip2, xz, and zip with one member. Memory stays bounded whatever
they unpack to.
"""

from __future__ import annotations

import bz2
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, Protocol

from scorer.errors import DataError, from_os_error
from scorer.stores.object_path import ObjectPath

Chained = Literal["bz2", "xz", "gzip"]

_CHUNK: Final = 1 << 16
# What a dictionary of xz may need; its highest preset needs 65 MiB.
_XZ_MEMORY: Final = 256 << 20
# What macOS puts into an archive beside the files.
_NO_MEMBER: Final = "__MACOSX/"
_WRONG: Final = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError)


class Readable(Protocol):
    """What is unpacked: an open file, or one that arrives."""

    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class ChainedStreams:
    """The bytes of a bzip2, xz or gzip file `raw`, called `path`: of one compressed stream after the other, and nothing
    else."""

    def __init__(self, raw: Readable, path: Path, compression: Chained) -> None:
        self._raw = raw
        self._path = path
        self._compression = compression
        self._xz = compression == "xz"
        self._make = _DECODERS[compression]
        self._decoder = self._make()

    def read(self, size: int) -> bytes:
        """Fewer than `size` bytes only at the end."""
        parts = []
        while size > 0 and (part := self.read_some(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def read_some(self, size: int) -> bytes:
        """At least one byte and at most `size`, as many as there are without reading on; nothing at the end alone."""
        try:
            return self._next(size)
        except OSError as error:
            if error.errno is not None:
                raise from_os_error(error) from error
            raise self._damaged() from error
        except (lzma.LZMAError, zlib.error, EOFError, ValueError) as error:
            raise self._damaged() from error

    def close(self) -> None:
        self._raw.close()

    def _next(self, size: int) -> bytes:
        data = b""
        while True:
            if self._decoder.eof:
                data = self._after_stream()
                if not data:
                    return b""
                self._decoder = self._make()
            elif self._decoder.needs_input and not (data := self._raw.read(_CHUNK)):
                raise self._damaged()
            if part := self._decoder.decompress(data, size):
                return part
            data = b""

    def _after_stream(self) -> bytes:
        """What follows a stream that has ended, without the zeros that xz may have there."""
        data = self._decoder.unused_data
        while self._xz and not (data := data.lstrip(b"\0")) and (more := self._raw.read(_CHUNK)):
            data = more
        return data or self._raw.read(_CHUNK)

    def _damaged(self) -> DataError:
        return DataError(f"{self._path}: the {self._compression} stream is damaged or cut short")


class _GzipDecoder:
    """zlib's decoder of one gzip stream, as those of bz2 and lzma are."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(wbits=31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        part = self._decoder.decompress(self._decoder.unconsumed_tail + data, max_length)
        # With all that was asked for given, more may be there.
        self.needs_input = len(part) < max_length
        return part


def _xz_decoder() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)


_DECODERS: Final[dict[Chained, Callable[[], _Decoder]]] = {
    "bz2": bz2.BZ2Decompressor,
    "xz": _xz_decoder,
    "gzip": _GzipDecoder,
}


class ZipMember:
    """The bytes of the only file in a zip archive."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._archive = _archive(path)
        try:
            info = _only_member(path, self._archive)
            with _damage(path):
                self._member = self._archive.open(info)
        except BaseException:
            self._archive.close()
            raise

    def read(self, size: int) -> bytes:
        """Fewer than `size` bytes only at the end."""
        parts = []
        with _damage(self._path):
            while size > 0 and (part := self._member.read(min(size, _CHUNK))):
                parts.append(part)
                size -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        self._member.close()
        self._archive.close()


def member_name(path: Path) -> str:
    """The name of the only file in the zip archive `path`. DataError where it is damaged, or has another number."""
    with _archive(path) as archive:
        return _only_member(path, archive).filename


def _archive(path: Path) -> zipfile.ZipFile:
    with _damage(path):
        return open_zip(path)


def open_zip(path: Path) -> zipfile.ZipFile:
    """The zip archive `path`; errors as of zipfile."""
    return zipfile.ZipFile(path.open("rb") if isinstance(path, ObjectPath) else path)


def _only_member(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [info for info in archive.infolist() if not info.is_dir() and not _is_hidden(info.filename)]
    if len(members) != 1:
        raise DataError(f"{path}: the archive holds {len(members)} files; exactly one is read: unpack it, or zip each")
    if members[0].flag_bits & 1:
        raise DataError(f"{path}: the archive is encrypted; unpack it")
    return members[0]


def _is_hidden(name: str) -> bool:
    """Whether a member is none of the data: what macOS puts beside the files, and names that begin with a dot."""
    return name.startswith(_NO_MEMBER) or name.rpartition("/")[2].startswith(".")


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Name what zipfile raises over a damaged archive."""
    try:
        yield
    except NotImplementedError as error:
        raise DataError(f"{path}: compressed in a way that is not read ({error}); unpack it") from error
    except _WRONG as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise from_os_error(error) from error
        raise DataError(f"{path}: the zip archive is damaged or cut short") from error
