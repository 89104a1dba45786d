"""`scorer export`: parse, call the export job, report."""

from __future__ import annotations

from typing import Any, Final

import click

from scorer.cli.command import Command, print_summary
from scorer.cli.options import config_options
from scorer.config import ExportConfig

_EXAMPLES: Final = (
    "scorer export --to onnx -o exported/",
    "scorer export -m models/reviews --to onnx --int8 --parity-data reviews.parquet -o exported/",
    "scorer export -m models/reviews --to openvino -o exported/",
)


@click.command(cls=Command, examples=_EXAMPLES)
@config_options(ExportConfig)
def export(**settings: Any) -> None:
    """Write a model for ONNX Runtime or OpenVINO, which need neither torch nor scorer.

    The folder holds the model, its tokenizer, what makes labels of logits, a certificate of how it was compared with
    what scorer computes, and a README.md with a program that runs it.
    """
    config = ExportConfig(**settings)
    from scorer.stores.checks import require

    require(config.parity_data)
    from scorer.exporting.export_job import export as export_job
    from scorer.runs.console import Console

    print_summary(export_job(config, Console(quiet=config.quiet)).as_dict(), quiet=config.quiet)
