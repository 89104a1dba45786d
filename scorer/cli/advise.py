"""`scorer advise`: parse, call the advise job, print a table or JSON."""

from __future__ import annotations

import sys
from typing import Any, Final

import click

from scorer.cli.command import Command, Place, asks_for_json, print_document
from scorer.cli.options import config_options
from scorer.config import AdviseConfig, Data

_EXAMPLES: Final = (
    "scorer advise train.csv",
    "scorer advise train.csv --minutes 10 --candidates default,default@3,models/hotels",
    "scorer advise tickets.parquet --text-column body --label-column team --json | jq -r .command",
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("train", type=Place(), nargs=-1, required=True)
@config_options(AdviseConfig)
def advise(train: tuple[str, ...], **settings: Any) -> None:
    """Say with which base model, length and preset to fit TRAIN, by short fits on this machine.

    All candidates are tried on few rows, the better half on more, until one is left. A table says how accurate each
    is, how fast it scores and how well it knows the language; the last line is the fit to run. Elsewhere than on a
    terminal it is JSON.
    """
    config = AdviseConfig(train=Data(*train), **settings)
    from scorer.runs.runtime import wait_passively
    from scorer.stores.checks import require

    wait_passively()
    require(*train)
    from scorer.advising.advise_job import advise as advise_job
    from scorer.runs.console import Console

    found = advise_job(config, Console(quiet=config.quiet))
    if sys.stdout.isatty() and not asks_for_json():
        click.echo("\n".join(found.lines()))
    else:
        print_document(found.as_dict())
