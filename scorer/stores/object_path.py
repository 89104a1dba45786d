"""A place in an object store as a path, so that whatever reads files by `open`, `stat` and their names reads objects.

    s3://bucket/folder/day=1/part.parquet        gs://bucket/key       az://container/key       https://host/data.csv
    hf://datasets/owner/name/folder/part.parquet

A bucket has no folders: one is there while an object lies beneath it. What cannot be said of an object (a link, a lock,
an empty folder) cannot be asked here; nothing is changed in place.
"""

from __future__ import annotations

import errno
import io
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PosixPath
from types import MappingProxyType
from typing import Any, BinaryIO, Final, Self, cast
from urllib.parse import unquote

from scorer.errors import InputMissing, UsageError
from scorer.stores.hub import HubDataset
from scorer.stores.objects import ADVICE, SCHEMES, WEB, Bucket, ObjectInfo, Scheme
from scorer.stores.ranged import RangedReader

_URL: Final = re.compile(rf"({'|'.join(SCHEMES)}):/{{1,2}}", re.IGNORECASE)
_SIGNATURE: Final = re.compile(r"[?&](sig|signature|x-amz-signature|x-goog-signature)=", re.IGNORECASE)


class ObjectPath(PosixPath):
    """An object, or what lies beneath a name. `str` of it is the URL.

    What came from `beneath` knows size and version without asking again, until it is opened or its stamp is taken.
    """

    _listed: ObjectInfo | None = None

    @classmethod
    def of(cls, said: str) -> ObjectPath:
        """The place that the URL names. UsageError where no object can have that name, or where it has a password or a
        signature in it, which would be told and kept wherever the name is."""
        found = _URL.match(said)
        assert found is not None, f"{shown_url(said)} names no object; this is a bug"
        scheme, rest = cast(Scheme, found[1].lower()), said[found.end() :]
        parts = rest.removesuffix("/").split("/")
        shown, fetch = shown_url(said), "fetch it (curl -O) or pipe it in and say -"
        if "@" in parts[0]:
            raise UsageError(f"{shown}: a name and a password in an address are not used; {ADVICE[scheme]}")
        if _SIGNATURE.search(rest):
            raise UsageError(f"{shown}: a signature in an address is not used; {ADVICE[scheme]}")
        if scheme in WEB and re.search(r"[?#]", rest):
            raise UsageError(f"{shown}: an address with a query is not read; {fetch}")
        if scheme in WEB and not all(map(_is_a_name, parts)):
            raise UsageError(f"{shown}: an address with %2F, or what is no UTF-8, is not read; {fetch}")
        if not parts[0] or any(part in ("", ".", "..") for part in parts):
            raise UsageError(f"{shown}: no place in a store: {scheme}://BUCKET/KEY, without empty parts, . and ..")
        place = cls(f"{scheme}:", *parts)
        _ = place.bucket  # of the hub, which refuses what is no data set
        return place

    def __str__(self) -> str:
        text = super().__str__()
        return text.replace(":/", "://", 1) if self._is_whole else text

    def __fspath__(self) -> str:
        return str(self)

    @property
    def bucket(self) -> Bucket:
        name = "/".join(self.parts[1 : self._depth])
        if self.parts[0] == "hf:":
            return HubDataset("hf", name)
        return Bucket(self.parts[0].removesuffix(":"), name)  # type: ignore[arg-type]

    @property
    def key(self) -> str:
        """The object's key in its bucket; empty for the bucket itself. In an address of the web some characters stand
        as a percent sign and their codes."""
        key = "/".join(self.parts[self._depth :])
        return unquote(key) if self.bucket.scheme in WEB else key

    def look(self) -> ObjectInfo | None:
        """The object as it is now; None where there is none."""
        return self.bucket.look(self.key) if self.key else None

    def seen(self) -> ObjectInfo | None:
        """The object as it was listed, or else is now; None where there is none."""
        return self._listed or self.look()

    def beneath(self) -> Iterator[Self]:
        """All objects beneath this name, sorted. InputMissing where there is no such bucket."""
        root = type(self)(*self.parts[: self._depth])
        for info in sorted(self.bucket.list(self.key), key=lambda one: one.key):
            path = root.joinpath(*info.key.split("/"))
            # What is called like a folder is a mark that some tools leave.
            if info.key.startswith(f"{self.key}/" if self.key else "") and path.key == info.key:
                path._listed = info
                yield path

    def exists(self, **_: Any) -> bool:
        return self.is_file() or self.is_dir()

    def is_file(self, **_: Any) -> bool:
        return self._listed is not None or self.look() is not None

    def is_dir(self, **_: Any) -> bool:
        if self._listed is not None or self.bucket.scheme in WEB:
            return False
        try:
            return self.bucket.has_any(self.key)
        except InputMissing:
            return False

    def is_symlink(self) -> bool:
        return False

    def stat(self, **_: Any) -> os.stat_result:
        found = self.seen()
        if found is None and not self.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self))
        size = found.size if found is not None else 0
        seconds = int(found.modified.timestamp()) if found is not None else 0
        mode = stat.S_IFREG | 0o444 if found is not None else stat.S_IFDIR | 0o555
        return os.stat_result((mode, 0, 0, 1, 0, 0, size, seconds, seconds, seconds))

    def open(self, mode: str = "rb", buffering: int = -1, **_: Any) -> Any:  # type: ignore[override]
        """The object's bytes as they are now, to be read from any place."""
        assert mode == "rb", f"{self}: an object is opened for reading bytes alone; this is a bug"
        found = self.look()
        if found is None:
            raise InputMissing(f"{self}: no such object")
        reader = RangedReader(self.bucket, found)
        return cast(BinaryIO, reader) if buffering == 0 else io.BufferedReader(reader)

    def upload(self, path: Path, *, note: Mapping[str, str] = MappingProxyType({})) -> Self:
        """Write the object from the local file `path`, with a `note` beside it; it is seen when it is whole. What is
        returned knows what it was then."""
        written = type(self)(*self.parts)
        written._listed = self.bucket.upload(self.key, path, note=note)
        return written

    def note(self) -> Mapping[str, str]:
        """What its writer has noted beside the object."""
        return self.bucket.note(self.key) or {}

    def resolve(self, strict: bool = False) -> Self:  # noqa: ARG002 - as Path has it
        return self

    def absolute(self) -> Self:
        return self

    def samefile(self, other_path: Any) -> bool:
        return isinstance(other_path, ObjectPath) and self == other_path

    def unlink(self, missing_ok: bool = False) -> None:  # noqa: ARG002 - as Path has it
        self.bucket.delete(self.key)

    @property
    def _depth(self) -> int:
        """How many parts name the bucket: hf:, datasets, the owner and the name; or the scheme and the name."""
        return 4 if self.parts[0] == "hf:" else 2

    @property
    def _is_whole(self) -> bool:
        return len(self.parts) > 1 and self.parts[0].removesuffix(":") in SCHEMES


def path_of(said: str | os.PathLike[str]) -> Path:
    """The place that a person names: in an object store, or a path of this machine, which goes before where there is
    one of the same name."""
    if isinstance(said, ObjectPath):
        return said
    text = os.fspath(said)
    return ObjectPath.of(text) if is_object(text) else Path(text)


def is_object(said: str | os.PathLike[str]) -> bool:
    """Whether `said` names a place in an object store."""
    found = _URL.match(os.fspath(said))
    return found is not None and not Path(os.fspath(said)[: found.end()]).exists()


def shown_url(said: str) -> str:
    """A URL as a message may show it: without a name and a password, and without a query, which may be signed."""
    return re.sub(r"^([^/]*/+)[^/]*@", r"\1", said).partition("?")[0]


def _is_a_name(part: str) -> bool:
    """Whether a part of an address of the web is one of a key, too, when its codes are read."""
    try:
        read = unquote(part, errors="strict")
    except UnicodeDecodeError:
        return False
    return "/" not in read and (read == part or read not in (".", ".."))


def matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a path of these `parts` is matched by a `pattern`, in which ** stands for any number of parts."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(matches(parts[skipped:], pattern[1:]) for skipped in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and matches(parts[1:], pattern[1:])
