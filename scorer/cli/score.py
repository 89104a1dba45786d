"""`scorer score`: parse, call the score job, report."""

from __future__ import annotations

import sys
import time
from typing import Any, Final

import click

from scorer.cli.command import Command, Place, asks_for_json, print_document, print_summary
from scorer.cli.options import config_options
from scorer.config import ScoreConfig
from scorer.errors import UsageError

_EXAMPLES: Final = (
    "scorer score reviews.parquet reviews.scored.parquet --report-html scored.html   # with a page",
    "scorer score incoming/ scored/ --workers 2 --max-flagged 1%   # a folder: only what is new is scored",
    "zcat reviews.csv.gz | scorer score - - > scored.csv",
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("source", type=Place(), metavar="IN")
@click.argument("target", type=Place(), metavar="OUT")
@config_options(ScoreConfig)
def score(source: str, target: str, **settings: Any) -> None:
    """Score every row of IN with a model and write all columns, the score and its confidence to OUT.

    IN is a file, a quoted glob, a folder or - for a stream; OUT is a file, a folder or -. A folder gets one part for
    each file of IN, and only what is new or changed is scored. Parquet, CSV, TSV, JSON lines and Arrow are told apart
    by their endings. A run that was interrupted goes on where it stopped. Rows of a stream go on to a stream while more
    arrive, all columns of CSV as text.
    """
    config = ScoreConfig(source=source, target=target, **settings)
    from scorer.stores.checks import require
    from scorer.stores.location import Location

    if asks_for_json() and not config.dry_run and Location.of_output(target).scheme == "stdout":
        raise UsageError("--json: stdout carries the table; write OUT to a file, or leave --json out")
    if config.report is None and config.textfile is None:  # else the job finds it missing, and records that
        require(source)
    from scorer.runs.console import Console

    console = Console(quiet=config.quiet)
    from scorer.engines.folder_job import preview, wants_folder

    if config.dry_run and wants_folder(config):
        print_document(preview(config, console))
        return
    if config.dry_run:
        started = time.monotonic()
        from scorer.scoring.estimate import estimate

        print_summary(estimate(config, console, started=started).as_dict(), quiet=config.quiet)
        return
    from scorer.engines.score_job import score as score_job

    summary = score_job(config, console, arguments=sys.argv)
    print_summary(summary.as_dict(), quiet=config.quiet or Location.of_output(target).scheme == "stdout")
