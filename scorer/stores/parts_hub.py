"""A folder of a data set of the hub that a job fills with parts: everything that a run has made is one commit.

Until then the folder is what it was. Finished parts wait on this machine, beside the journal that tells of them, so a
run that was killed, or that the hub refused, sends them when it is run again, and scores nothing twice. The commit has
parts, manifest and `_SUCCESS`; it is made on the very commit in which the manifest is the one that the run has found,
and refused where it is another. There is no lease: it would be a commit, too.

The hub keeps no notes beside files. What was sent from this machine is remembered here, by the hashes that the hub
knows files by, and is not read again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from scorer.errors import Busy, InputMissing, OutputRefused, from_os_error
from scorer.stores.atomic import publish
from scorer.stores.fingerprints import hash_of
from scorer.stores.hub import HubDataset
from scorer.stores.hub_repository import Repository
from scorer.stores.object_path import ObjectPath
from scorer.stores.objects import Tag
from scorer.stores.parts_bucket import PartsBucket
from scorer.stores.parts_folder import MANIFEST, SUCCESS, FileStamp, PartsFolder, manifest_text, read_json, stamp_of

_TRIES: Final = 8
_SENT: Final = "sent"


@dataclass
class PartsHub(PartsBucket):
    """The place `path` of a data set, held on this machine from `hold` to `let_go`."""

    def hold(self) -> None:
        """Take the lock of this machine; a data set that is not there is made, for its owner alone. Busy when another
        run of this machine has it; NotPermitted without a token that may write."""
        self._repository.check_token()
        self._take_lock()
        try:
            self._repository.make(private=True)
        except BaseException:
            self.let_go()
            raise

    def check_held(self) -> None:
        PartsFolder.check_held(self)

    def part(self, name: str) -> Path:
        waiting = self._waiting / name
        return waiting if waiting.is_file() else super().part(name)

    def stamp(self, name: str) -> FileStamp | None:
        return stamp_of(self._waiting / name) or super().stamp(name)

    def content(self, name: str) -> str:
        """As it was when this machine sent it; else every byte is read."""
        place = self.part(name)
        return self._known_content(place) or hash_of(place)

    def is_ours(self, name: str) -> bool:
        """Whether this machine sent it, or is about to."""
        return (self._waiting / name).is_file() or self._known_content(self.part(name)) is not None

    def read_manifest(self) -> dict[str, Any] | None:
        place = self._at(MANIFEST)
        try:
            found = place.look()
        except InputMissing:
            if self._lease is not None:
                raise
            found = None  # whoever only looks finds no data set
        # Of its content alone: a commit that leaves it as it is makes nothing of it stale.
        self._version = None if found is None else Tag(found.etag)
        return None if found is None else read_json(place)

    def publish(self, temporary: Path, name: str, *, content: str) -> None:
        """Let the finished file wait for the commit."""
        self.check_held()
        self._remember(temporary, content)
        target = self._waiting / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            publish(temporary, target)
        except OSError as error:
            raise from_os_error(error) from error
        self._note_deleted(self._deleted - {name})

    def delete(self, name: str) -> None:
        self.check_held()
        try:
            (self._waiting / name).unlink(missing_ok=True)
        except OSError as error:
            raise from_os_error(error) from error
        self._note_deleted(self._deleted | {name})
        self._objects().pop(name, None)

    def strangers(self, ours: set[str]) -> list[str]:
        return sorted((self._objects().keys() | self._made().keys()) - ours)

    def left_behind(self, ours: set[str], *, may_be: Callable[[str], bool]) -> list[str]:  # noqa: ARG002
        """Nothing: a commit is whole."""
        return []

    def begin_change(self) -> None:
        """Nothing of it is seen yet."""

    def conclude(self, manifest: Mapping[str, Any] | None, stamps: Mapping[str, Any] | None, *, whole: bool) -> None:
        """Make the commit, if there is anything to change. Busy or OutputRefused when somebody else writes there."""
        self.check_held()
        before = self._stamps
        self._send(None if manifest is None else manifest_text(manifest), whole=whole)
        self._listed = None
        self.read_manifest()
        if stamps is not None:
            self.write_stamps(stamps)
        elif before != self._stamps and before.exists():
            before.replace(self._stamps)
        self._tidy()

    def _tidy(self) -> None:
        """Delete what belonged to this run, and to earlier ones upon other manifests: all but the stamps."""
        for kind in ("journal", "stamps", "waiting", "deleted"):
            for path in self.hidden.glob(f"{kind}-*"):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                elif path != self._stamps:
                    path.unlink(missing_ok=True)

    def _send(self, text: bytes | None, *, whole: bool) -> None:
        """One commit of all that waits, on the manifest that this run has found; none where nothing does."""
        for _ in range(_TRIES):
            parent = self._repository.head()
            there = self._at(MANIFEST).look()
            found = None if there is None else there.etag
            if text is not None and found in _hub_hashes(text):
                return  # the answer to an earlier try was lost
            if found != (None if self._version is None else self._version.etag):
                raise OutputRefused(f"{self.path}: another run wrote it meanwhile; run the same command again")
            add, delete = self._changes(text, whole=whole)
            if not add and not delete:
                return
            message = f"scorer score: {len(add)} files written, {len(delete)} deleted"
            if self._repository.commit(message, add=add, delete=delete, parent=parent) is not None:
                return
            self._listed = None
        raise Busy(f"{self.path}: others write to the data set all the time; try again later")

    def _changes(self, text: bytes | None, *, whole: bool) -> tuple[dict[str, Path | bytes], set[str]]:
        """What is to be added, and deleted, by keys of the data set."""
        add: dict[str, Path | bytes] = {self._at(name).key: path for name, path in self._made().items()}
        there = {found.key for found in self._listing()}
        delete = {self._at(name).key for name in self._deleted} & there
        if text is not None:
            add[self._at(MANIFEST).key] = text
        flag = self._at(SUCCESS).key
        if whole and flag not in there:
            add[flag] = b""
        if not whole and flag in there:
            delete.add(flag)
        return add, delete

    def _made(self) -> dict[str, Path]:
        """The parts that wait, by name."""
        root = self._waiting
        return {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if path.is_file()}

    def _objects(self) -> dict[str, ObjectPath]:
        if self._listed is None:
            deleted = self._deleted
            inside = {found.relative_to(self._place).as_posix(): found for found in self._listing()}
            hidden = {name for name in inside if any(part.startswith((".", "_")) for part in name.split("/"))}
            self._listed = {name: found for name, found in inside.items() if name not in deleted | hidden}
        return self._listed

    def _listing(self) -> list[ObjectPath]:
        """All that lies there; nothing where there is no such folder."""
        return list(self._place.beneath()) if self._place.is_dir() else []

    def _known_content(self, place: Path) -> str | None:
        found = place.seen() if isinstance(place, ObjectPath) else None
        return None if found is None or found.etag is None else self._sent.get(found.etag)

    def _remember(self, file: Path, content: str) -> None:
        """What the hub will call a file of this `content`."""
        try:
            hashes = _hub_hashes(file)
            with (self.hidden / _SENT).open("a", encoding="utf-8") as stream:
                stream.writelines(f"{json.dumps([found, content])}\n" for found in hashes)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise from_os_error(error) from error
        self._sent.update(dict.fromkeys(hashes, content))

    @cached_property
    def _sent(self) -> dict[str, str]:
        """The contents that this machine has sent, or meant to, by what the hub calls them."""
        found: dict[str, str] = {}
        try:
            for line in (self.hidden / _SENT).read_text(encoding="utf-8").splitlines():
                etag, content = json.loads(line)
                found[etag] = content
        except (OSError, ValueError):  # a last line that a crash cut short; what is forgotten is read again
            pass
        return found

    @property
    def _repository(self) -> Repository:
        bucket = self._place.bucket
        assert isinstance(bucket, HubDataset), f"{self.path} is no place of the hub; this is a bug"
        return Repository("dataset", bucket.written_name)

    @property
    def _waiting(self) -> Path:
        """Where the parts wait that belong upon the manifest that the run has found."""
        return self._of_manifest("waiting")

    @property
    def _deletions(self) -> Path:
        return self._of_manifest("deleted")

    @property
    def _deleted(self) -> set[str]:
        """The parts that the commit will delete."""
        try:
            return set(json.loads(self._deletions.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return set()

    def _note_deleted(self, names: set[str]) -> None:
        if names != self._deleted:
            self._put(self._deletions, json.dumps(sorted(names)).encode())


def _hub_hashes(content: Path | bytes) -> tuple[str, str]:
    """What the hub may call a file: as Git does where it is small, by its SHA-256 where it is large."""
    if isinstance(content, bytes):
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
        return blob.hexdigest(), hashlib.sha256(content).hexdigest()
    blob = hashlib.sha1(b"blob %d\0" % content.stat().st_size, usedforsecurity=False)
    large = hashlib.sha256()
    with content.open("rb") as stream:
        while piece := stream.read(1 << 20):
            blob.update(piece)
            large.update(piece)
    return blob.hexdigest(), large.hexdigest()
