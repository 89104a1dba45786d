"""What a score job writes: a set of parts that one run at a time holds, where each part goes, and what writes it.

A file is a set of one part, which appears whole under its name. A stream is one part that cannot be taken back, and
from which no later run can go on. A part may be written by any process of the run: it is finished there, and published
by whoever holds the set.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from scorer.config import FileFormat
from scorer.errors import DataError, OutputRefused, ScorerError
from scorer.records.lineage import Lineage
from scorer.scoring.part_writers import TAIL, FilePart, LaidOutPart, PartWriter, StreamPart
from scorer.stores.location import Location
from scorer.stores.object_lease import lease_of
from scorer.stores.object_path import ObjectPath
from scorer.stores.store import Lease
from scorer.stores.workspace import TemporaryFolder, WorkFolder, Workspace
from scorer.tables.layouts import Layout
from scorer.tables.sink import read_lineage
from scorer.tables.streams import Output


@dataclass(frozen=True, kw_only=True)
class PartOutput:
    """Where a part goes, as plain data that can be pickled.

    target     a file or a stream, and its `format`
    folder     where the run keeps things until the part is complete; the run holds it
    job        which the part belongs to, with its input
    name       of the part within its output; empty for an output of one part
    temporary  what the part is called in `folder` until then; empty for a name that is made of the target's
    layout     in which files the part is laid out; None for one
    """

    target: Location
    format: FileFormat
    folder: str
    job: Lineage
    name: str = ""
    temporary: str = ""
    layout: Layout | None = None

    def writer(self, schema: pa.Schema) -> PartWriter:
        """A writer of tables of `schema`."""
        folder = WorkFolder(self.folder)
        if self.target.is_stream:
            return StreamPart(folder, self.target, self.format, schema)
        if self.layout is None:
            return FilePart(folder, self.target, self.format, schema, temporary=self.temporary)
        return LaidOutPart(
            self.layout,
            self.name,
            self.job,
            schema,
            begin=lambda name, schema: FilePart(
                folder, self.target, self.format, schema, temporary=temporary_of(self.temporary, name)
            ),
            content=lambda name: folder.hash_of(temporary_of(self.temporary, name)),
        )

    def check(self, schema: pa.Schema) -> None:
        """UsageError where rows of `schema` cannot be laid out so."""
        if self.layout is not None:
            self.layout.check(schema, where=self.name)

    def content(self) -> str:
        """BLAKE2b (256 bits, hexadecimal) of a file's part that is finished and not yet published."""
        return WorkFolder(self.folder).hash_of(self.temporary)


def temporary_of(part: str, file: str) -> str:
    """What the `file` of that name, one of several of a `part`, is called until it is published."""
    told = hashlib.blake2b(file.encode(errors="surrogateescape"), digest_size=12).hexdigest()
    return f"{part}.{told}"


class OutputSet(Protocol):
    """What a job writes, held by this run; `folder` is where the run may keep things until it is done."""

    folder: str

    def finished(self, job: Lineage) -> Lineage | None:
        """The record of what an earlier run has written of this very `job`, None when there is nothing; OutputRefused
        when something else stands there."""
        ...

    def publish(self) -> None:
        """Make visible what was finished. OutputRefused when it was removed meanwhile."""
        ...

    def close(self) -> None:
        """Let go. A part that was not published is deleted, and what a later run can go on from is left for it."""
        ...


def open_output(target: Location, format: FileFormat, *, force: bool) -> OutputSet:
    """The set that a job writes to `target`, held. Busy when another run holds it, OutputRefused when something stands
    there that no job could go on from, and `force` is not set."""
    return _StreamSet(target) if target.is_stream else _FileSet(target, format, force=force)


