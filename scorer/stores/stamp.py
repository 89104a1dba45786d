"""What a file was when it was opened: whether it is still the same one, and a fingerprint of its contents."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from scorer.errors import DataError, from_os_error
from scorer.stores.known_hashes import KnownHashes

WHOLE_UP_TO: Final = 1 << 30
"""Files up to this many bytes are hashed whole; of larger ones, size, time and samples."""
_EDGE_BYTES: Final = 1 << 20
_SAMPLES: Final = 64
_SAMPLE_BYTES: Final = 64 << 10


@dataclass(frozen=True)
class Stamp:
    """Size in bytes, modification time in nanoseconds and inode of `path` at one moment."""

    path: Path
    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        try:
            status = path.stat()
        except OSError as error:
            raise from_os_error(error) from error
        return cls(path, status.st_size, status.st_mtime_ns, status.st_ino)


def check_unchanged(stamps: Iterable[Stamp]) -> None:
    """DataError when a file is gone or differs from what it was when its stamp was taken."""
    for stamp in stamps:
        if not stamp.path.exists() or Stamp.of(stamp.path) != stamp:
            raise DataError(f"{stamp.path}: changed while it was read; run again when it is no longer written to")


def fingerprint(stamps: Sequence[Stamp], *, whole_up_to: int = WHOLE_UP_TO, known: KnownHashes | None = None) -> str:
    """BLAKE2b (256 bits, hexadecimal) of the files' contents, in order.

    A file of more than `whole_up_to` bytes enters with its size, modification time, first and last MiB and 64 evenly
    spread blocks of 64 KiB, so that the fingerprint of a terabyte takes no longer than that of a gigabyte. A file whose
    hash is `known`, to the user's cache unless others are given, is not read.
    """
    known = KnownHashes.of_user() if known is None else known
    whole = hashlib.blake2b(digest_size=32)
    for stamp in stamps:
        kind = "blake2b" if stamp.size <= whole_up_to else "blake2b of samples"
        whole.update(bytes.fromhex(known.hash_of(stamp.path, kind, partial(_hash, stamp=stamp, kind=kind))))
    return whole.hexdigest()


def _hash(stream: BinaryIO, *, stamp: Stamp, kind: str) -> str:
    digest = hashlib.blake2b(digest_size=32)
    for part in _all(stream) if kind == "blake2b" else _samples(stream, stamp):
        digest.update(part)
    return digest.hexdigest()


def _all(stream: BinaryIO) -> Iterator[bytes]:
    while part := stream.read(_EDGE_BYTES):
        yield part


def _samples(stream: BinaryIO, stamp: Stamp) -> Iterator[bytes]:
    yield f"{stamp.size} {stamp.mtime_ns}".encode()
    yield stream.read(_EDGE_BYTES)
    for index in range(_SAMPLES):
        stream.seek((stamp.size - _SAMPLE_BYTES) * index // (_SAMPLES - 1))
        yield stream.read(_SAMPLE_BYTES)
    stream.seek(max(stamp.size - _EDGE_BYTES, 0), os.SEEK_SET)
    yield stream.read(_EDGE_BYTES)
