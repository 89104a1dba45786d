"""`scorer check`: parse, call the check job, report."""

from __future__ import annotations

from typing import Any, Final

import click

from scorer.cli.command import Command, Place, print_summary
from scorer.cli.options import config_options
from scorer.config import CheckConfig, Data
from scorer.errors import DataError

_EXAMPLES: Final = (
    "scorer check train.csv",
    "scorer check train.csv --valid held-out.csv --report check.html",
    "scorer check reviews.parquet --text-column body --label-column stars --strict",
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("data", type=Place(), nargs=-1, required=True)
@config_options(CheckConfig)
def check(data: tuple[str, ...], **settings: Any) -> None:
    """Look for what is wrong with DATA, files of texts and labels, before a model is fitted on it.

    Labels, lengths, nulls, duplicates, the same text under different labels, texts that are in the validation file too,
    odd encodings, and a language that the base model does not know. Exits 65 for an error, with which a fit would
    refuse DATA, and with --strict for a warning, too.
    """
    config = CheckConfig(data=Data(*data), **settings)
    from scorer.stores.checks import Inputs, check_files, require

    require(*data, config.valid)
    from scorer.checking.check_job import check_data
    from scorer.checking.check_report import check_page, summary_lines
    from scorer.checking.findings import count_by_severity
    from scorer.runs.console import Console
    from scorer.stores.atomic import write_whole

    console = Console(quiet=config.quiet)
    inputs = Inputs([*data, config.valid], models=[config.base_model])
    check_files({"--report": config.report}, inputs, force=True)
    result = check_data(config, console)
    if config.report is not None:
        write_whole(config.report, check_page(result))
    for line in summary_lines(result):
        console.say(line)
    print_summary(result.as_dict(), quiet=config.quiet)
    if result.refused or (config.strict and not result.sound):
        found, gravest = count_by_severity(result.findings), result.findings[0]
        raise DataError(
            f"{gravest.file}: the gravest of {found['errors']} errors and {found['warnings']} warnings is "
            f"{gravest.code}: {gravest.what}; {gravest.advice}"
        )
