"""Models that look fitted, and labelled files, for tests of evaluations.

A model is random, and the true label of a text is what the model says of it: it is always right where no label was
changed on purpose, and nothing has to be trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet
from scorer.classifier.metadata import ModelMetadata
from scorer.config import EvaluateConfig
from scorer.evaluation.evaluate_job import EvaluationSummary, evaluate
from scorer.tables.sink import table_file
from tests.models import make_model, sentences
from tests.training.fits import Remembering

TEMPERATURE = 0.8
TRAINING = {"max_steps": 2, "batch_size": 8, "learning_rate": 1e-3, "precision": "fp32", "seed": 1}


def make_fitted(directory: Path, labels: Sequence[str], *, multi: bool = False, base: Path | None = None) -> Path:
    """A random model in `directory` that says of itself what `scorer fit` says, fitted on `sentence` and `score`."""
    make_model(directory, "bert", labels=labels)
    if multi:
        model = AutoModelForSequenceClassification.from_pretrained(directory)
        model.config.problem_type = "multi_label_classification"
        model.config.save_pretrained(directory)
    kind = "int" if all(label.isdigit() for label in labels) else "string"
    ModelMetadata(
        base_model=str(base or directory),
        text_columns=("sentence",),
        label_column="score",
        labels=LabelSet(tuple(labels), kind, multi),
        label_separator="|" if multi else None,
        max_length=32,
        decision=Decision((TEMPERATURE,), (0.4,) * len(labels) if multi else None),
        training=TRAINING,
    ).write(directory)
    return directory


def texts(count: int) -> list[str]:
    """`count` different texts of at most 32 tokens."""
    return [f"{text} {number}" for number, text in enumerate(sentences(count, seed=3, longest=8))]


@torch.no_grad()
def logits(directory: Path, rows: Sequence[str]) -> np.ndarray:
    """What transformers gives for the texts `rows`, one at a time, (n, labels)."""
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForSequenceClassification.from_pretrained(directory).eval()
    inputs = (tokenizer(text, truncation=True, max_length=32, return_tensors="pt") for text in rows)
    return np.stack([model(**tokens).logits[0].numpy() for tokens in inputs])


def run(
    data: Path, model: Path, console: Remembering | None = None, *, table_file: Any = table_file, **options: Any
) -> EvaluationSummary:
    """An evaluation in fp32 on the CPU; `options` are further fields of `EvaluateConfig`."""
    settings = {"precision": "fp32", "device": "cpu"} | options
    config = EvaluateConfig(data=str(data), model=str(model), **settings)
    return evaluate(config, console or Remembering(), table_file=table_file)
