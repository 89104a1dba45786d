"""What earlier runs left in a folder of parts: the parts, what their inputs and files looked like, whose each file is.

A part may have several files, and two layouts may call files of different parts alike: a file belongs to the part that
was published last.
"""

from __future__ import annotations

from collections.abc import Iterable, KeysView, Mapping
from dataclasses import dataclass, field
from typing import Any, Self, cast

from scorer.errors import ScorerError
from scorer.stores.parts_folder import FileStamp, stamp_of
from scorer.tables.part_names import PartFile, is_absolute, place_of

FileStamps = tuple[FileStamp | None, ...]
"""Those of a part's files, in order."""
Identities = Mapping[str, tuple[str, FileStamp | None] | ScorerError]
"""By the part's name, what `identities_of` says of its file."""


def files_of(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The files of the part that a record, as JSON has it, tells of: itself, unless it is laid out in several."""
    files: list[Mapping[str, Any]] | None = record.get("files")
    return [record] if files is None else files


@dataclass(frozen=True)
class Known:
    """A part that an earlier run wrote: its record as JSON has it, and what the input and the part's files looked like
    then, as far as that is known; which columns of texts are `found` in its input by the model that made it, where
    somebody has looked; and the `place` of an input that was named from a working folder, where that was this run's."""

    record: Mapping[str, Any]
    input: FileStamp | None = None
    output: FileStamps | None = None
    found: tuple[str, ...] | None = None
    place: str | None = None

    @classmethod
    def of(cls, record: Mapping[str, Any], stamps: Any) -> Self:
        """With `stamps` as `stamps_document` has them, or None; an earlier version had that of a part's only file in
        the place of all."""
        first, second, *more = stamps or (None, None)
        if second and isinstance(second[0], int):
            second = [second]
        # The commits before had the columns alone.
        last = more[0] if more else {}
        beside: dict[str, Any] = {"found": last} if isinstance(last, list) else last
        found = tuple(beside["found"]) if "found" in beside else None
        output = None if second is None else tuple(map(_stamp, second))
        return cls(record, _stamp(first), output, found, beside.get("place"))

    @property
    def stamps_document(self) -> list[Any]:
        """What input and files looked like, as JSON has it."""
        output = self.output
        beside: dict[str, Any] = {}
        if self.found is not None:
            beside["found"] = list(self.found)
        if self.place is not None:
            beside["place"] = self.place
        files = None if output is None else [_list(stamp) for stamp in output]
        return [_list(self.input), files, *([beside] if beside else [])]

    @property
    def files(self) -> list[Mapping[str, Any]]:
        """The part's files, each with its name, size and content."""
        return files_of(self.record)

    @property
    def job(self) -> str:
        return str(self.record["job"])

    @property
    def identity(self) -> str:
        """The fingerprint of the input's content."""
        return str(self.record["shard"]["files"][0]["identity"])

    def is_of(self, file: PartFile, identity: tuple[str, FileStamp | None] | ScorerError | None) -> bool:
        """Whether the part was made of that very `file`, which has this `identity` where that is known."""
        if isinstance(identity, tuple) and identity[0] == self.identity:
            return True
        stamp = stamp_of(file.path)
        return stamp is not None and self.input is not None and stamp[:2] == self.input[:2]


@dataclass
class KnownParts:
    """The `parts` by name."""

    parts: dict[str, Known] = field(default_factory=dict)
    _owners: dict[str, str] = field(default_factory=dict)

    @property
    def files(self) -> KeysView[str]:
        """The names of all files."""
        return self._owners.keys()

    def renamed(self, files: Iterable[PartFile], identities: Identities) -> dict[str, str]:
        """The parts that were made of one of the `files` under another name in the same folder, since the format was
        another one: by name, what its part is called now. Of a file that was named from a working folder that nobody
        knows, its stamp or its content, as far as `identities` tell it, must be that of the file."""
        files = list(files)
        without = self.parts.keys() - {file.name for file in files}
        now = {(file.place, file.folder): file for file in files} if without else {}
        found = {}
        for name in without:
            known = self.parts[name]
            location = known.record["shard"]["files"][0]["location"]
            folder = name.rpartition("/")[0]
            file = now.get((known.place or location, folder))
            if file is None and not is_absolute(location):
                # Nobody knows from where, or the whole was moved since.
                file = now.get((place_of(location), folder))
                if file is not None and not known.is_of(file, identities.get(file.name)):
                    continue
            if file is not None:
                found[name] = file.name
        return found

    def enter(self, now: Known) -> list[str]:
        """The part is `now` this; the names of files that it had before, and nobody has any more."""
        part = now.record["name"]
        left = self.leave(part)
        self.parts[part] = now
        self._owners |= {file["name"]: part for file in now.files}
        return [name for name in left if name not in self._owners]

    def leave(self, part: str) -> list[str]:
        """The part is no more, if it ever was; the names of the files that it had, sorted."""
        known = self.parts.pop(part, None)
        names = {file["name"] for file in known.files} if known is not None else set()
        had = sorted(name for name in names if self._owners.get(name) == part)
        for name in had:
            del self._owners[name]
        return had


def _stamp(found: Any) -> FileStamp | None:
    return None if found is None else cast(FileStamp, tuple(found))


def _list(stamp: FileStamp | None) -> list[int] | None:
    return None if stamp is None else list(stamp)
