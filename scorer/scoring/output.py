"""Where scored windows go: a file that appears whole under its name, or a stream.

Owns publication: the workspace beside the target, what an existing target means, and the last look before the rename.
Does not know how rows were scored.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from scorer.config import FileFormat
from scorer.errors import DataError, OutputRefused, ScorerError
from scorer.records.lineage import Lineage
from scorer.stores.atomic import AtomicFile
from scorer.stores.location import Location
from scorer.stores.workspace import Workspace
from scorer.tables.lineage import lineage_metadata, read_lineage
from scorer.tables.sink import Sink, open_sink


class Output(Protocol):
    """A destination, held by this run; `directory` is where the run may keep things until it is done."""

    directory: Path

    def finished(self, job: Lineage) -> Lineage | None:
        """The lineage of what an earlier run has written of this very `job`, None when there is nothing; OutputRefused
        when something else stands there."""
        ...

    def unfinished_run(self, job: Lineage) -> int | None:
        """The number of the run that began this very `job` here and was interrupted, or None."""
        ...

    def begin(self, job: Lineage, run: int, schema: pa.Schema) -> Sink:
        """A sink for tables of `schema`; from here on an interrupted `job` can be continued as the same `run`."""
        ...

    def publish(self, lineage: Lineage) -> None:
        """Complete the output with its `lineage` and make it visible."""
        ...

    def close(self) -> None:
        """Let go; what was not published is left for a later run, if there is anything to go on from."""
        ...


class FileOutput:
    """The file `target`, written beside its name and renamed when complete."""

    def __init__(self, target: Path, format: FileFormat, *, force: bool) -> None:
        self._target = target
        self._format = format
        self._force = force
        self._workspace = Workspace(target)
        self._file: AtomicFile | None = None
        self._sink: Sink | None = None
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

    def begin(self, job: Lineage, run: int, schema: pa.Schema) -> Sink:
        if self.unfinished_run(job) != run:
            self._workspace.remember({"job": job.as_document(), "run": run})
        self._file = AtomicFile(self._target, temporary=self.directory / f"partial.{self._target.name}")
        self._sink = open_sink(self._file.temporary, format=self._format, schema=schema)
        return self._sink

    def publish(self, lineage: Lineage) -> None:
        assert self._sink is not None, "begin comes first; this is a bug"
        assert self._file is not None, "begin comes first; this is a bug"
        self._file.check()
        self._sink.close(lineage_metadata(lineage))
        self._sink = None
        self._file.commit()
        self._file = None
        self._workspace.remove()

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

    def close(self) -> None:
        if self._sink is not None:
            self._sink.abort()
        if self._file is not None:
            self._file.discard()
        with contextlib.suppress(ScorerError):  # the run ends with an error that counts more, or with its output whole
            self._leave()

    def _leave(self) -> None:
        """Let go of the workspace; keep what is in it only where a later run of the same job would go on from it."""
        if self._done or self._workspace.recall() is None:
            self._workspace.remove()
        else:
            self._workspace.release()


class StreamOutput:
    """A standard stream: what has been written cannot be taken back, so nothing is kept for a later run."""

    def __init__(self, target: Location, format: FileFormat) -> None:
        self._stream = target.stream
        self._format = format
        self._sink: Sink | None = None
        self.directory = Path(tempfile.mkdtemp(prefix="scorer-"))

    def finished(self, job: Lineage) -> Lineage | None:  # noqa: ARG002  a stream is never done before
        return None

    def unfinished_run(self, job: Lineage) -> int | None:  # noqa: ARG002
        return None

    def begin(self, job: Lineage, run: int, schema: pa.Schema) -> Sink:  # noqa: ARG002
        self._sink = open_sink(self._stream, format=self._format, schema=schema)
        return self._sink

    def publish(self, lineage: Lineage) -> None:
        assert self._sink is not None, "begin comes first; this is a bug"
        self._sink.close(lineage_metadata(lineage))
        self._sink = None
        self._stream.flush()

    def close(self) -> None:
        if self._sink is not None:
            self._sink.abort()
        shutil.rmtree(self.directory, ignore_errors=True)
