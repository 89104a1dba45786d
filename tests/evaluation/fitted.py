"""A small fitted model and labelled files for tests of evaluations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scorer.config import EvaluateConfig
from scorer.evaluation.job import EvaluationSummary, evaluate
from tests.training.fits import Remembering


def run(data: Path, model: Path, console: Remembering | None = None, **options: Any) -> EvaluationSummary:
    """An evaluation in fp32 on the CPU; `options` are further fields of `EvaluateConfig`."""
    settings = {"precision": "fp32", "device": "cpu"} | options
    return evaluate(EvaluateConfig(data=str(data), model=str(model), **settings), console or Remembering())
