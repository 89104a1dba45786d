"""`scorer adapt`: parse, call the adapt job, report."""

from __future__ import annotations

from typing import Any, Final

import click

from scorer.cli.command import Command, Place, print_summary
from scorer.cli.options import config_options
from scorer.config import AdaptConfig, Data

_EXAMPLES: Final = (
    "scorer adapt reviews.parquet -o models/hotels && scorer fit train.csv --base-model models/hotels",
    "scorer adapt 'archive/*.csv.gz' --text-column body --minutes 60 --whole-words",
    "scorer adapt texts.jsonl --from-scratch --vocab-size 8000 --layers 4 -o models/small",
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("texts", type=Place(), nargs=-1, required=True)
@config_options(AdaptConfig)
def adapt(texts: tuple[str, ...], **settings: Any) -> None:
    """Train a base model on TEXTS, files of texts without labels, before a classifier is fitted on it.

    Tokens are hidden and filled in again, so that the model learns the words of your texts. How well it does is
    measured before and after on texts that are held out. `scorer fit --base-model DIR` takes what comes out.
    """
    config = AdaptConfig(data=Data(*texts), **settings)
    from scorer.runs.runtime import wait_passively
    from scorer.stores.checks import require

    wait_passively()
    require(*texts, config.valid)
    from scorer.adapting.adapt_job import adapt as adapt_job
    from scorer.runs.console import Console

    print_summary(adapt_job(config, Console(quiet=config.quiet)).as_dict(), quiet=config.quiet)
