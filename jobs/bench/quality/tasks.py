"""The data sets: which files, which columns.

Owns their names. Knows no model; the files lie in the folder that SCORER_REALDATA names.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path


def parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The options that were given, with `realdata`, the folder of the files."""
    parser.add_argument("--realdata", type=Path, default=os.environ.get("SCORER_REALDATA"), metavar="DIR")
    options = parser.parse_args()
    if options.realdata is None:
        parser.error("SCORER_REALDATA, or --realdata, must name the folder of the real data sets")
    options.realdata = options.realdata.resolve()
    return options


@dataclass(frozen=True, kw_only=True)
class Task:
    """One data set. Without `valid` a tenth of `train` is held out. `rows` cuts `train` to its first rows. `abstain` is
    the precision that the rows kept shall reach."""

    name: str
    train: Path
    test: Path
    valid: Path | None = None
    texts: tuple[str, ...]
    label: str
    rows: int | None = None
    abstain: float | None = None


def tasks(folder: Path, *, rows: int | None = None) -> dict[str, Task]:
    """The data sets in `folder` by their names, each with at most `rows` training rows."""

    def files(name: str, ending: str, *, valid: bool) -> dict[str, Path | None]:
        parts = {part: folder / f"{name}_{part}.{ending}" for part in ("train", "test")}
        return parts | {"valid": folder / f"{name}_dev.{ending}" if valid else None}

    found = (
        Task(name="sst5", **files("sst5", "csv", valid=True), texts=("sentence",), label="score", rows=rows),
        Task(
            name="sst2",
            **files("sst2", "tsv", valid=True),
            texts=("sentence",),
            label="label",
            rows=rows,
            abstain=0.95,
        ),
        Task(
            name="agnews",
            **files("agnews", "parquet", valid=False),
            texts=("title", "description"),
            label="topic",
            rows=rows,
        ),
        Task(
            name="goemotions",
            **files("goemotions", "parquet", valid=True),
            texts=("text",),
            label="emotions",
            rows=rows,
        ),
        Task(name="waimai", **files("waimai", "csv", valid=False), texts=("review",), label="label", rows=rows),
    )
    return {task.name: task for task in found}
