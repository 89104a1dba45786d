"""`scorer inspect`: what a model directory or a scored file says of itself, and whether that is still true."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from scorer.cli.command import Command, Place, print_document
from scorer.errors import UsageError

_EXAMPLES: Final = (
    "scorer inspect models/latest",
    "scorer inspect reviews.scored.parquet --verify",
    "scorer inspect scored/ --html parts.html   # a page: parts, what made them, which do not stand and why",
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("what", type=Place(), metavar="MODEL|FILE|FOLDER")
@click.option("--verify", is_flag=True, help="Look at every byte: hashes and weights, or checksums, rows and statuses.")
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Of a folder of parts: write a page about them here.",
)
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks.")
def inspect(what: str, verify: bool, html: Path | None) -> None:
    """Show a model directory (parameters, labels, training, metrics, hashes), a data file (columns, lineage, counts) or
    a folder of parts (rows by status, what made them, what changed since).

    The document is JSON on standard output, indented on a terminal. With --verify it tells what was found as well, and
    the exit code is 78 for a model and 65 for a file or a folder that is not what it says.
    """
    from scorer.stores.atomic import write_whole
    from scorer.stores.checks import require
    from scorer.stores.location import Location
    from scorer.stores.object_path import path_of
    from scorer.tables.formats.registry import format_of

    if format_of(what):
        require(what)
    from scorer.scoring.folder_inspection import FolderInspection, is_folder_of_parts
    from scorer.scoring.inspection import inspect_file, inspect_model

    path = path_of(what)
    place = Location.of_path(path)
    is_folder = path.is_dir() and is_folder_of_parts(place)
    if html is not None:
        _check_page(html, what, is_folder=is_folder)
    if is_folder:
        inspection = FolderInspection(place, every_byte=verify)
        document, error = inspection.document(), inspection.error
        if html is not None:
            write_whole(html, inspection.page().html())
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


def _check_page(html: Path, what: str, *, is_folder: bool) -> None:
    """UsageError for a page about what is no folder of parts; errors as of `check_files`."""
    from scorer.stores.checks import Inputs, check_files

    if not is_folder:
        raise UsageError("--html: for a folder of parts; scorer score --report-html makes a page about a file")
    check_files({"--html": html}, Inputs([what]), force=True)
