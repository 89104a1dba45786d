"""`scorer evaluate`: parse, call the evaluation job, report."""

from __future__ import annotations

from typing import Any, Final

import click

from scorer.cli.command import Command, Place, print_summary
from scorer.cli.options import config_options
from scorer.config import Data, EvaluateConfig

_EXAMPLES: Final = (
    "scorer evaluate held-out.csv --report evaluate.html",
    "scorer evaluate held-out.parquet -m models/new --slice country --rows ranked.csv",
    "scorer evaluate held-out.csv --min-metric macro_f1=0.85   # a gate: exits 65 below it",
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("data", type=Place(), nargs=-1, required=True)
@config_options(EvaluateConfig)
def evaluate(data: tuple[str, ...], **settings: Any) -> None:
    """Score DATA, which has labels, and tell how good the model is on it and where it fails.

    Metrics before and after calibration, slices by length and by any column, the accuracy that is left at each
    confidence, the hardest rows and the labels that are probably wrong: in words on stderr, as JSON on stdout, as a
    page with --report and as a ranked table with --rows. With --min-metric or --max-metric the exit code is 65 when the
    model is worth less than that.
    """
    config = EvaluateConfig(data=Data(*data), **settings)
    from scorer.stores.checks import require

    require(*data)
    from scorer.evaluation.evaluate_job import evaluate as evaluate_job
    from scorer.runs.console import Console
    from scorer.runs.runtime import wait_passively

    if config.folds is not None:
        wait_passively()
    summary = evaluate_job(config, Console(quiet=config.quiet))
    print_summary(summary.as_dict(), quiet=config.quiet)
    summary.refuse_unmet()
