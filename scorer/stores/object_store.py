"""A store in a bucket, or beneath a name in it.

Keys are as those of a folder. A lease is the object `.NAME.lease`, which as all that begins with a dot is no object of
the store.

What is being written lies on this machine until it is whole, locked by its writer, and is sent then to its own key, by
parts where it is large. Nothing is sent earlier, because obstore's writer can be neither handed from one process to
another nor kept from ending an upload; and what was sent before a crash could not be found again, since it does not
list uploads that were never completed. Nobody sees an upload that a crash cuts short; a rule of the bucket
(AbortIncompleteMultipartUpload) deletes what it had sent.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Final

from scorer.errors import InputMissing, OutputRefused, from_os_error
from scorer.stores.local import LocalPart, LocalStore
from scorer.stores.object_lease import LEASE_SECONDS, ObjectLease
from scorer.stores.object_path import ObjectPath
from scorer.stores.store import Version, check_key
from scorer.stores.workspace import workplace

WHOLE_UP_TO: Final = 64 << 20
"""Parts up to this many bytes are sent with one request where the first one is to win."""


@dataclass(frozen=True)
class ObjectStore:
    """The objects beneath `root`. It may be sent to another process."""

    root: ObjectPath
    lease_seconds: float = LEASE_SECONDS

    def list(self, prefix: str = "") -> Iterator[str]:
        below = len(self.root.parts)
        folder = self.root.joinpath(*prefix.split("/")[:-1])
        keys = ("/".join(path.parts[below:]) for path in folder.beneath() if _visible(path.parts[below:]))
        yield from sorted(key for key in keys if key.startswith(prefix))

    def version(self, key: str) -> Version | None:
        found = self._at(key).look()
        return None if found is None else Version(found.size, found.token)

    def open(self, key: str) -> BinaryIO:
        opened: BinaryIO = self._at(key).open("rb")
        return opened

    def put(self, key: str, content: bytes) -> None:
        place = self._at(key)
        place.bucket.put(place.key, content)

    def put_if_absent(self, key: str, content: bytes) -> bool:
        place = self._at(key)
        return place.bucket.put(place.key, content, only="absent") is not None

    def begin(self, key: str) -> ObjectPart:
        return ObjectPart(self._at(key), self._staged.begin(key), self._staged.root)

    def delete(self, key: str) -> None:
        place = self._at(key)
        place.bucket.delete(place.key)

    def lease(self, key: str) -> ObjectLease:
        place = self._at(key)
        hidden = place.with_name(f".{place.name}.lease")
        return ObjectLease(place.bucket, hidden.key, what=str(place), seconds=self.lease_seconds)

    def sweep(self, prefix: str = "") -> int:
        return self._staged.sweep(prefix)

    @cached_property
    def _staged(self) -> LocalStore:
        return LocalStore(workplace(self.root) / "staged")

    def _at(self, key: str) -> ObjectPath:
        return self.root.joinpath(*check_key(key).split("/"))


class ObjectPart:
    """A file of this machine that becomes the object at `place`."""

    def __init__(self, place: ObjectPath, part: LocalPart, folder: Path) -> None:
        self._place = place
        self._part = part
        self._folder = folder
        self._ended = False
        self.stream: BinaryIO = part.stream

    def commit(self, *, replace: bool = True) -> bool:
        try:
            self.stream.flush()
            size = os.fstat(self.stream.fileno()).st_size
        except OSError as error:
            raise from_os_error(error) from error
        if not self._part.stands():
            raise OutputRefused(f"{self._place}: removed while it was written; run the same command again")
        if replace:
            self._place.upload(self._part.path)
        elif self._place.look() is not None or not self._put_first(size):
            self.abort()
            return False
        self.abort()
        return True

    def abort(self) -> None:
        self._part.abort()

    def _put_first(self, size: int) -> bool:
        """The first to send it wins. Of what is too large to be sent at once, whoever looked first."""
        if size > WHOLE_UP_TO:
            self._place.upload(self._part.path)
            return True
        return self._place.bucket.put(self._place.key, self._part.path.read_bytes(), only="absent") is not None


def read_object(place: ObjectPath) -> bytes | None:
    """The bytes of a small object; None where there is none."""
    try:
        content: bytes = place.read_bytes()
    except InputMissing:
        return None
    return content


def _visible(parts: tuple[str, ...]) -> bool:
    return not any(part.startswith(".") for part in parts)
