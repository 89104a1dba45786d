"""What a file is: whether it is still the one that was opened, and a fingerprint of its contents.

Files that were hashed before and did not change are not read again to know that. A known hash counts for one path,
device, inode, size, modification time and change time, to the nanosecond. Every ordinary change of a file alters one of
them: the change time is the system's own, which nobody can set. As with git's index, a file that changed just before it
was hashed is not remembered, since it could change again within one tick of the clock.

Hashes are kept in the user's cache folder, as well as can be: where there is none, or it may not be written, every file
is hashed. An entry is a small file that appears whole and carries a checksum, so that any number of processes may read
and write, and be killed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Final

from scorer.errors import DataError, InputMissing, from_os_error
from scorer.stores.object_path import ObjectPath

_PIECE_BYTES: Final = 1 << 20
# FAT keeps times to two seconds, and clocks of other machines go a little differently.
SETTLED_SECONDS: Final = 3.0
_MOST_BYTES: Final = 4096


@dataclass(frozen=True)
class Stamp:
    """Size in bytes, modification time in nanoseconds and inode of `path` at one moment; of an object its `token`, as
    its store gives it, in the place of both."""

    path: Path
    size: int
    mtime_ns: int
    inode: int
    token: str = ""

    @classmethod
    def of(cls, path: Path) -> Stamp:
        if isinstance(path, ObjectPath):
            if (found := path.look()) is None:
                raise InputMissing(f"{path}: no such object")
            return cls(path, found.size, 0, 0, found.token)
        try:
            status = path.stat()
        except OSError as error:
            raise from_os_error(error) from error
        return cls(path, status.st_size, status.st_mtime_ns, status.st_ino)


def check_unchanged(stamps: Iterable[Stamp]) -> None:
    """DataError when a file is gone or differs from what it was when its stamp was taken."""
    for stamp in stamps:
        if not _is(stamp):
            raise DataError(f"{stamp.path}: changed while it was read; run again when it is no longer written to")


def _is(stamp: Stamp) -> bool:
    try:
        return Stamp.of(stamp.path) == stamp
    except InputMissing:
        return False


def fingerprint(stamps: Sequence[Stamp], *, known: KnownHashes | None = None) -> str:
    """BLAKE2b (256 bits, hexadecimal) of the files' contents, in order: as `content_hashes` has them."""
    return combined(content_hashes(stamps, known=known))


def combined(hashes: Iterable[str]) -> str:
    """One fingerprint of the `hashes` of several files, in order."""
    whole = hashlib.blake2b(digest_size=32)
    for one in hashes:
        whole.update(bytes.fromhex(one))
    return whole.hexdigest()


def content_hashes(stamps: Sequence[Stamp], *, known: KnownHashes | None = None) -> list[str]:
    """BLAKE2b (256 bits, hexadecimal) of each file's content; of an object, of its size and token alone. A file whose
    hash is `known`, to the user's cache unless others are given, is not read."""
    known = KnownHashes.of_user() if known is None else known
    return [
        identity_of_object(stamp.size, stamp.token) if stamp.token else known.hash_of(stamp.path, "blake2b", _hash)
        for stamp in stamps
    ]


def identity_of_object(size: int, token: str) -> str:
    """BLAKE2b (256 bits, hexadecimal) that stands for the content of an object of `size` bytes with this `token`."""
    return hashlib.blake2b(f"object {size} {token}".encode(), digest_size=32).hexdigest()


