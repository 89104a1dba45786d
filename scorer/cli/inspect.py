"""`scorer inspect`: what a model directory or a scored file says of itself, and whether that is still true."""

from __future__ import annotations

from typing import Final

import click

from scorer.cli.command import Command, Place, print_document

_EXAMPLES: Final = (
    "scorer inspect models/latest",
    "scorer inspect reviews.scored.parquet --verify",
    "scorer inspect scored/",
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("what", type=Place(), metavar="MODEL|FILE|FOLDER")
@click.option("--verify", is_flag=True, help="Look at every byte: hashes and weights, or checksums, rows and statuses.")
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks.")
def inspect(what: str, verify: bool) -> None:
    """Show a model directory (parameters, labels, training, metrics, hashes), a data file (columns, lineage, counts) or
    a folder of parts (rows by status, what made them, what changed since).

    The document is JSON on standard output, indented on a terminal. With --verify it tells what was found as well, and
    the exit code is 78 for a model and 65 for a file that is not what it says.
    """
    from scorer.stores.checks import require
    from scorer.stores.location import Location
    from scorer.stores.object_path import path_of
    from scorer.tables.formats.registry import format_of

    if format_of(what):
        require(what)
    from scorer.scoring.inspection import inspect_file, inspect_folder, inspect_model, is_folder_of_parts

    path = path_of(what)
    place = Location.of_path(path)
    if path.is_dir() and is_folder_of_parts(place):
        document, error = inspect_folder(place), None
    elif verify:
        from scorer.scoring.inspection import verify_file, verify_model

        verified = verify_file(place) if path.is_file() else verify_model(what)
        document, error = verified.document, verified.error
    else:
        document = inspect_file(place) if path.is_file() else inspect_model(what)
        error = None
    print_document(document)
    if error is not None:
        raise error
