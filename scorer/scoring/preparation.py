"""The checks before a score job: input, columns, model directory and output, without the weights and the rows.

What can be found wrong is found here, before anything heavy is loaded. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from scorer.classifier.directory import ModelDirectory, open_model
from scorer.config import WINDOW_TEXT_BYTES, FileFormat, ScoreConfig
from scorer.errors import UsageError
from scorer.scoring.columns import appended_names, refuse_clash
from scorer.scoring.drift import require_profile
from scorer.scoring.windows import window_rows
from scorer.stores.checks import Inputs, check_file, check_folder, check_free_space
from scorer.stores.location import Location
from scorer.tables.formats.registry import format_named, format_of
from scorer.tables.header import given_names
from scorer.tables.reader import Reader
from scorer.tables.rejects import Rejects
from scorer.tables.source import Source
from scorer.tables.streams import compression_of
from scorer.tables.texts import find_text_columns


@dataclass(frozen=True)
class CheckedJob:
    """A job whose input, columns, model directory and output were found good by what can be looked at at once.

    `target` is where the scored rows go. `rejects` will hold the malformed records of the input, if they were asked
    for: whoever checked commits or discards.
    """

    config: ScoreConfig
    target: Location
    source: Source
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
        appended = appended_names(self.config) if self.output_format == "jsonl" else None
        reader = self.source.read(self.text_columns, appended=appended)
        # The names that a source knows at once are those of the first lines; JSON lines may bring more.
        refuse_clash(reader.names, self.config)
        return PreparedJob(**vars(self) | {"directory": directory}, reader=reader)


@dataclass(frozen=True)
class PreparedJob(CheckedJob):
    """A job whose rows are ready to be read."""

    reader: Reader

    @property
    def rows(self) -> int | None:
        """How many rows will be scored, or None where only reading would tell."""
        rows, limit = self.reader.rows, self.config.limit
        return rows if rows is None or limit is None else min(rows, limit)

    def windows(self) -> Iterator[pa.Table]:
        """The rows to score, in windows."""
        most = window_rows(self.config.window_rows, labels=len(self.directory.labels or ()))
        return self.reader.windows(max_rows=most, max_bytes=WINDOW_TEXT_BYTES, limit=self.config.limit)


def check(config: ScoreConfig) -> CheckedJob:
    """Check `config`, cheapest first; what is wrong is raised as a ScorerError. A stream is read to its end here."""
    target = Location.of_output(config.target)
    output_format = _output_format(config, target)
    rejects = Rejects(config.rejects, rows=config.limit) if config.rejects is not None else None
    names = given_names(config)
    source = Source.open(config.source, input_format=config.input_format, rejects=rejects, names=names)
    inputs = Inputs([config.source], models=[config.model], files=source.files)
    if rejects is not None:
        check_file(rejects.target, inputs, force=True)
    if not target.is_stream:
        check_file(target.path, inputs, force=True)
    if config.cache is not None:
        check_folder(config.cache, inputs, replaced=False)
    refuse_clash(source.names, config)
    # Where there is no output, there is none that may stand: the model will be loaded, hence is read now.
    directory = open_model(config.model, by_times=not target.is_stream and target.path.exists())
    require_profile(directory, config)
    fitted = directory.metadata.text_columns if directory.metadata else ()
    with source.doubting_header():
        text_columns = find_text_columns(source.names, config.text_column, fitted, where=config.source)
    if not target.is_stream:
        check_free_space(target.path, sum(path.stat().st_size for path in source.files))
    return CheckedJob(config, target, source, text_columns, directory, output_format, rejects)


def _output_format(config: ScoreConfig, target: Location) -> FileFormat:
    """Parquet, unless the option or the ending says otherwise; an ending that says nothing is likely a mistake."""
    if config.output_format is not None:
        if not format_named(config.output_format).text and compression_of(config.target):
            ending = Path(config.target).suffix
            raise UsageError(f"{config.target}: no {config.output_format} is compressed as a whole; leave out {ending}")
        return config.output_format
    found = None if target.is_stream else format_of(config.target)
    # All of `.csv` is a name, and nothing of it an ending.
    if found is None and not target.is_stream and "." in Path(config.target).name:
        raise UsageError(f"{config.target}: no format has this ending; name one with --output-format")
    return found or "parquet"
