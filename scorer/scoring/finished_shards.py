"""What runs have finished in a folder of parts and not published: the journal's entries, each durable before it counts.

So a kill between the two costs nothing, and what a limit refused waits for a run of the same job.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from scorer.records.document import to_document
from scorer.records.job import JobSpec
from scorer.records.part import PartRecord
from scorer.scoring.known_parts import files_of
from scorer.scoring.outputs import temporary_of
from scorer.stores.parts_folder import FileStamp, PartsFolder


@dataclass
class FinishedShards:
    """Those of `folder`. `begun` are the files that runs have begun to publish since the manifest was written, with
    what was in them."""

    folder: PartsFolder
    begun: dict[str, set[str]] = field(default_factory=dict)
    _entries: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The shards, also those of a run before this one."""
        return list(self._entries)

    @property
    def parts(self) -> set[str]:
        """The names of their parts."""
        return {record["name"] for entry in self._entries.values() for record in entry["records"]}

    def add(
        self,
        shard: str,
        records: Iterable[PartRecord],
        *,
        temporary: Mapping[str, str],
        rejects: Mapping[str, str],
        jobs: Iterable[JobSpec],
        waits: bool,
    ) -> None:
        """Note durably that the shard's parts are finished, so that they can be published; `temporary` is what each is
        called until then, `rejects` what its malformed records are in, if there are some. Where they `waits`, limits
        are looked at before."""
        self._append(
            {
                "finished": shard,
                "records": [to_document(record) for record in records],
                "temporary": dict(temporary),
                "rejects": dict(rejects),
                "jobs": {job.fingerprint: to_document(job) for job in jobs},
                "waits": waits,
            }
        )

    def recall(self, entry: dict[str, Any]) -> None:
        """What the journal says."""
        self._entries[entry["finished"]] = entry
        for file in (file for record in entry["records"] for file in files_of(record)):
            self.begun.setdefault(file["name"], set()).add(file["content"])

    def take(self, shard: str) -> dict[str, Any] | None:
        """The entry of a shard that is about to be published, or was, or is forgotten; None where there is none."""
        return self._entries.pop(shard, None)

    def keep(self, shards: Collection[str]) -> None:
        """Forget all but these `shards`."""
        for shard in self.names:
            if shard not in shards:
                self.folder.append({"forgotten": shard})
                del self._entries[shard]

    def allowed(self) -> list[str]:
        """Those that wait for no limit; an earlier version did not say which do."""
        return [shard for shard, entry in self._entries.items() if not entry.get("waits", True)]

    def hold_back(self) -> None:
        """From now on all of them wait for a limit."""
        for shard in self.allowed():
            self._append(self._entries[shard] | {"waits": True})

    def records_of(self, shard: str) -> dict[str, PartRecord]:
        """The records of a shard, by the parts' names."""
        where = f"{self.folder.path}: journal"
        records = self._entries[shard]["records"]
        return {record["name"]: PartRecord.of_document(record, where=where) for record in records}

    def is_there(self, shard: str) -> bool:
        """Whether every file of a shard is there: where it waits, or under its name since a run was killed while it
        published."""
        entry = self._entries[shard]
        return all(
            self.folder.waits(shard, called) == file["size"]
            or is_written(self.folder, file, self.folder.stamp(file["name"]))
            for record in entry["records"]
            for file, called in waiting(record, entry["temporary"][record["name"]])
        )

    def _append(self, entry: dict[str, Any]) -> None:
        self.folder.append(entry)
        self.recall(entry)


def waiting(record: Mapping[str, Any], temporary: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The files of a part, each with what it is called in the folder of its shard until it is published."""
    for file in files_of(record):
        yield file, temporary if file is record else temporary_of(temporary, file["name"])


def is_written(folder: PartsFolder, file: Mapping[str, Any], stamp: FileStamp | None) -> bool:
    """Whether the `file` of a part, which has this `stamp`, has the bytes that were written."""
    if stamp is None or stamp[2] != file["size"]:
        return False
    content: str = file["content"]
    return folder.content(file["name"]) == content
