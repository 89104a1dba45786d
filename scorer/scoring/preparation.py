"""A score job before its rows are scored: what is checked of it, and what it is known by.

What can be found wrong is found here, before anything heavy is loaded. Writes nothing. Which options decide the output,
or the name under which scores are kept, follows from what each setting affects.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from scorer.classifier.decision import Decision
from scorer.classifier.directory import ModelDirectory, open_model
from scorer.classifier.execution import Execution
from scorer.classifier.known_executions import library_version
from scorer.classifier.labels import LabelSet
from scorer.classifier.long_text import LongText
from scorer.config import WINDOW_TEXT_BYTES, FileFormat, FrameConfig, ScoreConfig, identity
from scorer.errors import DeviceError, UsageError
from scorer.records.job import JobSpec, ModelRecord
from scorer.records.lineage import Lineage
from scorer.scoring.columns import appended_names, refuse_clash
from scorer.scoring.drift import require_profile
from scorer.scoring.windows import window_rows
from scorer.stores.checks import Inputs, check_file, check_folder, check_free_space
from scorer.stores.location import Location
from scorer.tables.dialect import Dialect
from scorer.tables.formats.registry import format_named, output_format, stream_format
from scorer.tables.layouts import Layout
from scorer.tables.live_source import Incoming, LiveSource
from scorer.tables.reader import Reader
from scorer.tables.rejects import Rejects
from scorer.tables.source import Source
from scorer.tables.streams import WRITTEN, compression_of
from scorer.tables.texts import find_text_columns
from scorer.version import __version__

# The library whose version can change a model's input; those that can change a logit the forward pass names.
_INPUT_LIBRARIES = ("tokenizers",)
# What else can change a byte of the output.
_OUTPUT_LIBRARIES = ("numpy", "pyarrow")


@dataclass(frozen=True)
class CheckedJob:
    """A job whose input, columns, model directory and output were found good by what can be looked at at once.

    `target` is where the scored rows go. `rejects` will hold the malformed records of the input, if they were asked
    for: whoever checked commits or discards.
    """

    config: ScoreConfig
    target: Location
    source: Source | LiveSource
    text_columns: tuple[str, ...]
    directory: ModelDirectory
    output_format: FileFormat
    rejects: Rejects | None

    @property
    def rejected(self) -> int:
        """How many malformed records were set aside so far: of all, or of those among the rows to
        score."""
        return self.rejects.count if self.rejects is not None else 0

    def read(self) -> PreparedJob:
        """Look at every byte of the model, and at the rows where only they tell the columns' types; what is wrong with
        either is raised as a ScorerError."""
        directory = self.directory.for_loading()
        reader = self.source.read(self.text_columns, appended=self.appended)
        # The names that a source knows at once are those of the first lines; JSON lines may bring more.
        refuse_clash(reader.names, self.config)
        prepared = PreparedJob(**vars(self) | {"directory": directory}, reader=reader)
        output = format_named(self.output_format)
        output.check_schema(reader.schema)
        if not self.target.is_stream:
            output.check_rows(reader, prepared.windows)
        return prepared

    @property
    def arrives(self) -> bool:
        """Whether the job scores the rows of a stream while they arrive; a dry run has them all first."""
        streams = Location.of_input(self.config.source).is_stream and self.target.is_stream
        if not streams or self.output_format == "parquet":
            return False
        return self.source.format in ("csv", "tsv", "lines", "arrow") or (
            self.source.format == "jsonl" and self.appended is not None
        )

    @property
    def appended(self) -> tuple[str, ...] | None:
        """The names that JSON lines get, whose lines come out as they are."""
        return _appended(self.config, self.output_format)


@dataclass(frozen=True)
class PreparedJob(CheckedJob):
    """A job whose rows are ready to be read."""

    reader: Reader

    @property
    def rows(self) -> int | None:
        """How many rows will be scored, or None where only reading would tell."""
        rows, limit = self.reader.rows, self.config.limit
        return rows if rows is None or limit is None else min(rows, limit)

    @property
    def window_rows(self) -> int:
        """The most rows of a window."""
        return window_rows(self.config.window_rows, labels=len(self.directory.labels or ()))

    def windows(self) -> Iterator[pa.Table]:
        """The rows to score, in windows."""
        return self.reader.windows(max_rows=self.window_rows, max_bytes=WINDOW_TEXT_BYTES, limit=self.config.limit)


def check(config: ScoreConfig) -> CheckedJob:
    """Check `config`, cheapest first; what is wrong is raised as a ScorerError. A stream is read to its end here, or to
    its first line where its rows can be scored while they arrive."""
    target = Location.of_output(config.target)
    if Layout.of(config) is not None:
        raise UsageError(
            f"{config.target}: --rows-per-file and --partition-by are for a folder; end its name with /, or leave them "
            "out"
        )
    asked = _output_format(config, target)
    rejects = Rejects(config.rejects, rows=config.limit) if config.rejects is not None else None
    source = _open(config, target, asked, rejects)
    output_format = asked or stream_format(source.format)
    _refuse_terminal(target, output_format)
    inputs = Inputs([config.source], models=[config.model], files=source.files)
    if rejects is not None:
        check_file(rejects.target, inputs, force=True)
    check_file(target, inputs, force=True)
    if config.cache is not None:
        check_folder(config.cache, inputs, replaced=False)
    refuse_clash(source.names, config)
    # Where there is no output, there is none that may stand: the model will be loaded, hence is read now.
    directory = open_model(config.model, by_times=target.exists)
    require_profile(directory, config)
    fitted = directory.metadata.text_columns if directory.metadata else ()
    with source.doubting_header():
        where = Location.of_input(config.source).title
        text_columns = find_text_columns(source.names, config.text_column, fitted, where=where)
    check_free_space(target, source.size)
    return CheckedJob(config, target, source, text_columns, directory, output_format, rejects)


def dialect_of(config: ScoreConfig) -> Dialect:
    """How the input is written, as far as `config` says."""
    return Dialect.of(config, types=config.types)


def _open(
    config: ScoreConfig, target: Location, asked: FileFormat | None, rejects: Rejects | None
) -> Source | LiveSource:
    """The input: a stream while it arrives, if the output, in the format `asked` for or that of the input, is a stream
    of rows as well."""
    dialect = dialect_of(config)
    where = Location.of_input(config.source)
    # A file of Parquet is nothing before its end, which is where its readers begin.
    if not where.is_stream or not target.is_stream or config.dry_run or asked == "parquet":
        return Source.open(where, dialect=dialect, rejects=rejects)
    incoming = Incoming(where, dialect, lenient=rejects is not None)
    output_format = asked or stream_format(incoming.format)
    live = incoming.live(appended=_appended(config, output_format), rejects=rejects, flush_seconds=config.flush_seconds)
    return live or Source.open(incoming.arrivals, dialect=dialect, rejects=rejects)


def _appended(config: ScoreConfig, output_format: FileFormat) -> tuple[str, ...] | None:
    return appended_names(config) if output_format == "jsonl" else None


def _refuse_terminal(target: Location, output_format: FileFormat) -> None:
    """UsageError where a person would see bytes."""
    if target.is_stream and not format_named(output_format).text and target.stream.isatty():
        raise UsageError(
            f"{target.said}: a terminal, and {output_format} is no text; say --output-format csv, or name a file"
        )


def _output_format(config: ScoreConfig, target: Location) -> FileFormat | None:
    """What the option or the ending says, else Parquet, or None for a stream; an ending that says nothing is likely a
    mistake."""
    if config.output_format is not None:
        if not format_named(config.output_format).written or compression_of(config.target) not in (None, *WRITTEN):
            what = config.output_format
            raise UsageError(f"{config.target}: {what} is for reading alone; name another format or ending")
        if not format_named(config.output_format).text and compression_of(config.target):
            raise UsageError(
                f"{config.target}: no {config.output_format} is compressed as a whole; leave out {target.ending}"
            )
        return config.output_format
    if target.is_stream:
        return None
    found = output_format(config.target)
    # All of `.csv` is a name, and nothing of it an ending.
    if found is None and "." in target.name:
        raise UsageError(f"{config.target}: no format has this ending; name one with --output-format")
    return found or "parquet"


def _versions(libraries: tuple[str, ...], engine: Execution) -> dict[str, str]:
    return {name: library_version(name) or "" for name in libraries + engine.libraries}


def describe_job(checked: CheckedJob, engine: Execution, *, labels: LabelSet, decision: Decision) -> Lineage:
    """The job and its input, before anything was found out of its rows."""
    job = job_spec(
        checked.config,
        checked.directory,
        engine,
        labels=labels,
        decision=decision,
        text_columns=checked.text_columns,
        input_format=checked.source.format,
        output_format=checked.output_format,
        rejected=checked.rejected,
    )
    return Lineage(job=job, input=checked.source.fingerprint())


def job_spec(
    config: ScoreConfig,
    directory: ModelDirectory,
    engine: Execution,
    *,
    labels: LabelSet,
    decision: Decision,
    text_columns: tuple[str, ...],
    input_format: FileFormat,
    output_format: FileFormat,
    rejected: int = 0,
) -> JobSpec:
    """The job that scores the `text_columns` of files in the `input_format`, beside whose rows so many malformed
    records were set aside."""
    resolved = _engine_settings(engine) | {
        "model": directory.fingerprint,
        "source": "",
        "text_column": list(text_columns),
        "input_format": input_format,
        "output_format": output_format,
        "rejects": rejected,
    }
    options = identity(config, "logits", "answers", "output", resolved=resolved)
    model = ModelRecord(
        fingerprint=options.pop("model"),
        labels=labels.names,
        decision=decision.as_document(),
        long_text=dataclasses.asdict(_long_text(directory)),
    )
    del options["source"]
    versions = {"scorer": __version__} | _versions(_OUTPUT_LIBRARIES + _INPUT_LIBRARIES, engine)
    return JobSpec(kind="score", models={"model": model}, options=options, versions=versions)


def logit_fingerprint(config: FrameConfig, directory: ModelDirectory, engine: Execution) -> str:
    """BLAKE2b (hexadecimal, 32 characters) of everything that changes a logit, and of which tokens are counted beside
    it as unknown: the name under which scores are kept."""
    metadata = directory.metadata
    resolved = _engine_settings(engine) | {"model": directory.fingerprint}
    decisive = {
        "settings": identity(config, "logits", resolved=resolved),
        "long_text": dataclasses.asdict(_long_text(directory)),
        "unknown_token": metadata.profile.unknown_token if metadata and metadata.profile else None,
        "versions": {"scorer": __version__} | _versions(_INPUT_LIBRARIES, engine),
    }
    return hashlib.blake2b(json.dumps(decisive, sort_keys=True).encode(), digest_size=16).hexdigest()


def check_engine(job: JobSpec, engine: Execution) -> None:
    """DeviceError where logits that are computed by `engine` are not those that the `job` is known by."""
    asked = {name: value for name, value in _engine_settings(engine).items() if name in job.options}
    other = [f"{name} {value}, not {job.options[name]}" for name, value in asked.items() if value != job.options[name]]
    versions = {name: version for name, version in _versions((), engine).items() if name in job.versions}
    other += [
        f"{name} {version}, not {job.versions[name]}"
        for name, version in versions.items()
        if version != job.versions[name]
    ]
    if other:
        raise DeviceError(
            f"a worker would compute otherwise than the job says ({', '.join(other)}); give --device and --precision, "
            "or have workers of one kind"
        )


def _engine_settings(engine: Execution) -> dict[str, Any]:
    """What those settings came to that say how logits are computed. The number of a GPU says nothing of them."""
    return {
        "max_length": engine.max_length,
        "precision": engine.precision,
        "backend": engine.backend,
        "device": engine.device.partition(":")[0],
    }


def _long_text(directory: ModelDirectory) -> LongText:
    return directory.metadata.long_text if directory.metadata else LongText()
