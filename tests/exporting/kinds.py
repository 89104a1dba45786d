"""Models of every kind that a program answers for, and exports of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

from transformers import AutoModelForSequenceClassification

from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet
from scorer.classifier.metadata import ModelMetadata
from scorer.config import ExportConfig
from scorer.exporting.export_job import ExportSummary, export
from scorer.runs.console import Console
from tests.evaluation.fitted import make_fitted

KINDS = ("integers", "names", "truths", "several", "pairs", "abstains", "mapped", "number", "chance")


class Export(NamedTuple):
    model: Path
    folder: Path
    summary: ExportSummary


def exported(model: Path, folder: Path, **options: Any) -> Export:
    """`model` exported into `folder`, for ONNX Runtime unless `options` say another."""
    config = ExportConfig(**{"model": str(model), "output": folder, "to_": "onnx", **options})
    return Export(model, folder, export(config, Console(quiet=True)))


def make_kind(folder: Path, kind: str) -> Path:
    """A model of this kind, as `scorer fit` leaves it."""
    labels = {"integers": ("1", "2", "3"), "truths": ("false", "true"), "number": ("stars",), "chance": ("likely",)}
    names = labels.get(kind, ("bad", "fair", "good"))
    directory = make_fitted(folder / kind, names, multi=kind == "several")
    match kind:
        case "truths":
            say(directory, labels=LabelSet(names, "bool"), decision=Decision((0.7,), exponent=1.3))
        case "pairs":
            say(directory, text_columns=("premise", "claim"))
        case "mapped":
            say(directory, decision=Decision((0.8,), odds_map=((-0.6, -0.4), (0.1, 0.0), (0.9, 1.4), (2.0, 1.8))))
        case "abstains":
            say(directory, decision=Decision((0.8,), abstain_below=0.6))
        case "number" | "chance":
            model = AutoModelForSequenceClassification.from_pretrained(directory)
            model.config.problem_type = "regression"
            model.config.save_pretrained(directory)
            activation = "identity" if kind == "number" else "sigmoid"
            say(directory, labels=LabelSet.of_number(names[0]), decision=Decision(activation=activation))
    return directory


def say(directory: Path, **fields: Any) -> Path:
    """The model in `directory`, which says other things of itself."""
    metadata = ModelMetadata.read(directory)
    assert metadata is not None
    dataclasses.replace(metadata, **fields).write(directory)
    return directory
