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

from scorer.errors import InputMissing, UsageError
from scorer.stores.hub import HubDataset
from scorer.stores.objects import SCHEMES, Bucket, ObjectInfo
from scorer.stores.ranged import RangedReader

_URL: Final = re.compile(rf"({'|'.join(SCHEMES)}):/{{1,2}}", re.IGNORECASE)


class ObjectPath(PosixPath):
    """An object, or what lies beneath a name. `str` of it is the URL.

    What came from `beneath` knows size and version without asking again, until it is opened or its stamp is taken.
    """

    _listed: ObjectInfo | None = None

    @classmethod
    def of(cls, said: str) -> ObjectPath:
        """The place that the URL names. UsageError where no object can have that name."""
        found = _URL.match(said)
        assert found is not None, f"{said} names no object; this is a bug"
        scheme, rest = found[1].lower(), said[found.end() :]
        parts = rest.removesuffix("/").split("/")
        if not parts[0] or any(part in ("", ".", "..") for part in parts):
            raise UsageError(f"{said}: no place in a store: {scheme}://BUCKET/KEY, without empty parts, . and ..")
        if scheme in ("http", "https") and re.search(r"[?#]", rest):
            raise UsageError(f"{said}: an address with a query is not read; fetch it (curl -O) or pipe it in and say -")
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
        """The object's key in its bucket; empty for the bucket itself."""
        return "/".join(self.parts[self._depth :])

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

    def matching(self, pattern: Sequence[str]) -> Iterator[Self]:
        """The objects beneath this name whose further parts are matched by `pattern`, in which ** stands for any number
        of parts."""
        skipped = len(self.parts)
        yield from (path for path in self.beneath() if matches(path.parts[skipped:], pattern))

    def exists(self, **_: Any) -> bool:
        return self.is_file() or self.is_dir()

    def is_file(self, **_: Any) -> bool:
        return self._listed is not None or self.look() is not None

    def is_dir(self, **_: Any) -> bool:
        if self._listed is not None or self.bucket.scheme in ("http", "https"):
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


def matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a path of these `parts` is matched by a `pattern`, in which ** stands for any number of parts."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(matches(parts[skipped:], pattern[1:]) for skipped in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and matches(parts[1:], pattern[1:])
