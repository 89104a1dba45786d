"""What a score job writes: a set of parts that one run at a time holds, where each part goes, and what writes it.

A file is a set of one part, which appears whole under its name. A stream is one part that cannot be taken back, and
from which no later run can go on. A part may be written by any process of the run: it is finished there, and published
by whoever holds the set.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol, cast

import pyarrow as pa

from scorer.config import FileFormat
from scorer.errors import DataError, OutputRefused, ScorerError
from scorer.records.lineage import Lineage
from scorer.stores.location import Location
from scorer.stores.object_lease import lease_of
from scorer.stores.object_path import ObjectPath
from scorer.stores.store import Lease
from scorer.stores.workspace import TemporaryFolder, WorkFolder, Workspace
from scorer.tables.sink import Sink, lineage_metadata, open_sink, read_lineage
from scorer.tables.streams import Output, compression_of, named

_TAIL = "tail"


class PartWriter(Protocol):
    """Where the rows of one part go, in order."""

    def write(self, table: pa.Table) -> None:
        """Append the rows of `table`."""
        ...

    def finish(self, record: Lineage) -> int | None:
        """Complete the part with the `record` of its job, input and rows, durably; its bytes, as far as anybody counts
        them. It is seen when its set publishes it."""
        ...

    def abort(self) -> None:
        """Forget what was written. Does nothing after `finish`."""
        ...


@dataclass(frozen=True, kw_only=True)
class PartOutput:
    """Where a part goes, as plain data that can be pickled.

    target     a file or a stream, and its `format`
    folder     where the run keeps things until the part is complete; the run holds it
    job        which the part belongs to, with its input
    name       of the part within its output; empty for an output of one part
    temporary  what the part is called in `folder` until then; empty for a name that is made of the target's
    """

    target: Location
    format: FileFormat
    folder: str
    job: Lineage
    name: str = ""
    temporary: str = ""

    def writer(self, schema: pa.Schema) -> PartWriter:
        """A writer of tables of `schema`."""
        return _StreamPart(self, schema) if self.target.is_stream else _FilePart(self, schema)

    def content(self) -> str:
        """BLAKE2b (256 bits, hexadecimal) of a file's part that is finished and not yet published."""
        return WorkFolder(self.folder).hash_of(self.temporary)


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


class _FilePart:
    """A file that is written in the folder of the run."""

    def __init__(self, output: PartOutput, schema: pa.Schema) -> None:
        self._file = WorkFolder(output.folder).begin(output.target.path, temporary=output.temporary)
        self._sink: Sink | None = None
        try:
            # The compression goes by the ending that the part will have.
            compression = compression_of(output.target.path)
            self._sink = open_sink(self._file.temporary, format=output.format, schema=schema, compression=compression)
        except BaseException:
            self._file.discard()
            raise

    def write(self, table: pa.Table) -> None:
        assert self._sink is not None, "the part was ended; this is a bug"
        self._sink.write(table)

    def finish(self, record: Lineage) -> int | None:
        assert self._sink is not None, "the part was ended; this is a bug"
        self._file.check()
        self._sink.close(lineage_metadata(record))
        self._sink = None
        return self._file.finish()

    def abort(self) -> None:
        if self._sink is not None:
            self._sink.abort()
            self._sink = None
        self._file.discard()


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
            output.watched.write(self._temporary.kept(_TAIL))
            output.finish()

    def close(self) -> None:
        self._temporary.remove()


class _StreamPart:
    """The one part of a stream. What is written is seen at once, but for what ends a file of the format."""

    def __init__(self, output: PartOutput, schema: pa.Schema) -> None:
        self._folder = WorkFolder(output.folder)
        self._stream = _HeldBack(output.target.stream)
        self._sink: Sink | None = open_sink(cast(BinaryIO, self._stream), format=output.format, schema=schema)
        self._send()

    def write(self, table: pa.Table) -> None:
        assert self._sink is not None, "the part was ended; this is a bug"
        self._sink.write(table)
        self._send()

    def finish(self, record: Lineage) -> int | None:
        assert self._sink is not None, "the part was ended; this is a bug"
        self._stream.held = io.BytesIO()
        self._sink.close(lineage_metadata(record))
        self._sink = None
        self._folder.keep(_TAIL, self._stream.held.getvalue())
        return None

    def abort(self) -> None:
        if self._sink is not None:
            self._sink.abort()
            self._sink = None

    def _send(self) -> None:
        """Let whoever reads the stream have what was written."""
        try:
            self._stream.flush()
        except OSError as error:
            raise named(error) from error


class _HeldBack:
    """A `stream` to write to. Once there is `held`, what is written goes into that."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.held: io.BytesIO | None = None

    @property
    def closed(self) -> bool:
        return self._stream.closed

    def write(self, data: bytes) -> int:
        return (self.held or self._stream).write(data)

    def flush(self) -> None:
        self._stream.flush()


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
        left = self.folder.recall()
        if left is None or "run" not in left or {**left, **self.work} != left:
            return None
        return int(left["run"])

    def remember(self, run: int) -> None:
        """The work goes on as this `run`, from here on."""
        if self.run != run:
            self.folder.remember({**self.work, "run": run})
