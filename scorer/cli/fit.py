"""`scorer fit`: parse, call the fit job, report."""

from __future__ import annotations

from typing import Any, Final

import click

from scorer.cli.command import Command, Place, print_summary
from scorer.cli.options import config_options, with_preset
from scorer.config import Data, FitConfig

_EXAMPLES: Final = (
    "scorer fit train.csv",
    "scorer fit train.csv --valid held-out.csv --preset best -o models/reviews",
    "scorer fit tickets.parquet --text-column body --label-column team --base-model distilbert-base-uncased",
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("train", type=Place(), nargs=-1, required=True)
@config_options(FitConfig)
def fit(train: tuple[str, ...], **settings: Any) -> None:
    """Fine-tune a classifier on TRAIN, files of texts and labels, and write a model directory.

    The columns are found by their names (sentence, text, review ...; score, label, rating ...), a tenth of the rows is
    held out for validation, and models/latest points to the new model.
    """
    config = FitConfig(train=Data(*train), **with_preset(click.get_current_context(), settings))
    from scorer.runs.runtime import wait_passively
    from scorer.stores.checks import require

    wait_passively()
    require(*train, config.valid)
    from scorer.runs.console import Console
    from scorer.training.fit_job import fit as fit_job

    print_summary(fit_job(config, Console(quiet=config.quiet)).as_dict(), quiet=config.quiet)