def hash_of(path: Path) -> str:
    """BLAKE2b (256 bits, hexadecimal) of the whole file."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=32)).hexdigest()
    except OSError as error:
        raise from_os_error(error) from error


def _hash(stream: BinaryIO) -> str:
    digest = hashlib.blake2b(digest_size=32)
    while part := stream.read(_PIECE_BYTES):
        digest.update(part)
    return digest.hexdigest()


@dataclass(frozen=True)
class KnownHashes:
    """Hashes in the folder `folder`, which is made when something is remembered; none where it is None. A file that
    changed less than `settled_seconds` ago is not remembered, nor are more files than 256 times `most_in_a_folder`."""

    folder: Path | None
    settled_seconds: float = SETTLED_SECONDS
    most_in_a_folder: int = 256

    @classmethod
    def of_user(cls) -> KnownHashes:
        """Those of this user: in $XDG_CACHE_HOME/scorer, else ~/.cache/scorer; none without HOME. A folder that
        somebody else can write into is not used: a forged entry would vouch for a file."""
        return cls(user_cache("hashes"))

    def hash_of(self, path: Path, kind: str, compute: Callable[[BufferedReader], str]) -> str:
        """What `compute` makes of the bytes of `path`, or made of them before under the same `kind`.

        A file that changes while it is read is not remembered; whoever needs to know looks at it afterwards.
        """
        try:
            status = path.stat()
            entry = self._entry(path, kind)
            if entry is not None and (known := _read(entry, _identity(path, kind, status))) is not None:
                return known
            begun = time.time_ns()
            with path.open("rb") as stream:
                before = os.fstat(stream.fileno())
                found = compute(stream)
                after = os.fstat(stream.fileno())
        except OSError as error:
            raise from_os_error(error) from error
        identity = _identity(path, kind, before)
        settled = begun - max(before.st_mtime_ns, before.st_ctime_ns) > self.settled_seconds * 1e9
        if entry is not None and settled and identity == _identity(path, kind, after):
            with contextlib.suppress(OSError):
                self._write(entry, identity, found)
        return found

    def _entry(self, path: Path, kind: str) -> Path | None:
        """Where the hash of `path` is kept: one place a path, so that what it was before makes room."""
        if self.folder is None or not is_ours(self.folder):
            return None
        name = hashlib.blake2b(os.fsencode(path.absolute()) + b"\0" + kind.encode(), digest_size=16).hexdigest()
        return self.folder / name[:2] / name[2:]

    def _write(self, entry: Path, identity: str, found: str) -> None:
        # Nothing is brought to the disk: an entry that a power cut tears has no checksum, and is written anew.
        assert self.folder is not None, "nothing is remembered; this is a bug"
        for folder in (self.folder, entry.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(prefix=".", dir=entry.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(_sealed(identity, found))
            Path(beside).replace(entry)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
        self._make_room(entry.parent)

    def _make_room(self, folder: Path) -> None:
        """Forget the older half of `folder` when it is full; what a killed process left half written goes with it."""
        entries = list(folder.iterdir())
        if len(entries) > self.most_in_a_folder:
            with contextlib.suppress(OSError):  # another process makes room as well
                entries.sort(key=lambda entry: entry.stat().st_mtime_ns)
                for entry in entries[: len(entries) // 2]:
                    entry.unlink(missing_ok=True)


def _identity(path: Path, kind: str, status: os.stat_result) -> str:
    parts = (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        kind,
        os.fsencode(path.absolute()).hex(),
    )
    return " ".join(map(str, parts))


def _read(entry: Path, identity: str) -> str | None:
    """The hash in `entry`, unless it is another identity's, torn or not there."""
    try:
        with entry.open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
        found = content.decode().split("\n")[1]
    except (OSError, ValueError, IndexError):
        return None
    return found if content == _sealed(identity, found) else None


def _sealed(identity: str, found: str) -> bytes:
    content = f"{hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()}\n{found}\n".encode()
    return content + hashlib.blake2b(content, digest_size=16).hexdigest().encode()


def is_ours(folder: Path) -> bool:
    """Whether nobody else can write into `folder`, if it is there."""
    try:
        status = folder.stat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def user_cache(what: str) -> Path | None:
    """The folder for `what` is kept for this user: in $XDG_CACHE_HOME/scorer, else ~/.cache/scorer; None without
    HOME."""
    named, home = os.environ.get("XDG_CACHE_HOME", ""), os.environ.get("HOME", "")
    if Path(named).is_absolute():
        return Path(named, "scorer", what)
    return Path(home, ".cache", "scorer", what) if Path(home).is_absolute() else None
