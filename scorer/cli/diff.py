"""`scorer diff`: parse, call the diff job, report."""

from __future__ import annotations

from typing import Any, Final

import click

from scorer.cli.command import Command, Place, print_summary
from scorer.cli.options import config_options
from scorer.config import Data, DiffConfig

_EXAMPLES: Final = (
    "scorer diff models/latest-previous models/latest reviews.parquet",
    "scorer diff models/old models/new reviews.csv --max-flips 2% --rows changed.csv",
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("old", type=Place("dir"))
@click.argument("new", type=Place("dir"))
@click.argument("data", type=Place(), nargs=-1, required=True)
@config_options(DiffConfig)
def diff(old: str, new: str, data: tuple[str, ...], **settings: Any) -> None:
    """Score DATA with the models OLD and NEW and say which labels change.

    With a column of labels also how good both are, and whether the difference may be chance. With --max-flips the exit
    code is 65 when more labels change: the gate before a cron job changes its model.
    """
    config = DiffConfig(old=old, new=new, data=Data(*data), **settings)
    from scorer.stores.checks import require

    require(*data)
    from scorer.evaluation.diff_job import diff as diff_job
    from scorer.runs.console import Console

    summary = diff_job(config, Console(quiet=config.quiet))
    print_summary(summary.as_dict(), quiet=config.quiet)
    summary.refuse_too_many()
