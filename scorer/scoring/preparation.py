"""The checks before a score job: input, columns, model directory and output, without the weights and the rows.

Owns what can be found wrong before anything heavy is loaded. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pyarrow as pa

from scorer.classifier.directory import ModelDirectory, open_model
from scorer.config import WINDOW_TEXT_BYTES, FileFormat, ScoreConfig
from scorer.errors import OutputRefused, UsageError
from scorer.scoring.columns import appended_names, refuse_clash
from scorer.scoring.drift import require_profile
from scorer.scoring.windows import window_rows
from scorer.stores.checks import check_free_space, check_target, refuse_url
from scorer.tables.columns import find_text_columns
from scorer.tables.formats import TEXT_FORMATS, compression_of, format_of
from scorer.tables.header import given_names
from scorer.tables.reader import Reader
from scorer.tables.rejects import Rejects
from scorer.tables.source import Source

STREAM = "-"


@dataclass(frozen=True)
class Checked:
    """A job whose input, columns, model directory and output were found good by what can be looked at at once.

    `rejects` will hold the malformed records of the input, if they were asked for: whoever checked commits or discards.
    """

    config: ScoreConfig
    source: Source
    text_columns: tuple[str, ...]
    directory: ModelDirectory
    output_format: FileFormat
    rejects: Rejects | None

    def read(self) -> Preparation:
        """Scan the rows where only they tell the columns' types; what is wrong with them is raised as a ScorerError."""
        appended = appended_names(self.config) if self.output_format == "jsonl" else None
        reader = self.source.read(self.text_columns, appended=appended)
        # The names that a source knows at once are those of the first lines; JSON lines may bring more.
        refuse_clash(reader.names, self.config)
        return Preparation(**vars(self), reader=reader)


@dataclass(frozen=True)
class Preparation(Checked):
    """A job whose rows are ready to be read."""

    reader: Reader

    @property
    def rows(self) -> int | None:
        """How many rows will be scored, or None where only reading would tell."""
        rows, limit = self.reader.rows, self.config.limit
        return rows if rows is None or limit is None else min(rows, limit)

    @property
    def rejected(self) -> int:
        """How many malformed records were set aside: of all, or of those among the rows to score."""
        return self.rejects.count if self.rejects is not None else 0

    def windows(self) -> Iterator[pa.Table]:
        """The rows to score, in windows."""
        most = window_rows(self.config.window_rows, labels=len(self.directory.labels or ()))
        return self.reader.windows(max_rows=most, max_bytes=WINDOW_TEXT_BYTES, limit=self.config.limit)


def check(config: ScoreConfig) -> Checked:
    """Check `config`, cheapest first; what is wrong is raised as a ScorerError. A stream is read to its end here."""
    output_format = _output_format(config)
    rejects = Rejects(config.rejects, rows=config.limit) if config.rejects is not None else None
    names = given_names(config)
    source = Source.open(config.source, input_format=config.input_format, rejects=rejects, names=names)
    if rejects is not None:
        check_target(rejects.target, source.files, force=True)
    if config.target != STREAM:
        refuse_own_input(Path(config.target), config.source)
        check_target(Path(config.target), source.files, force=True)
    if config.cache is not None:
        _check_cache(config.cache)
    refuse_clash(source.names, config)
    directory = open_model(config.model)
    require_profile(directory, config)
    fitted = directory.metadata.text_columns if directory.metadata else ()
    with source.doubting_header():
        text_columns = find_text_columns(source.names, config.text_column, fitted, where=config.source)
    if config.target != STREAM:
        check_free_space(Path(config.target), sum(path.stat().st_size for path in source.files))
    return Checked(config, source, text_columns, directory, output_format, rejects)


def _check_cache(folder: Path) -> None:
    """OutputRefused where `--cache` names no folder of this machine, nor one that could be made."""
    refuse_url(folder)
    if folder.exists() and not folder.is_dir():
        raise OutputRefused(f"{folder}: a file, where --cache keeps scores in a folder; name another")


def refuse_own_input(written: Path, location: str) -> None:
    """UsageError when what is `written` would be among the input the next time: in its folder, or matched by its
    pattern."""
    source = Path(location)
    if source.is_dir():
        within = written.resolve().is_relative_to(source.resolve())
    else:
        within = not source.exists() and _matches(written.absolute().parts, source.absolute().parts)
    if within:
        raise UsageError(f"{written}: would be part of the input {source}; name an output outside of it")


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a path of these `parts` is matched by a `pattern`, in which ** stands for any number of parts."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[skipped:], pattern[1:]) for skipped in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _output_format(config: ScoreConfig) -> FileFormat:
    """Parquet, unless the option or the ending says otherwise; an ending that says nothing is likely a mistake."""
    if config.output_format is not None:
        if config.output_format not in TEXT_FORMATS and compression_of(config.target):
            ending = Path(config.target).suffix
            raise UsageError(f"{config.target}: no {config.output_format} is compressed as a whole; leave out {ending}")
        return config.output_format
    found = None if config.target == STREAM else format_of(config.target)
    if found is None and Path(config.target).suffix:
        raise UsageError(f"{config.target}: no format has this ending; name one with --output-format")
    return found or "parquet"
