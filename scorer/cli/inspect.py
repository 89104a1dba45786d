"""`scorer inspect`: what a model directory or a scored file says of itself."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from scorer.errors import InputMissing
from scorer.tables.formats import format_of


@click.command(short_help="Show what a model directory or a scored file says of itself.")
@click.argument("what", metavar="MODEL|FILE")
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks.")
def inspect(what: str) -> None:
    """Show a model directory (parameters, labels, training, metrics, hashes) or a data file (columns, lineage, counts).

    The document is JSON on standard output, indented on a terminal.
    """
    import json

    if not Path(what).exists() and format_of(what):
        raise InputMissing(f"{what}: no such file")
    from scorer.scoring.inspection import inspect_file, inspect_model

    document = inspect_file(Path(what)) if Path(what).is_file() else inspect_model(what)
    click.echo(json.dumps(document, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))
