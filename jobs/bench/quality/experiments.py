"""What is measured, one function an experiment; each returns figures as JSON types.

Owns the settings of each experiment. Does not know how figures are kept or shown.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from quality import commands
from quality.tasks import Task

HEADLINE = ("accuracy", "macro_f1", "ece")
ABSTAINING = ("coverage", "selective_accuracy")
FLIPPED = 0.05
FOLDS = 3
LONG_TEST_ROWS = 400


def scorer_fit(task: Task, seed: int) -> dict[str, Any]:
    """`scorer fit` with its defaults on `task`: figures on the test file, before and after calibration, and seconds.

    Where the task abstains, also the share of the test rows that was kept and how much of it is right.
    """
    with _folder() as folder:
        model = folder / "model"
        options = ("--abstain", str(task.abstain)) if task.abstain else ()
        seconds = commands.fit(task, model, *options, seed=seed)
        found = commands.evaluate(task.test, model)
    calibrated, raw = ({name: found[part][name] for name in HEADLINE} for part in ("metrics", "uncalibrated"))
    kept = {name: found["metrics"].get(name) for name in ABSTAINING if task.abstain}
    return {"seconds": seconds, **calibrated, **kept, "raw": raw}


def fit_with(task: Task, options: str, seed: int) -> dict[str, Any]:
    """`scorer fit` with `options`, as they are written on a command line: accuracy on the test file, and seconds."""
    with _folder() as folder:
        seconds = commands.fit(task, folder / "model", *options.split(), seed=seed)
        found = commands.evaluate(task.test, folder / "model")
    return {"seconds": seconds, "accuracy": found["metrics"]["accuracy"]}


def plain_fit(task: Task, seed: int) -> dict[str, Any]:
    """The plain script on `task`."""
    with _folder() as folder:
        return commands.plain(task, folder / "plain", seed=seed)


def long_text(file: Path, mode: str, seed: int, *, epochs: int) -> dict[str, Any]:
    """Texts beyond the model, fitted on all rows of `file` but 400: accuracy on these, at 128 tokens."""
    rows = pl.read_parquet(file).sample(fraction=1.0, shuffle=True, seed=seed)
    with _folder() as folder:
        rows[LONG_TEST_ROWS:].write_parquet(folder / "train.parquet")
        rows[:LONG_TEST_ROWS].write_parquet(folder / "test.parquet")
        parts = {part: folder / f"{part}.parquet" for part in ("train", "test")}
        task = Task(name=file.stem, **parts, texts=("review",), label="polarity")
        options = ("--long-text", mode, "--max-length", "128", "--epochs", str(epochs))
        seconds = commands.fit(task, folder / "model", *options, seed=seed)
        found = commands.evaluate(task.test, folder / "model")
    return {"seconds": seconds, "accuracy": found["metrics"]["accuracy"]}


def label_errors(task: Task, seed: int) -> dict[str, Any]:
    """5 % of the labels turned into another one at random: how many of as many top suspects were turned."""
    separator = "\t" if task.train.suffix == ".tsv" else ","
    rows = pl.read_csv(task.train, separator=separator, quote_char='"')
    labels = rows[task.label].to_numpy().copy()
    generator = np.random.default_rng(seed)
    turned = generator.choice(len(labels), round(FLIPPED * len(labels)), replace=False)
    kinds = np.unique(labels)
    for row in turned:
        labels[row] = generator.choice(kinds[kinds != labels[row]])
    with _folder() as folder:
        data, ranked, model = (folder / name for name in ("turned.parquet", "ranked.parquet", "model"))
        rows.with_columns(pl.Series(task.label, labels)).write_parquet(data)
        commands.fit(dataclasses.replace(task, train=data), model, seed=seed)
        commands.evaluate(data, model, "--folds", str(FOLDS), "--rows", str(ranked))
        first = pl.read_parquet(ranked)["row"][: len(turned)].to_numpy() - 1
    return {"suspects": len(turned), "precision": float(np.isin(first, turned).mean())}


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="quality-") as name:
        yield Path(name)
