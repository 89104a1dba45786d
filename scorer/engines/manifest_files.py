"""The files that hold the manifest of a score job: `--report` and `--textfile`, written however the job ends.

Where and when they are written is decided here; `runs.manifest` makes what stands in them. All files that tell of a job
are checked here, before it begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa

from scorer.config import ScoreConfig
from scorer.errors import ScorerError, UsageError
from scorer.runs.console import Console
from scorer.runs.manifest import Manifest
from scorer.scoring.columns import appended_names
from scorer.scoring.grouping_by_time import check_groups
from scorer.stores.atomic import read_if_there, write_whole
from scorer.stores.checks import Inputs, check_files
from scorer.stores.location import Location
from scorer.tables.reader import check_names


@contextmanager
def kept_manifest(config: ScoreConfig, console: Console, *, arguments: Sequence[str]) -> Iterator[Manifest]:
    """A manifest for the job in the `with` block, written when the block ends, with the error that ended it if one did.

    A ScorerError when it can't be written after a job that succeeded; after one that failed, a warning.
    """
    _check(config)
    manifest = Manifest(arguments=arguments)
    try:
        yield manifest
    except BaseException as error:
        manifest.end(error)
        try:
            _write(config, manifest)
        except (ScorerError, OSError) as second:
            console.warn(f"the run could not be recorded: {second}")
        raise
    manifest.end(None)
    _write(config, manifest)


def _check(config: ScoreConfig) -> None:
    _check_page(config)
    check_files(
        {
            "--rejects": config.rejects,
            "--report": config.report,
            "--report-html": config.report_html,
            "--textfile": config.textfile,
        },
        Inputs([config.source], models=[config.model]),
        force=True,
        besides=[Location.of_output(config.target)],
    )


def _check_page(config: ScoreConfig) -> None:
    """UsageError for a page that makes no sense."""
    if config.report_html is None and config.report_by is not None:
        raise UsageError("--report-by: says what --report-html shows; name its file, or leave it out")
    if config.report_html is not None and Location.of_output(config.target).is_stream:
        raise UsageError("--report-html: OUT is read again for it, and a stream is gone then; write OUT to a file")


def check_report_by(config: ScoreConfig, names: Sequence[str], *, where: str) -> None:
    """UsageError where the output of rows with the columns `names` has no such column."""
    if config.report_by is not None:
        check_names([*names, *appended_names(config)], [config.report_by], where=f"--report-by: {where}")


def check_report_type(config: ScoreConfig, schema: pa.Schema, *, where: str) -> None:
    """UsageError where rows of `schema` cannot be grouped by that column."""
    name = config.report_by
    if name is not None and name in schema.names:
        check_groups(name, schema.field(name).type, where=where)


def _write(config: ScoreConfig, manifest: Manifest) -> None:
    if config.report is not None:
        write_whole(config.report, manifest.as_json())
    if config.textfile is not None:
        before = read_if_there(config.textfile)
        write_whole(config.textfile, manifest.as_metrics(output=config.target, before=before))