class _FileSet:
    """The file `target`. An object is made on this machine, and sent when it is known to be good; its lease keeps runs
    of other machines out."""

    def __init__(self, target: Location, format: FileFormat, *, force: bool) -> None:
        self._target = target
        self._format = format
        self._force = force
        self._workspace = Workspace(target.path)
        self._lease: Lease | None = None
        self._done = False
        self.folder = str(self._workspace.path)
        try:
            if isinstance(target.path, ObjectPath):
                self._lease = lease_of(target.path)
            self._stood = target.exists
            self._refuse_stranger()
        except BaseException:
            self.close()
            raise

    def finished(self, job: Lineage) -> Lineage | None:
        if not self._target.exists:
            return None
        lineage = self._lineage()
        if lineage is not None and lineage.same_job(job):
            self._done = True
            return lineage
        if self._force or Beginning(self._workspace, work_of(job)).run is not None:
            return None
        raise OutputRefused(f"{self._target.said}: exists, and another job wrote it; --force replaces it")

    def publish(self) -> None:
        if self._lease is not None and not self._lease.held():
            raise OutputRefused(f"{self._target.said}: another run took it over meanwhile; run the same command again")
        if self._target.exists and not (self._stood or self._force):
            raise OutputRefused(f"{self._target.said}: appeared while the job was at work; --force replaces it")
        self._workspace.publish(self._target.path)
        self._workspace.remove()

    def close(self) -> None:
        self._workspace.forget(self._target.path)
        with contextlib.suppress(ScorerError):  # the run ends with an error that counts more, or with its output whole
            self._leave()
        with contextlib.suppress(ScorerError):
            if self._lease is not None:
                self._lease.release()

    def _refuse_stranger(self) -> None:
        """Refuse an existing file early where no job, whatever it turns out to be, could go on from it."""
        if not self._target.exists or self._force or self._workspace.recall() is not None:
            return
        if self._lineage() is None:
            raise OutputRefused(
                f"{self._target.said}: exists, and scorer cannot tell what wrote it; --force replaces it"
            )

    def _lineage(self) -> Lineage | None:
        """What wrote the target; None when it does not say, as a file that is no Parquet at all does not."""
        try:
            return read_lineage(self._target.path) if self._format == "parquet" else None
        except DataError:
            return None

    def _leave(self) -> None:
        """Let go of the workspace; keep what is in it only where a later run of the same job would go on from it."""
        if self._done or self._workspace.recall() is None:
            self._workspace.remove()
        else:
            self._workspace.release()


class _StreamSet:
    """A standard stream: what has been written cannot be taken back, so nothing is kept for a later run."""

    def __init__(self, target: Location) -> None:
        self._stream = target.stream
        self._temporary = TemporaryFolder()
        self.folder = str(self._temporary.path)

    def finished(self, job: Lineage) -> Lineage | None:  # noqa: ARG002  a stream is never done before
        return None

    def publish(self) -> None:
        output = Output(self._stream)
        with output.errors():
            output.watched.write(self._temporary.kept(TAIL))
            output.finish()

    def close(self) -> None:
        self._temporary.remove()


def work_of(job: Lineage) -> dict[str, Any]:
    """What tells a `job` of one part from others that were begun in its folder."""
    return {"job": job.as_document()}


@dataclass(frozen=True)
class Beginning:
    """What was begun in a `folder`, so that a later run that does the same `work` goes on as the same run."""

    folder: WorkFolder
    work: Mapping[str, Any]

    @property
    def run(self) -> int | None:
        """The number of the run that began this very work and was interrupted, or None."""
        left = self._left()
        return int(left["run"]) if left is not None else None

    @property
    def store(self) -> str | None:
        """The id of the score store that has a run of this number; None where that kept none, or is of an earlier
        version."""
        left = self._left()
        return left.get("store") if left is not None else None

    def remember(self, run: int, *, store: str | None = None) -> None:
        """The work goes on as this `run` of the `store`, from here on."""
        if (self.run, self.store) != (run, store):
            self.folder.remember({**self.work, "run": run} | ({"store": store} if store is not None else {}))

    def _left(self) -> dict[str, Any] | None:
        left = self.folder.recall()
        if left is None or "run" not in left or {**left, **self.work} != left:
            return None
        return left
