"""Which parts of a folder stand, which are to be made and why: asked before anything heavy is loaded.

A part stands when the content of its file, the job and its own bytes are what they were when it was made. A file that
looks as it did then (size, times, inode) is not read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from scorer.classifier.decision import Decision
from scorer.classifier.directory import ModelDirectory
from scorer.classifier.execution import Execution
from scorer.classifier.labels import LabelSet
from scorer.config import ScoreConfig
from scorer.errors import FILE_FAULTS, ScorerError, UsageError
from scorer.records.job import JobSpec
from scorer.scoring.columns import appended_names, refuse_clash
from scorer.scoring.folder_output import FolderOutput
from scorer.scoring.preparation import dialect_of, job_spec
from scorer.stores.parts_folder import FileStamp
from scorer.tables.part_names import PartFile
from scorer.tables.reader import check_names
from scorer.tables.rejects import CountedRejects
from scorer.tables.source import Source
from scorer.tables.texts import find_text_columns

Reason = Literal["new", "another input", "another job", "the part is gone or changed"]


@dataclass(frozen=True, kw_only=True)
class Stale:
    """A part to be made of `file`, whose content is `identity` in so many bytes (`size`), and whose header may tell how
    many `rows` it has: why, by which job, from which columns. `stamp` is what the file looks like, if that will tell
    the next time."""

    file: PartFile
    why: Reason
    identity: str
    size: int
    stamp: FileStamp | None
    job: JobSpec
    text_columns: tuple[str, ...]
    rows: int | None


@dataclass(frozen=True)
class Assessment:
    """The names of the parts that are `current`, what is `stale`, which names `failed` and why, the parts whose input
    was `deleted`, and those in whose place another one comes, since it has another format: by name, what that is
    called."""

    current: list[str] = field(default_factory=list)
    stale: list[Stale] = field(default_factory=list)
    failed: dict[str, ScorerError] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    replaced: dict[str, str] = field(default_factory=dict)

    @property
    def reasons(self) -> dict[str, int]:
        """How many parts are stale for which reason."""
        found: dict[str, int] = {}
        for stale in self.stale:
            found[stale.why] = found.get(stale.why, 0) + 1
        return found


@dataclass(frozen=True, kw_only=True)
class Decisive:
    """What decides the job beside a file's format and columns."""

    config: ScoreConfig
    directory: ModelDirectory
    engine: Execution
    labels: LabelSet
    decision: Decision

    def job(self, file: PartFile, text_columns: tuple[str, ...]) -> JobSpec:
        """The job that makes the part of `file`."""
        return job_spec(
            self.config,
            self.directory,
            self.engine,
            labels=self.labels,
            decision=self.decision,
            text_columns=text_columns,
            input_format=file.format,
            output_format=file.output_format,
        )


def assess(
    files: Sequence[PartFile],
    output: FolderOutput,
    decisive: Decisive,
    *,
    passed_over: Callable[[ScorerError], None],
) -> Assessment:
    """Look at all `files` and at what stands. `passed_over` is told what is wrong with a file, and may raise it. Where
    the same is wrong with all of them, such as a column that none has, it is no file's fault: UsageError."""
    identities = output.identities(files)
    jobs = _Jobs(decisive, output.jobs)
    replaced = output.renamed(files, identities)
    found = Assessment(deleted=sorted(output.known.keys() - identities.keys() - replaced.keys()), replaced=replaced)
    for file in files:
        try:
            identity, stamp = _known(identities[file.name])
            why = _why(file, identity, output, jobs)
            if why is None:
                found.current.append(file.name)
                continue
            columns, rows = _looked_into(file, decisive)
            size = file.size
        except FILE_FAULTS as error:
            passed_over(error)
            found.failed[file.name] = error
            continue
        job, _ = jobs.of(file, columns)
        found.stale.append(
            Stale(
                file=file,
                why=why,
                identity=identity,
                size=size,
                stamp=stamp,
                job=job,
                text_columns=columns,
                rows=rows,
            )
        )
    if len(found.failed) == len(files) > 1 and all(isinstance(error, UsageError) for error in found.failed.values()):
        raise found.failed[files[0].name]
    return found


def _known(identity: tuple[str, FileStamp | None] | ScorerError) -> tuple[str, FileStamp | None]:
    if isinstance(identity, ScorerError):
        raise identity
    return identity


def _why(file: PartFile, identity: str, output: FolderOutput, jobs: _Jobs) -> Reason | None:
    """Why the part of `file` must be made; None where it stands."""
    known = output.known.get(file.name)
    if known is None:
        return "new"
    if known.identity != identity:
        return "another input"
    columns = jobs.columns_then(file, output)
    if columns is None or jobs.of(file, columns)[1] != known.job:
        return "another job"
    if known.record.get("rejected") and not jobs.lenient:
        return "another job"
    return None if output.stands(file.name) else "the part is gone or changed"


def _looked_into(file: PartFile, decisive: Decisive) -> tuple[tuple[str, ...], int | None]:
    """The text columns of `file`, and how many rows it has where that is told; it is refused where it can be told at
    once that something is wrong with it."""
    config, metadata = decisive.config, decisive.directory.metadata
    rejects = CountedRejects() if config.rejects is not None else None
    source = Source.open(str(file.path), dialect=dialect_of(config), rejects=rejects)
    refuse_clash((*source.names, *file.partitions), config)
    with source.doubting_header():
        fitted = metadata.text_columns if metadata else ()
        found = find_text_columns(source.names, config.text_column, fitted, where=str(file.path))
        if source.format not in ("json", "jsonl"):  # of which only reading tells all names
            check_names(source.names, found, where=str(file.path))
            check_names((*source.names, *appended_names(config)), config.partition_by, where=str(file.path))
        return found, source.rows


class _Jobs:
    """The jobs of a run by format and columns, each with its fingerprint; `earlier` are those of runs before."""

    def __init__(self, decisive: Decisive, earlier: Mapping[str, JobSpec]) -> None:
        self._decisive = decisive
        self._earlier = earlier
        self._found: dict[tuple[str, str, tuple[str, ...]], tuple[JobSpec, str]] = {}

    @property
    def lenient(self) -> bool:
        """Whether a part may be made of a file with malformed records."""
        return self._decisive.config.rejects is not None

    def of(self, file: PartFile, columns: tuple[str, ...]) -> tuple[JobSpec, str]:
        key = (file.format, file.output_format, columns)
        if key not in self._found:
            job = self._decisive.job(file, columns)
            self._found[key] = (job, job.fingerprint)
        return self._found[key]

    def columns_then(self, file: PartFile, output: FolderOutput) -> tuple[str, ...] | None:
        """The text columns that this run finds in a `file` whose content an earlier run has scored; None where that was
        by another model. Where the columns were not those that the model was fitted on, somebody may have said them:
        then the file is opened, once."""
        if self._decisive.config.text_column:
            return self._decisive.config.text_column
        known = output.known[file.name]
        directory, earlier = self._decisive.directory, self._earlier.get(known.job)
        if earlier is None or earlier.models["model"].fingerprint != directory.fingerprint:
            return None
        columns = tuple(earlier.options["text_column"])
        if directory.metadata is not None and columns == tuple(directory.metadata.text_columns):
            return columns
        if known.found is None:
            known = output.known[file.name] = replace(known, found=_looked_into(file, self._decisive)[0])
        return known.found
