"""What a score job writes: a set of parts that one run at a time holds, and the writer of each part.

A file is a set of one part, which appears whole under its name. A stream is one part that cannot be taken back, and
from which no later run can go on.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO, Protocol

import pyarrow as pa

from scorer.config import FileFormat
from scorer.errors import DataError, OutputRefused, ScorerError
from scorer.records.lineage import Lineage
from scorer.stores.atomic import AtomicFile
from scorer.stores.location import Location
from scorer.stores.workspace import Workspace
from scorer.tables.sink import Sink, lineage_metadata, open_sink, read_lineage


class PartWriter(Protocol):
    """Where the rows of one part go, in order."""

    def write(self, table: pa.Table) -> None:
        """Append the rows of `table`."""
        ...

    def commit(self, record: Lineage) -> None:
        """Complete the part with the `record` of its job, input and rows, and make it visible."""
        ...

    def abort(self) -> None:
        """Forget what was written. Does nothing after `commit`."""
        ...


class OutputSet(Protocol):
    """What a job writes, held by this run; `directory` is where the run may keep things until it is done."""

    directory: Path

    def finished(self, job: Lineage) -> Lineage | None:
        """The record of what an earlier run has written of this very `job`, None when there is nothing; OutputRefused
        when something else stands there."""
        ...

    def unfinished_run(self, job: Lineage) -> int | None:
        """The number of the run that began this very `job` here and was interrupted, or None."""
        ...

    def begin(self, job: Lineage, run: int, schema: pa.Schema) -> PartWriter:
        """A writer of tables of `schema`; from here on an interrupted `job` can be continued as the same `run`."""
        ...

    def close(self) -> None:
        """Let go. A part that was not committed is aborted, and what a later run can go on from is left for it."""
        ...


def open_output(target: Location, format: FileFormat, *, force: bool) -> OutputSet:
    """The set that a job writes to `target`, held. Busy when another run holds it, OutputRefused when something stands
    there that no job could go on from, and `force` is not set."""
    return _StreamSet(target, format) if target.is_stream else _FileSet(target.path, format, force=force)


class _FileSet:
    """The file `target`."""

    def __init__(self, target: Path, format: FileFormat, *, force: bool) -> None:
        self._target = target
        self._format = format
        self._force = force
        self._workspace = Workspace(target)
        self._part: _FilePart | None = None
        self._done = False
        self.directory = self._workspace.path
        try:
            self._refuse_stranger()
        except BaseException:
            self.close()
            raise

    def finished(self, job: Lineage) -> Lineage | None:
        if not self._target.exists():
            return None
        lineage = self._lineage()
        if lineage is not None and lineage.same_job(job):
            self._done = True
            return lineage
        if self._force or self.unfinished_run(job) is not None:
            return None
        raise OutputRefused(f"{self._target}: exists, and another job wrote it; --force replaces it")

    def unfinished_run(self, job: Lineage) -> int | None:
        left = self._workspace.recall()
        return int(left["run"]) if left is not None and left.get("job") == job.as_document() else None

    def begin(self, job: Lineage, run: int, schema: pa.Schema) -> PartWriter:
        if self.unfinished_run(job) != run:
            self._workspace.remember({"job": job.as_document(), "run": run})
        self._part = _FilePart(self._target, self._workspace, format=self._format, schema=schema)
        return self._part

    def close(self) -> None:
        if self._part is not None:
            self._part.abort()
        with contextlib.suppress(ScorerError):  # the run ends with an error that counts more, or with its output whole
            self._leave()

    def _refuse_stranger(self) -> None:
        """Refuse an existing file early where no job, whatever it turns out to be, could go on from it."""
        if not self._target.exists() or self._force or self._workspace.recall() is not None:
            return
        if self._lineage() is None:
            raise OutputRefused(f"{self._target}: exists, and scorer cannot tell what wrote it; --force replaces it")

    def _lineage(self) -> Lineage | None:
        """What wrote the target; None when it does not say, as a file that is no Parquet at all does not."""
        try:
            return read_lineage(self._target) if self._format == "parquet" else None
        except DataError:
            return None

    def _leave(self) -> None:
        """Let go of the workspace; keep what is in it only where a later run of the same job would go on from it."""
        if self._done or self._workspace.recall() is None:
            self._workspace.remove()
        else:
            self._workspace.release()


class _FilePart:
    """A file that is written in the `workspace` and moved to `target` when it is complete."""

    def __init__(self, target: Path, workspace: Workspace, *, format: FileFormat, schema: pa.Schema) -> None:
        self._workspace = workspace
        self._file = AtomicFile(target, temporary=workspace.path / f"partial.{target.name}")
        self._sink: Sink | None = None
        try:
            self._sink = open_sink(self._file.temporary, format=format, schema=schema)
        except BaseException:
            self._file.discard()
            raise

    def write(self, table: pa.Table) -> None:
        assert self._sink is not None, "the part was ended; this is a bug"
        self._sink.write(table)

    def commit(self, record: Lineage) -> None:
        assert self._sink is not None, "the part was ended; this is a bug"
        self._file.check()
        self._sink.close(lineage_metadata(record))
        self._sink = None
        self._file.commit()
        self._workspace.remove()

    def abort(self) -> None:
        if self._sink is not None:
            self._sink.abort()
            self._sink = None
        self._file.discard()


class _StreamSet:
    """A standard stream: what has been written cannot be taken back, so nothing is kept for a later run."""

    def __init__(self, target: Location, format: FileFormat) -> None:
        self._stream = target.stream
        self._format = format
        self._part: _StreamPart | None = None
        self.directory = Path(tempfile.mkdtemp(prefix="scorer-"))

    def finished(self, job: Lineage) -> Lineage | None:  # noqa: ARG002  a stream is never done before
        return None

    def unfinished_run(self, job: Lineage) -> int | None:  # noqa: ARG002
        return None

    def begin(self, job: Lineage, run: int, schema: pa.Schema) -> PartWriter:  # noqa: ARG002
        self._part = _StreamPart(self._stream, format=self._format, schema=schema)
        return self._part

    def close(self) -> None:
        if self._part is not None:
            self._part.abort()
        shutil.rmtree(self.directory, ignore_errors=True)


class _StreamPart:
    """The one part of a stream. What is written is seen at once; `commit` adds what ends a file of the format."""

    def __init__(self, stream: BinaryIO, *, format: FileFormat, schema: pa.Schema) -> None:
        self._stream = stream
        self._sink: Sink | None = open_sink(stream, format=format, schema=schema)

    def write(self, table: pa.Table) -> None:
        assert self._sink is not None, "the part was ended; this is a bug"
        self._sink.write(table)

    def commit(self, record: Lineage) -> None:
        assert self._sink is not None, "the part was ended; this is a bug"
        self._sink.close(lineage_metadata(record))
        self._sink = None
        self._stream.flush()

    def abort(self) -> None:
        if self._sink is not None:
            self._sink.abort()
            self._sink = None
