"""A folder that a job fills with parts, one run at a time: what it holds, what is under way, what was there before.

People read the folder with globs, so a part appears whole under its name or not at all. Everything else lies in the
hidden folder `.scorer/` in it, under names without a data ending:

    lock           held by the run
    journal        what was finished and published since the manifest was written: a line each, durable
    stamps         sizes and times of inputs and parts, so that what did not change is not read again
    shards/N/      where the parts of a shard are written, with the scores that it computed
    rejects/...    the malformed records of each input
    scores...      the scores that are known
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scorer.errors import DataError, InputMissing, NotPermitted, OutputRefused, ScorerError, from_os_error
from scorer.stores.atomic import AtomicFile, publish, put, sync_folder
from scorer.stores.fingerprints import (
    SETTLED_SECONDS,
    KnownHashes,
    Stamp,
    content_hashes,
    hash_of,
    identity_of_object,
)
from scorer.stores.object_path import ObjectPath
from scorer.stores.workspace import FileLease

HIDDEN: Final = ".scorer"
MANIFEST: Final = "_manifest.json"
SUCCESS: Final = "_SUCCESS"
_JOURNAL: Final = "journal"
_STAMPS: Final = "stamps"
_LOCK: Final = "lock"
_SHARDS: Final = "shards"
_REJECTS: Final = "rejects"

FileStamp = tuple[int, int, int, int, int]
"""Device, inode, size, modification and change time (ns) of a file: every ordinary change alters one of them. Of an
object its size alone is there, and in the place of the modification time a number that is made of its token."""


def stamp_of(path: Path) -> FileStamp | None:
    """The stamp of a file; None where there is none."""
    if isinstance(path, ObjectPath):
        info = path.seen()
        return None if info is None else (0, 0, info.size, int(identity_of_object(info.size, info.token)[:15], 16), 0)
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise from_os_error(error) from error
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def identities_of(
    paths: Mapping[str, Path], seen: Mapping[str, tuple[FileStamp, str]]
) -> dict[str, tuple[str, FileStamp | None] | ScorerError]:
    """By name, the fingerprint of each file's content; and its stamp, but None where a change right now might leave
    it the same. A file that still has the stamp under which it was `seen` has the fingerprint that it had. Of a file
    that may not be read, or is gone, the error that says so."""
    now = time.time_ns()
    found: dict[str, tuple[str, FileStamp | None] | ScorerError] = {}
    unknown = {}
    for name, path in paths.items():
        stamp = stamp_of(path)
        if stamp is not None and isinstance(path, ObjectPath) and (info := path.seen()) is not None:
            found[name] = (identity_of_object(info.size, info.token), stamp)
        elif stamp is not None and name in seen and seen[name][0] == stamp:
            found[name] = (seen[name][1], stamp)
        else:
            unknown[name] = stamp
    for (name, stamp), identity in zip(unknown.items(), _hashes([paths[name] for name in unknown]), strict=True):
        if isinstance(identity, ScorerError):
            found[name] = identity
            continue
        settled = stamp is not None and now - max(stamp[3], stamp[4]) > SETTLED_SECONDS * 1e9
        found[name] = (identity, stamp if settled else None)
    return found


def _hashes(paths: Sequence[Path]) -> Sequence[str | ScorerError]:
    """The fingerprint of each file, or the error of one that cannot be had."""
    known = KnownHashes.of_user()

    def one(path: Path) -> str | ScorerError:
        try:
            return content_hashes([Stamp.of(path)], known=known)[0]
        except (InputMissing, NotPermitted) as error:
            return error

    return [one(path) for path in paths]


@dataclass
class PartsFolder:
    """The folder `path`, held from `hold` to `let_go`. Parts are named by their paths in it, with / between."""

    path: Path
    _lease: FileLease | None = None

    def hold(self) -> None:
        """Take the lock, in a folder that is made when missing. Busy when another run has it; OutputRefused where the
        folder cannot be made."""
        if self.path.exists() and not self.path.is_dir():
            raise OutputRefused(f"{self.path}: a file, where a folder is to be written; name another")
        if not self.path.parent.is_dir():
            raise OutputRefused(f"{self.path.parent}: no such folder; create it first")
        self._take_lock()

    def _take_lock(self) -> None:
        try:
            while self._lease is None:
                self.hidden.mkdir(parents=True, exist_ok=True)
                self._lease = FileLease.take(self.hidden / _LOCK, what=self.path)
        except OSError as error:
            raise from_os_error(error) from error
        self._lease.sign()

    def let_go(self) -> None:
        """Let the next run have it."""
        if self._lease is not None:
            self._lease.let_go()
            self._lease = None

    def check_held(self) -> None:
        """OutputRefused when somebody removed what this run works in."""
        if self._lease is None or not self._lease.held():
            raise OutputRefused(f"{self.hidden}: removed while a run worked in it; run the same command again")

    @property
    def hidden(self) -> Path:
        return self.path / HIDDEN

    def part(self, name: str) -> Path:
        """Where the part is."""
        return self.path / name

    def stamp(self, name: str) -> FileStamp | None:
        """What the part looks like; None where there is none."""
        return stamp_of(self.part(name))

    def content(self, name: str) -> str:
        """BLAKE2b (256 bits, hexadecimal) of the part."""
        return hash_of(self.part(name))

    def is_ours(self, name: str) -> bool:  # noqa: ARG002 - a file does not say
        """Whether the part itself says that a run of ours wrote it."""
        return False

    def shard(self, name: str) -> Path:
        """The folder of a shard, which is made when missing."""
        folder = self.hidden / _SHARDS / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def waits(self, shard: str, temporary: str) -> int | None:
        """The bytes of a file in the folder of a shard that is called `temporary` until it is published; None where it
        is not there."""
        found = stamp_of(self.hidden / _SHARDS / shard / temporary)
        return None if found is None else found[2]

    def shards(self) -> list[str]:
        """The names of the shards that have a folder."""
        folder = self.hidden / _SHARDS
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def drop_shard(self, name: str) -> None:
        """Delete the folder of a shard."""
        shutil.rmtree(self.hidden / _SHARDS / name, ignore_errors=True)

    def read_manifest(self) -> dict[str, Any] | None:
        """The manifest of the last run that ended; None where there is none. DataError for what is none of ours."""
        return read_json(self.path / MANIFEST)

    def begin_change(self) -> None:
        """From now on the folder is not what its manifest says, and not whole."""
        self.succeed(whole=False)

    def conclude(self, manifest: Mapping[str, Any] | None, stamps: Mapping[str, Any] | None, *, whole: bool) -> None:
        """End a run: with another `manifest`, and other `stamps`, where they are not those that stand; and say whether
        the folder is `whole`."""
        if manifest is not None:
            self.write_manifest(manifest)
        if stamps is not None:
            self.write_stamps(stamps)
        self.end_journal()
        self.succeed(whole=whole)

    def write_manifest(self, document: Mapping[str, Any]) -> None:
        """Write the manifest, whole and durably; the journal, which it contains, ends then."""
        self._put(self.path / MANIFEST, manifest_text(document))

    def succeed(self, *, whole: bool) -> None:
        """Say by `_SUCCESS`, as Spark does, whether the folder is `whole`."""
        flag = self.path / SUCCESS
        if whole and not flag.exists():
            self._put(flag, b"")
        elif not whole and flag.exists():
            flag.unlink()
            sync_folder(self.path)

    def read_stamps(self) -> dict[str, Any]:
        """What `write_stamps` kept; nothing where it is lost, which costs time alone."""
        try:
            found = read_json(self._stamps)
        except DataError:
            return {}
        return found or {}

    def write_stamps(self, stamps: Mapping[str, Any]) -> None:
        self._put(self._stamps, json.dumps(stamps).encode(errors="backslashreplace"))

    def read_journal(self) -> list[dict[str, Any]]:
        """The entries since the manifest; a last one that a crash cut short is none. Whoever holds the folder cuts that
        off: for others it may be about to be written."""
        path = self._journal
        try:
            content = path.read_bytes()
            whole = content.rfind(b"\n") + 1
            if whole < len(content) and self._lease is not None:
                os.truncate(path, whole)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise from_os_error(error) from error
        try:
            return [json.loads(line) for line in content[:whole].splitlines()]
        except ValueError as error:
            raise DataError(f"{path}: not what a run wrote; delete it to score its parts again") from error

    def append(self, entry: Mapping[str, Any]) -> None:
        """Add an entry to the journal, durably."""
        self.check_held()
        path = self._journal
        try:
            new = not path.exists()
            with path.open("ab") as stream:
                stream.write(json.dumps(entry).encode(errors="backslashreplace") + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
            if new:
                sync_folder(self.hidden)
        except OSError as error:
            raise from_os_error(error) from error

    def end_journal(self) -> None:
        """Delete the journal."""
        with contextlib.suppress(FileNotFoundError):
            self._journal.unlink()

    @property
    def _journal(self) -> Path:
        return self.hidden / _JOURNAL

    @property
    def _stamps(self) -> Path:
        return self.hidden / _STAMPS

    def publish(self, temporary: Path, name: str, *, content: str) -> None:  # noqa: ARG002 - a file needs no note of it
        """Give the finished file its name as a part; `content` is its hash."""
        target = self.part(name)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise from_os_error(error) from error
        publish(temporary, target)

    def has_rejects(self, name: str, identity: str) -> bool:
        """Whether the malformed records are here that the input of a part had when its content was `identity`; a run
        of another machine may have scored another content since."""
        return self._rejects(name, identity).exists()

    def keep_rejects(self, name: str, identity: str, temporary: Path) -> None:
        """Keep the malformed records that are in the file `temporary`, unless that was done."""
        kept = self._rejects(name, identity)
        try:
            if temporary.exists():
                kept.parent.mkdir(parents=True, exist_ok=True)
                publish(temporary, kept)
        except OSError as error:
            raise from_os_error(error) from error

    def forget_rejects(self, name: str, identity: str) -> None:
        try:
            self._rejects(name, identity).unlink(missing_ok=True)
        except OSError as error:
            raise from_os_error(error) from error

    def write_rejects(self, target: Path, parts: Iterable[tuple[str, str]]) -> None:
        """Write the malformed records of the inputs of `parts`, by name and content, into the file `target`."""
        file = AtomicFile(target, temporary=target.with_name(target.name + ".partial"))
        try:
            for name, identity in parts:
                kept = self._rejects(name, identity)
                if kept.exists():  # else another machine has them, of a part that could not be made anew
                    with kept.open("rb") as stream:
                        shutil.copyfileobj(stream, file.stream)
            file.commit()
        except OSError as error:
            raise from_os_error(error) from error
        finally:
            file.discard()

    def _rejects(self, name: str, identity: str) -> Path:
        told = hashlib.blake2b(f"{name}\n{identity}".encode(errors="surrogateescape"), digest_size=16)
        return self.hidden / _REJECTS / told.hexdigest()

    def delete(self, name: str) -> None:
        """Delete a part, and the folders that it leaves empty."""
        target = self.part(name)
        try:
            target.unlink(missing_ok=True)
            for folder in target.parents:
                # A run that was killed may have come to any of them.
                if folder == self.path or (folder.is_dir() and next(folder.iterdir(), None) is not None):
                    break
                if folder.is_dir():
                    folder.rmdir()
        except OSError as error:
            raise from_os_error(error) from error

    def strangers(self, ours: set[str]) -> list[str]:
        """The names of files in it that are none of `ours`; hidden ones, and those that begin with _, are no data."""
        found = []
        for parent, folders, names in os.walk(self.path):
            folders[:] = [name for name in folders if not name.startswith(".")]
            here = Path(parent).relative_to(self.path)
            found += [(here / name).as_posix() for name in names if not name.startswith((".", "_"))]
        return sorted(set(found) - ours)

    def left_behind(self, ours: set[str], *, may_be: Callable[[str], bool]) -> list[str]:  # noqa: ARG002
        """The names of files that `may_be` parts, that a run of ours wrote which was killed, and that are none of
        `ours`, where no journal may tell them."""
        return []

    def _put(self, path: Path, content: bytes) -> None:
        self.check_held()
        put(path, content, temporary=self.hidden / f"{path.name}.new")


def manifest_text(document: Mapping[str, Any]) -> bytes:
    """A manifest as it is written."""
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    return text.encode(errors="backslashreplace")


def read_json(path: Path) -> dict[str, Any] | None:
    """The document in a small file; None where there is none. DataError for what is none of ours."""
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, InputMissing):
        return None
    except ValueError as error:
        raise DataError(f"{path}: not JSON; move it away to start afresh") from error
    except OSError as error:
        raise from_os_error(error) from error
    if not isinstance(found, dict):
        raise DataError(f"{path}: no manifest of ours; move it away to start afresh")
    return found
