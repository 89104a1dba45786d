"""Where a finished model goes: its directory, and the link to the latest one.

Chooses the name, refuses what would replace something that should stay, and moves the directory into its place.
"""

from __future__ import annotations

import itertools
import os
import shutil
from datetime import datetime
from pathlib import Path

from scorer.classifier.metadata import METADATA_FILE
from scorer.config import LATEST_MODEL, UNFINISHED
from scorer.errors import OutputRefused
from scorer.stores.checks import Inputs, check_folder


def default_output(train: Path, *, now: datetime) -> Path:
    """models/NAME-YYYYmmdd-HHMMSS, relative to the working directory; with a number when that stands there already."""
    stem = train.name.split(".")[0] or "model"
    names = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    places = (Path(LATEST_MODEL).parent / f"{stem}-{now:%Y%m%d-%H%M%S}{name}" for name in names)
    return next(place for place in places if not place.exists() and not unfinished(place).exists())


def unfinished(output: Path) -> Path:
    """The workspace of a fit that has not finished `output`."""
    return output.with_name(output.name + UNFINISHED)


def check_output(output: Path, inputs: Inputs, *, force: bool) -> None:
    """OutputRefused when `output` is a URL, or stands there already, unless `force` may replace it: a model or an empty
    folder. UsageError when it is one of the `inputs`, holds one or lies in the base model."""
    check_folder(output, inputs, replaced=True)
    latest = Path(LATEST_MODEL)
    if latest.exists() and not latest.is_symlink():
        raise OutputRefused(f"{latest}: not a symbolic link, so it cannot be moved to the new model; rename it")
    if output.is_symlink():
        raise OutputRefused(f"{output}: a symbolic link; name the directory itself")
    if not output.exists():
        return
    if not force:
        raise OutputRefused(f"{output}: exists already; choose another directory or replace it with --force")
    if not output.is_dir() or (any(output.iterdir()) and not (output / METADATA_FILE).is_file()):
        raise OutputRefused(f"{output}: no model that scorer wrote, so --force does not replace it; remove it yourself")


def publish(built: Path, output: Path) -> None:
    """Move the complete directory `built` to `output`, durably; what stood there is deleted after it.

    A directory that stands there is moved aside first, since none replaces another in one step: a reader may find none
    between two renames. When the second fails the old directory is put back; a kill just there leaves it beside, as
    NAME.replaced-PID.
    """
    for path in sorted(built.rglob("*"), reverse=True):
        _sync(path)
    _sync(built)
    aside = output.with_name(f"{output.name}.replaced-{os.getpid()}")
    replaces = output.exists()
    if replaces:
        output.rename(aside)
    try:
        built.rename(output)
    except OSError:
        if replaces:
            aside.rename(output)
        raise
    _sync(output.parent)
    if replaces:
        shutil.rmtree(aside)


def point_latest(output: Path) -> None:
    """Let models/latest mean `output`, by a relative link that is swapped atomically."""
    latest = Path(LATEST_MODEL)
    latest.parent.mkdir(parents=True, exist_ok=True)
    beside = latest.with_name(f".latest-{os.getpid()}")
    beside.unlink(missing_ok=True)
    beside.symlink_to(os.path.relpath(output.resolve(), latest.parent.resolve()))
    beside.replace(latest)
    _sync(latest.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
