"""The directory that a fit leaves: weights, tokenizer, report, metrics, model card and, last, `scorer.json`.

Owns which files it has. Does not know where it goes.
"""

from __future__ import annotations

import dataclasses
import json
import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import tokenizers
import torch
import transformers

from scorer.classifier.decision import Decision
from scorer.classifier.long_text import LongText
from scorer.classifier.metadata import ModelMetadata
from scorer.classifier.profile import Profile
from scorer.config import FitConfig, material
from scorer.metrics.classification import Metrics
from scorer.metrics.judged_rows import Judged
from scorer.reports.fit_page import Evaluation, Report, SeedFigures
from scorer.training.data import TrainingData
from scorer.training.model_card import model_card
from scorer.training.pretrained import BaseModel
from scorer.training.reporting import fit_report
from scorer.version import __version__


@dataclass(frozen=True)
class Verdict:
    """How good the model is on the validation rows, before (`raw`) and after calibration, and how it got there; what
    became of each row (`judged`), and the `profile` of the data behind it."""

    raw: Metrics
    metrics: Metrics
    decision: Decision
    judged: Judged
    history: Sequence[Evaluation]
    profile: Profile | None = None
    seeds: Sequence[dict[str, Any]] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return {
            **self.metrics.as_dict(),
            "decision": dataclasses.asdict(self.decision),
            "uncalibrated": self.raw.headline(),
            "history": [dataclasses.asdict(point) for point in self.history],
            "seeds": list(self.seeds),
        }


def write_model_directory(
    directory: Path, *, base: BaseModel, config: FitConfig, data: TrainingData, verdict: Verdict, precision: str
) -> None:
    """Write everything into the new `directory`, `scorer.json` last."""
    directory.mkdir()
    base.model.save_pretrained(directory)
    # Whatever calls of the tokenizer set before would be saved with it and surprise its next reader.
    base.tokenizer.backend_tokenizer.no_truncation()
    base.tokenizer.backend_tokenizer.no_padding()
    base.tokenizer.save_pretrained(directory)
    for weights in directory.glob("*.safetensors"):
        # safetensors makes its files readable by their owner alone; a model is as public as its configuration.
        shutil.copymode(directory / "config.json", weights)
    metadata = _metadata(base, config, data, verdict, precision)
    metrics = json.dumps(verdict.as_dict(), indent=2, ensure_ascii=False, allow_nan=False)
    (directory / "metrics.json").write_text(metrics + "\n", encoding="utf-8")
    (directory / "report.html").write_text(_report(metadata, data, verdict).html(), encoding="utf-8")
    card = model_card(metadata, from_hub=not Path(base.name).exists())
    (directory / "README.md").write_text(card, encoding="utf-8")
    metadata.write(directory)


def versions() -> dict[str, str]:
    """The libraries whose version can change the weights."""
    # accelerate has no types, hence its version by name.
    modules = (datasets, np, tokenizers, torch, transformers)
    found = {module.__name__: str(module.__version__) for module in modules}
    return {
        "scorer": __version__,
        "python": platform.python_version(),
        "accelerate": version("accelerate"),
        **found,
    }


def _metadata(
    base: BaseModel, config: FitConfig, data: TrainingData, verdict: Verdict, precision: str
) -> ModelMetadata:
    return ModelMetadata(
        base_model=base.name,
        text_columns=data.train.columns.texts,
        label_column=data.train.columns.label,
        labels=data.labels,
        label_columns=data.train.columns.labels if len(data.train.columns.labels) > 1 else (),
        label_separator=data.train.form.separator,
        label_form=config.label_form,
        label_names=data.train.form.names,
        null_labels=tuple(sorted(data.train.form.aside)),
        new_tokens=len(base.new_tokens),
        max_length=config.max_length,
        long_text=LongText.of(config),
        decision=verdict.decision,
        training=_configuration(config, precision),
        training_data=data.lineage(config),
        metrics={"rows": verdict.metrics.rows, **verdict.metrics.headline()},
        uncalibrated=verdict.raw.headline(),
        seeds=list(verdict.seeds),
        profile=verdict.profile,
        versions=versions() | ({"peft": version("peft")} if config.lora_rank is not None else {}),
    )


def _configuration(config: FitConfig, precision: str) -> dict[str, Any]:
    """The options of the fit as JSON types, with the precision and the learning rate that were meant where none was
    given; what affects no model, as where it is written, and what scorer.json has in fields of its own is left out."""
    options = dataclasses.asdict(config) | {"precision": precision, "learning_rate": config.peak_learning_rate}
    recorded = [name for name, setting in material(FitConfig).items() if not setting.kept_by_model]
    return {name: options[name] for name in recorded if options[name] is not None}


def _report(metadata: ModelMetadata, data: TrainingData, verdict: Verdict) -> Report:
    return fit_report(
        metadata,
        data,
        metrics=verdict.metrics,
        raw=verdict.raw,
        judged=verdict.judged,
        history=verdict.history,
        seeds=[_seed(**found) for found in verdict.seeds],
    )


def _seed(*, seed: int, kept: bool, epochs: float, steps: int, **figures: float) -> SeedFigures:  # noqa: ARG001
    """How long each fit took says nothing on the page."""
    return SeedFigures(seed, kept, figures)
