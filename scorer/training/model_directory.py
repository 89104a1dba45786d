"""The directory that a fit leaves: weights, tokenizer, report, metrics, model card and, last, `scorer.json`.

Here is what the files say, and which rows, slices and thresholds the page shows; not where the directory goes.
"""

from __future__ import annotations

import dataclasses
import json
import platform
from importlib.metadata import version
from typing import Any

import numpy as np
import tokenizers
import torch
import transformers

from scorer.classifier.labels import LabelSet, Targets
from scorer.classifier.long_text import LongText
from scorer.classifier.metadata import ModelMetadata
from scorer.config import FitConfig, material
from scorer.examples.targets import label_counts
from scorer.metrics.judged_rows import Judged, slices
from scorer.metrics.reliability import coverage_table, label_threshold_table
from scorer.reports.fit_page import Report, SeedFigures
from scorer.reports.sections import Remark, ShownRow
from scorer.stores.folder import Folder
from scorer.stores.location import name_of
from scorer.training.data import TrainingData
from scorer.training.model_card import model_card
from scorer.training.pretrained import BaseModel
from scorer.training.verdict import Verdict
from scorer.version import __version__

_HARDEST = 20


def write_model_directory(
    directory: Folder, *, base: BaseModel, config: FitConfig, data: TrainingData, verdict: Verdict, precision: str
) -> None:
    """Write everything into `directory`, which is made anew, `scorer.json` last."""
    directory.make_anew()
    base.model.save_pretrained(directory.path)
    # Whatever calls of the tokenizer set before would be saved with it and surprise its next reader.
    base.tokenizer.backend_tokenizer.no_truncation()
    base.tokenizer.backend_tokenizer.no_padding()
    base.tokenizer.save_pretrained(directory.path)
    for weights in directory.names():
        # safetensors makes its files readable by their owner alone; a model is as public as its configuration.
        if weights.endswith(".safetensors"):
            directory.copy_mode(weights, of="config.json")
    metadata = _metadata(base, config, data, verdict, precision)
    # The order in which threads add up changes the last bits of every weight.
    figures = verdict.as_dict() | {"threads": torch.get_num_threads()}
    metrics = json.dumps(figures, indent=2, ensure_ascii=False, allow_nan=False)
    directory.write("metrics.json", metrics + "\n")
    directory.write("report.html", fit_report(metadata, data, verdict).html())
    directory.write("README.md", model_card(metadata, from_hub=not Folder.of(base.name).exists))
    metadata.write(directory.path)


def versions() -> dict[str, str]:
    """The libraries whose version can change the weights."""
    # accelerate has no types, hence its version by name.
    modules = (np, tokenizers, torch, transformers)
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


def fit_report(metadata: ModelMetadata, data: TrainingData, verdict: Verdict) -> Report:
    """The page about the model that `metadata` describes; `verdict` judges the rows of `data.valid`, in their order."""
    train, valid, judged = metadata.training_data["train"], metadata.training_data["valid"], verdict.judged
    characters = [sum(map(len, key)) for key in data.valid.keys()]  # noqa: SIM118 (a list, no mapping)
    several = label_threshold_table(judged.probabilities, judged.targets) if judged.multi else ()
    return Report(
        title=f"{metadata.base_model} on {train['file']}",
        lead=f"{train['rows']:,} training rows, {valid['rows']:,} validation rows, {len(data.labels)} labels",
        metrics=verdict.metrics,
        raw=verdict.raw,
        decision=metadata.decision,
        history=verdict.history,
        seeds=[_seed(**found) for found in verdict.seeds],
        train_labels=label_counts(data.train_targets, data.labels).tolist(),
        ordered=data.labels.ordinal,
        profile=metadata.profile,
        max_length=metadata.max_length,
        long_text=metadata.long_text,
        thresholds=several or coverage_table(judged.confidence, judged.correct),
        slices=slices("characters", characters, judged),
        hardest=hardest_rows(judged, data),
        remarks=[
            Remark(found.severity, f"{name_of(found.file)}: {found.what}", found.advice)
            for found in data.check.findings
        ],
        configuration={
            "base model": metadata.base_model,
            "new tokens": metadata.new_tokens,
            "text columns": metadata.text_columns,
            "label column": metadata.label_column,
            "labels": metadata.labels.describe(),
            "longest input": f"{metadata.max_length} tokens",
            "longer texts": metadata.long_text.describe(),
            **{name.replace("_", " "): value for name, value in metadata.training.items()},
        },
        lineage={
            "training rows": f"{train['rows']:,} of {train['file']}, fingerprint {train['fingerprint']}",
            "validation rows": f"{valid['rows']:,} of {valid['file']}, fingerprint {valid['fingerprint']}",
            **metadata.versions,
        },
    )


def hardest_rows(judged: Judged, data: TrainingData, *, most: int = _HARDEST) -> list[ShownRow]:
    """The validation rows that the model is wrong about, those with the highest loss first."""
    wrong = np.flatnonzero(~judged.correct)
    rows = wrong[np.argsort(-judged.loss[wrong], kind="stable")][:most]
    return [
        ShownRow(
            texts=tuple(column[row] for column in data.valid.texts),
            truth=_names(judged.targets[row], data.labels),
            predicted=_names(judged.predicted[row], data.labels),
            confidence=float(judged.confidence[row]),
            loss=float(judged.loss[row]),
        )
        for row in rows.tolist()
    ]


def _names(answer: Targets, labels: LabelSet) -> tuple[str, ...]:
    """The labels of one row: of a class index, or of a row (labels,) of 0 and 1."""
    if labels.multi:
        return tuple(labels.names[index] for index in np.flatnonzero(answer))
    return (labels.names[int(answer)],)


def _seed(*, seed: int, kept: bool, epochs: float, steps: int, **figures: float) -> SeedFigures:  # noqa: ARG001
    """How long each fit took says nothing on the page."""
    return SeedFigures(seed, kept, figures)
