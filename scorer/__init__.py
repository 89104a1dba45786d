"""Fine-tune a text classifier on a file, then put a score and a confidence beside every row of files of any size.

    scorer.fit("data/train.csv")                            # a model directory
    scorer.score("in.parquet", "out.parquet")               # a file
    scorer.load("models/latest").score_frame(frame)         # a polars DataFrame or a pyarrow Table

`scorer.polars`, `scorer.duckdb`, `scorer.datasets` and `scorer.pandas` are modules for these libraries.

Importing this package loads nothing heavy; each function loads what it needs.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from scorer.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from scorer.engines.summary import ScoreSummary
    from scorer.scoring.frames import FrameScorer
    from scorer.training.fit_job import FitSummary

__all__ = ["__version__", "fit", "load", "score"]

_MODULES: Final = ("datasets", "duckdb", "pandas", "polars")


def __getattr__(name: str) -> ModuleType:
    """The modules for other libraries, when they are first asked for."""
    if name in _MODULES:
        return importlib.import_module(f"scorer.{name}")
    raise AttributeError(f"module 'scorer' has no attribute {name!r}")


def fit(train: str | Path | Sequence[str | Path], **options: Any) -> FitSummary:
    """Fine-tune a classifier on `train`: a file, a folder, a pattern, or several of them; `options` are the fields of
    `scorer.config.FitConfig`.

    What `preset` means for a field counts where `options` do not name it.
    """
    from scorer.config import FitConfig
    from scorer.config.reading import configure
    from scorer.runs.console import Console
    from scorer.training.fit_job import fit as fit_job

    config = configure(FitConfig, {"train": train, **options}, defaults={"quiet": True})
    return fit_job(config, Console(quiet=config.quiet))


def score(source: str | Path, target: str | Path, **options: Any) -> ScoreSummary:
    """Score the file `source` into the file `target`; `options` are the fields of `scorer.config.ScoreConfig`."""
    from scorer.config import ScoreConfig
    from scorer.config.reading import configure
    from scorer.engines.score_job import score as score_job
    from scorer.runs.console import Console

    config = configure(ScoreConfig, {"source": source, "target": target, **options}, defaults={"quiet": True})
    return score_job(config, Console(quiet=config.quiet))


def load(model: str | Path = "models/latest", **options: Any) -> FrameScorer:
    """A model in memory that scores tables; `options` are the fields of `scorer.config.FrameConfig`."""
    from scorer.config import FrameConfig
    from scorer.config.reading import configure
    from scorer.scoring.frames import FrameScorer

    return FrameScorer(configure(FrameConfig, {"model": model, **options}))
