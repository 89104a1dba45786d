"""A place in a bucket that a job fills with parts: as a folder of this machine is, but that no object can be renamed.

A part is made on this machine and sent to its own key when it is known to be good, with a note of its content; the
manifest comes last, and only in the place of the one that the run has found. What a folder has in `.scorer/` lies on
this machine. What is told there of the time since the manifest counts for that very manifest alone, because a run of
another machine may have written a newer one. The object `.NAME.lease` beside the place says who writes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scorer.errors import DataError, OutputRefused, ScorerError, from_os_error
from scorer.stores.fingerprints import hash_of
from scorer.stores.object_lease import ObjectLease, lease_of
from scorer.stores.object_path import ObjectPath
from scorer.stores.objects import Tag
from scorer.stores.parts_folder import MANIFEST, SUCCESS, FileStamp, PartsFolder, manifest_text, read_json, stamp_of
from scorer.stores.workspace import workplace

_CONTENT: Final = "scorercontent"
_PLACE: Final = "scorerplace"
# The store is asked so often at most whether the run still holds the lease.
_ASKED_SECONDS: Final = 1.0


@dataclass
class PartsBucket(PartsFolder):
    """The place `path` of a store, held from `hold` to `let_go`."""

    _held: ObjectLease | None = None
    _asked: float = 0.0
    # That of the manifest which was read or written last; None for none.
    _version: Tag | None = None
    _listed: dict[str, ObjectPath] | None = None

    def hold(self) -> None:
        """Take the lock of this machine, then the lease. Busy when another run has one of them; OutputRefused where
        there is no such bucket."""
        self._take_lock()
        try:
            self._held = lease_of(self._place)
        except BaseException:
            self.let_go()
            raise

    def let_go(self) -> None:
        with contextlib.suppress(ScorerError):  # it expires, and what was written is whole
            if self._held is not None:
                self._held.release()
        self._held = None
        super().let_go()

    def check_held(self) -> None:
        super().check_held()
        if time.monotonic() - self._asked < _ASKED_SECONDS:
            return
        if self._held is None or not self._held.held():
            raise OutputRefused(f"{self.path}: another run took it over meanwhile; run the same command again")
        self._asked = time.monotonic()

    @property
    def hidden(self) -> Path:
        return workplace(self._place)

    def part(self, name: str) -> Path:
        """Where the part is; it knows what it was when the run first looked, or when it was published since."""
        return self._objects().get(name) or self._at(name)

    def stamp(self, name: str) -> FileStamp | None:
        found = self._objects().get(name)
        return None if found is None else stamp_of(found)

    def content(self, name: str) -> str:
        """As its writer has noted it, who is one of ours; else every byte is read."""
        return self._at(name).note().get(_CONTENT) or hash_of(self._at(name))

    def is_ours(self, name: str) -> bool:
        """Whether a run of ours wrote the part, be it one of another machine that was killed."""
        return _CONTENT in self._at(name).note()

    def read_manifest(self) -> dict[str, Any] | None:
        place = self._at(MANIFEST)
        found = place.look()
        self._version = None if found is None else found.tag
        return None if found is None else read_json(place)

    def write_manifest(self, document: Mapping[str, Any]) -> None:
        self.check_held()
        before = self._journal, self._stamps
        place = self._at(MANIFEST)
        version = place.bucket.put(place.key, manifest_text(document), only=self._version or "absent")
        if version is None:
            raise OutputRefused(f"{place}: another run wrote it meanwhile; run the same command again")
        self._version = version
        for old, new in zip(before, (None, self._stamps), strict=True):
            with contextlib.suppress(FileNotFoundError):
                old.unlink() if new is None else old.replace(new)

    def succeed(self, *, whole: bool) -> None:
        self.check_held()
        flag = self._at(SUCCESS)
        if not whole:
            flag.bucket.delete(flag.key)
        elif not flag.is_file():
            flag.bucket.put(flag.key, b"")

    def publish(self, temporary: Path, name: str, *, content: str) -> None:
        self.check_held()
        self._objects()[name] = self._at(name).upload(temporary, note={_CONTENT: content, _PLACE: self._told(name)})
        try:
            temporary.unlink()
        except OSError as error:
            raise from_os_error(error) from error

    def delete(self, name: str) -> None:
        self.check_held()
        place = self._at(name)
        place.bucket.delete(place.key)
        self._objects().pop(name, None)

    def strangers(self, ours: set[str]) -> list[str]:
        return sorted(self._objects().keys() - ours)

    def left_behind(self, ours: set[str], *, may_be: Callable[[str], bool]) -> list[str]:
        """What another machine had sent to this very place under this very name: neither to one that lies in it, or
        that it lies in, nor what somebody copied. Each other object is asked once what it is."""
        known, foreign, found = self._read_foreign(), {}, []
        for name in filter(may_be, self.strangers(ours)):
            stamp = list(self.stamp(name) or ())
            sent = False if known.get(name) == stamp else self._was_sent_here(name)
            if sent:
                found.append(name)
            elif sent is not None:
                foreign[name] = stamp
        if foreign != known:
            self._put(self._foreign, json.dumps(foreign).encode(errors="backslashreplace"))
        return found

    def _was_sent_here(self, name: str) -> bool | None:
        """None where it may not be looked at, or not now: then nothing is told of it."""
        try:
            return self._at(name).note().get(_PLACE) == self._told(name)
        except ScorerError:
            return None

    def _told(self, name: str) -> str:
        """What is noted beside a part: the place that it is sent to, and its name there."""
        return hashlib.blake2b(f"{self._place}\0{name}".encode(), digest_size=16).hexdigest()

    def _read_foreign(self) -> dict[str, Any]:
        """What lies in the place and is not ours, as it was when it was looked at; nothing where that is lost."""
        try:
            return read_json(self._foreign) or {}
        except DataError:
            return {}

    @property
    def _foreign(self) -> Path:
        return self.hidden / "foreign"

    @property
    def _place(self) -> ObjectPath:
        assert isinstance(self.path, ObjectPath), f"{self.path} is no place in a bucket; this is a bug"
        return self.path

    def _at(self, name: str) -> ObjectPath:
        return self._place.joinpath(*name.split("/"))

    def _objects(self) -> dict[str, ObjectPath]:
        """The objects of the place by name, listed once; hidden ones, and those that begin with _, are no data."""
        if self._listed is None:
            self._listed = {}
            for found in self._place.beneath():
                inside = found.relative_to(self._place)
                if not any(part.startswith(".") for part in inside.parts) and not inside.name.startswith("_"):
                    self._listed[inside.as_posix()] = found
        return self._listed

    @property
    def _journal(self) -> Path:
        return self._of_manifest("journal")

    @property
    def _stamps(self) -> Path:
        return self._of_manifest("stamps")

    def _of_manifest(self, name: str) -> Path:
        tag = repr(self._version).encode()
        return self.hidden / f"{name}-{hashlib.blake2b(tag, digest_size=8).hexdigest()}"
