"""A folder of parts as the output of a job: which part stands, which is stale and why, what a run adds to it.

A part stands when its input, its job and its own bytes are what the record says. What a run has finished is in the
journal before it is published, so that a kill between the two costs nothing; the manifest comes last.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from scorer.errors import DataError, OutputRefused
from scorer.records.document import from_document, to_document
from scorer.records.job import JobSpec
from scorer.records.part import PartRecord, Totals
from scorer.scoring.finished_shards import FinishedShards, is_written, waiting
from scorer.scoring.known_parts import FileStamps, Identities, Known, KnownParts
from scorer.stores.fingerprints import hash_of
from scorer.stores.location import Location
from scorer.stores.object_path import path_of
from scorer.stores.parts_folder import FileStamp, PartsFolder, identities_of, stamp_of
from scorer.stores.parts_places import parts_folder
from scorer.tables.formats.registry import format_of
from scorer.tables.layouts import Layout
from scorer.tables.part_names import PartFile, is_absolute, place_of
from scorer.version import __version__

MANIFEST_VERSION = 1


@dataclass
class FolderOutput:
    """What a job writes into `folder`, held by this run; `jobs` are what wrote its parts by fingerprint, `planned` the
    groups in which an interrupted run made them, by name and job; `finished` is what is not published yet."""

    folder: PartsFolder
    jobs: dict[str, JobSpec] = field(default_factory=dict)
    planned: list[list[tuple[str, str]]] = field(default_factory=list)
    changed: bool = False
    _manifest: dict[str, Any] | None = None
    _stamps: dict[str, Any] = field(default_factory=dict)
    _published: set[str] = field(default_factory=set)
    _parts: KnownParts = field(default_factory=KnownParts)
    finished: FinishedShards = field(init=False)

    def __post_init__(self) -> None:
        self.finished = FinishedShards(self.folder)

    @classmethod
    def open(cls, target: Location) -> FolderOutput:
        """Hold the folder and read what it says of itself. Busy, OutputRefused, DataError as `PartsFolder` has them."""
        output = cls(parts_folder(target.path))
        output.folder.hold()
        try:
            output._recall()
        except BaseException:
            output.close()
            raise
        return output

    @classmethod
    def look(cls, target: Location) -> FolderOutput:
        """The same, held by nobody: to read what the folder says of itself, which may change meanwhile."""
        output = cls(parts_folder(target.path))
        output._recall()
        return output

    def close(self) -> None:
        """Let go."""
        self.folder.let_go()

    @property
    def known(self) -> dict[str, Known]:
        """The parts by name."""
        return self._parts.parts

    @property
    def store(self) -> str:
        """The folder for what a run keeps between runs."""
        return str(self.folder.hidden)

    def identities(self, files: Iterable[PartFile]) -> Identities:
        """By the part's name, the fingerprint of its file's content, and the stamp of the file if that will tell the
        next time; or the error of a file that cannot be read. A file that looks as it did when its part was made is not
        read."""
        seen = {name: (known.input, known.identity) for name, known in self.known.items() if known.input is not None}
        return identities_of({file.name: file.path for file in files}, seen)

    def renamed(self, files: Iterable[PartFile], identities: Identities | None = None) -> dict[str, str]:
        """As of `KnownParts.renamed`."""
        return self._parts.renamed(files, identities or {})

    def stands(self, name: str) -> bool:
        """Whether the part is there, with the bytes that were written."""
        known = self.known[name]
        stamps = self._stamps_of(name)
        lacks = known.record.get("rejected") and not self.folder.has_rejects(name, known.identity)
        if stamps is None or lacks:
            return False
        if stamps == known.output:
            return True
        before = known.output or (None,) * len(stamps)
        for file, stamp, then in zip(known.files, stamps, before, strict=True):
            if stamp != then and not is_written(self.folder, file, stamp):
                return False
        self.known[name] = replace(known, output=stamps)
        return True

    def is_as_written(self, name: str) -> bool:
        """Whether the part has the bytes that were written, whatever a stamp or the note of an object says: every byte
        is read."""
        files, stamps = self.known[name].files, self._stamps_of(name)
        return stamps is not None and all(
            stamp[2] == file["size"] and hash_of(self.folder.part(file["name"])) == file["content"]
            for file, stamp in zip(files, stamps, strict=True)
        )

    def _stamps_of(self, name: str) -> tuple[FileStamp, ...] | None:
        """What the part's files look like; None where one of them is gone."""
        files = self.known[name].files
        stamps = [stamp for file in files if (stamp := self.folder.stamp(file["name"])) is not None]
        return None if len(stamps) < len(files) else tuple(stamps)

    def changed_inputs(self) -> dict[str, str]:
        """The parts whose input is not what it was when they were made, as far as that is seen without reading it, and
        what became of it."""
        found = {}
        for name, known in self.known.items():
            file = known.record["shard"]["files"][0]
            if (stamp := stamp_of(path_of(file["location"]))) is None:
                found[name] = "gone"
            # Of a file that was new when it was scored, the stamp tells nothing but the size.
            elif stamp != known.input if known.input is not None else stamp[2] != file["size"]:
                found[name] = "changed, or only touched"
        return found

    def refuse_mixture(self, parts: Iterable[str], layout: Layout | None) -> None:
        """OutputRefused where one of the `parts`, which stay as they are, is laid out otherwise: nobody could read the
        folder as one."""
        for name in parts:
            known = self.known.get(name)
            if known is not None and Layout.of_options(self.jobs[known.job].options) != layout:
                raise OutputRefused(
                    f"{self.folder.path}: {name} was laid out by other --rows-per-file and --partition-by, and its "
                    "input is gone or cannot be read; delete what is gone with --mirror, or name another folder"
                )

    def refuse_strangers(self, parts: Iterable[str], layout: Layout | None, *, force: bool) -> None:
        """OutputRefused where one of the `parts`, laid out so, would replace a file that no run of ours wrote, unless
        `force` is set. A run that was killed while it published may have left files that only the journal knows."""
        ours = self._parts.files | self.finished.begun.keys()
        names = set(parts)
        if layout is not None:
            names = {name for name in self.folder.strangers(ours) if layout.part_of(name) in names}
        for name in sorted(names):
            if name in ours or force or self.folder.stamp(name) is None:
                continue
            if not self.folder.is_ours(name):
                raise OutputRefused(
                    f"{self.folder.part(name)}: exists, and scorer cannot tell what wrote it; --force replaces it"
                )

    def plan(self, groups: list[list[tuple[str, str]]]) -> None:
        """Note which parts, by which job, are made together, so that a run that goes on from this one makes the same
        batches."""
        if groups != self.planned:
            self.folder.append({"plan": groups})
            self.planned = groups

    def expected(self, files: Iterable[PartFile]) -> set[str]:
        """The names of the parts that there are, or are finished, and of those of `files` that have one of another
        format."""
        return {*self.known, *self.finished.parts, *self.renamed(files).values()}

    @property
    def published(self) -> frozenset[str]:
        """The shards whose parts were published since the manifest was written."""
        return frozenset(self._published)

    @property
    def failed(self) -> dict[str, str]:
        """The parts that the last run could not make, and why."""
        return dict(self._manifest["failed"]) if self._manifest is not None else {}

    def publish(self, shard: str, *, inputs: Mapping[str, FileStamp | None]) -> None:
        """Publish what the shard finished; `inputs` are the stamps of the parts' files. A part that was moved before,
        by a run that was killed, is compared byte by byte before it counts as standing."""
        entry = self.finished.take(shard)
        assert entry is not None, "only what is finished is published; this is a bug"
        folder = self.folder.shard(shard)
        if not self.changed:
            self.folder.begin_change()
            self.changed = True
        self.jobs |= {name: _job(job) for name, job in entry["jobs"].items()}
        stamps = {}
        for record in entry["records"]:
            name = record["name"]
            outputs = self._publish_files(shard, record, entry["temporary"][name])
            location = record["shard"]["files"][0]["location"]
            place = place_of(location) if name in inputs and not is_absolute(location) else None
            now, before = Known(record, inputs.get(name), outputs, place=place), self.known.get(name)
            stamps[name] = now.stamps_document
            if before is not None and before.identity != now.identity:
                self.folder.forget_rejects(name, before.identity)
            if record.get("rejected") and name in entry.get("rejects", {}):
                self.folder.keep_rejects(name, now.identity, folder / entry["rejects"][name])
            for file in self._parts.enter(now):
                self.folder.delete(file)
        self.folder.append({"published": shard, "stamps": stamps})
        self._published.add(shard)

    def _publish_files(self, shard: str, record: Mapping[str, Any], temporary: str) -> FileStamps:
        """Publish the part's files, which are called as `temporary` says until then; what they look like, as far as
        this run has moved them."""
        stamps: list[FileStamp | None] = []
        for file, called in waiting(record, temporary):
            name, size = file["name"], self.folder.waits(shard, called)
            if size is not None:
                place = self.folder.shard(shard) / called
                if size != file["size"]:
                    self.folder.append({"forgotten": shard})
                    raise DataError(f"{place}: {size:,} bytes, where {file['size']:,} were written; run again")
                self.folder.publish(place, name, content=file["content"])
            stamps.append(self.folder.stamp(name) if size is not None else None)
        return tuple(stamps)

    def drop(self, name: str) -> None:
        """Delete a part, which no input stands for any more."""
        self.changed = True
        identity = self.known[name].identity
        for file in self._parts.leave(name):
            self.folder.delete(file)
        self.folder.forget_rejects(name, identity)

    def drop_left_behind(self, layout: Layout | None, *, mirror: bool) -> tuple[list[str], list[str]]:
        """Delete what a killed run of another machine has left of the parts that there are, laid out so, and with
        `mirror` what it has left of others; the names of what stays, and of what was deleted."""
        stays, dropped = [], []
        # What is no data by its name is asked only where our own parts have such names.
        endings = all(format_of(name) is not None for name in self.known)
        ours = self._parts.files | self.finished.begun.keys()
        for name in self.folder.left_behind(ours, may_be=lambda name: not endings or format_of(name) is not None):
            if mirror or (layout is not None and layout.part_of(name) in self.known):
                self.folder.delete(name)
                dropped.append(name)
            else:
                stays.append(name)
        return stays, dropped

    def with_rejects(self, *, besides: Collection[str]) -> list[tuple[str, str]]:
        """The parts whose files have malformed records, but for those `besides`, in order, each with the fingerprint of
        the content."""
        found = ((name, known) for name, known in self.known.items() if name not in besides)
        return sorted((name, known.identity) for name, known in found if known.record.get("rejected"))

    def conclude(
        self, *, totals: Mapping[str, Any], failed: Mapping[str, str], deleted: Iterable[str], whole: bool
    ) -> None:
        """Write the manifest, when something changed: parts, what wrote them, what is wrong. What a run has published
        that was killed, and no part has any more, is deleted before."""
        for name in sorted(self.finished.begun.keys() - self._parts.files):
            if self.folder.stamp(name) is not None and self.folder.content(name) in self.finished.begun[name]:
                self.folder.delete(name)
        used = {known.job for known in self.known.values()}
        document = {
            "manifest_version": MANIFEST_VERSION,
            "kind": "score",
            "scorer": __version__,
            "jobs": {fingerprint: to_document(job) for fingerprint, job in self.jobs.items() if fingerprint in used},
            "parts": [self.known[name].record for name in sorted(self.known)],
            "totals": totals,
            "failed": failed,
            "input_deleted": sorted(deleted),
        }
        stamps = {name: known.stamps_document for name, known in self.known.items()}
        self.folder.conclude(
            document if self._manifest != document else None, stamps if self._stamps != stamps else None, whole=whole
        )

    def totals(self, names: Collection[str], besides: Iterable[PartRecord], *, model: str | None) -> Totals:
        """The sums of the parts `names` and of those `besides`: as the manifest has them, where nothing changed. What
        rows looked like is summed of parts by the `model` of this fingerprint alone, since each counts in bins of its
        own; without one, where all parts are by one model."""
        besides = list(besides)
        manifest = self._manifest
        models = {self.jobs[self.known[name].job].models["model"].fingerprint for name in names}
        alone = not models or models == {model} or (model is None and len(models) == 1)
        summed = manifest is not None and not manifest["input_deleted"] and len(names) == len(manifest["parts"])
        if manifest is not None and summed and not self.changed and not besides and alone:
            return Totals.of_document(manifest["totals"], where=f"{self.folder.path}: manifest")
        standing = [self._record(self.known[name].record) for name in names]
        if not alone:
            standing = [self._without_drift(record, model) for record in standing]
        return Totals.of([*standing, *besides])

    def _without_drift(self, record: PartRecord, model: str | None) -> PartRecord:
        """`record`, which says nothing of what the rows of another model looked like."""
        return record if self.jobs[record.job].models["model"].fingerprint == model else replace(record, drift=None)

    def _record(self, document: Mapping[str, Any]) -> PartRecord:
        return PartRecord.of_document(document, where=f"{self.folder.path}: manifest")

    def _recall(self) -> None:
        manifest = self._manifest = self.folder.read_manifest()
        stamps = self._stamps = self.folder.read_stamps()
        if manifest is not None:
            if manifest.get("manifest_version") != MANIFEST_VERSION or manifest.get("kind") != "score":
                raise DataError(f"{self.folder.path}: its manifest is of a version that this scorer does not read")
            self.jobs = {fingerprint: _job(job) for fingerprint, job in manifest["jobs"].items()}
            for record in manifest["parts"]:
                self._parts.enter(Known.of(record, stamps.get(record["name"])))
        for entry in self.folder.read_journal():
            if "plan" in entry:
                # Names alone are what an earlier version wrote.
                groups = [group for group in entry["plan"] if not any(isinstance(part, str) for part in group)]
                self.planned = [[(name, job) for name, job in group] for group in groups]
            elif "finished" in entry:
                self.finished.recall(entry)
            elif "forgotten" in entry:
                self.finished.take(entry["forgotten"])
            elif (done := self.finished.take(entry["published"])) is not None:
                self.changed = True
                self._published.add(entry["published"])
                self.jobs |= {name: _job(job) for name, job in done["jobs"].items()}
                for record in done["records"]:
                    self._parts.enter(Known.of(record, entry["stamps"].get(record["name"])))


def _job(document: Any) -> JobSpec:
    return from_document(JobSpec, document, where="manifest: jobs")
