"""The directory that a fit leaves: weights, tokenizer, report, metrics, model card and, last, `scorer.json`.

Here is what the files say, and which rows, slices and thresholds the page shows; not where the directory goes.
"""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import tokenizers
import torch
import transformers
from transformers import AutoTokenizer, PreTrainedModel

from scorer.classifier.labels import LabelSet, Targets
from scorer.classifier.long_text import LongText
from scorer.classifier.metadata import ModelMetadata
from scorer.classifier.plain_tokenizer import is_whole
from scorer.classifier.transformers_parts import quietly
from scorer.config import FitConfig, material
from scorer.examples.targets import label_counts
from scorer.metrics.judged_rows import Judged, slices
from scorer.metrics.regression import JudgedNumbers, number_slices, spelt
from scorer.metrics.reliability import coverage_table, label_threshold_table
from scorer.reports.breakdowns import TextLengths
from scorer.reports.fit_page import Report, SeedFigures
from scorer.reports.number_page import NumberPage
from scorer.reports.sections import Remark, ShownRow
from scorer.stores.folder import Folder
from scorer.stores.location import name_of
from scorer.training.data import TrainingData
from scorer.training.model_card import model_card
from scorer.training.pretrained import BaseModel
from scorer.training.verdict import MeasuredNumbers, Verdict
from scorer.version import __version__

_HARDEST = 20


def write_model_directory(
    directory: Folder,
    *,
    base: BaseModel,
    config: FitConfig,
    data: TrainingData,
    verdict: Verdict,
    precision: str,
    teacher: dict[str, Any] | None = None,
) -> None:
    """Write everything into `directory`, which is made anew, `scorer.json` last. `teacher` is the record of the model
    that taught this one."""
    directory.make_anew()
    save_network(directory, base.model, base.tokenizer)
    metadata = _metadata(base, config, data, verdict, precision, token_types=_token_types(directory))
    metadata = dataclasses.replace(metadata, teacher=teacher)
    # The order in which threads add up changes the last bits of every weight.
    figures = verdict.as_dict() | {"threads": torch.get_num_threads()}
    metrics = json.dumps(figures, indent=2, ensure_ascii=False, allow_nan=False)
    directory.write("metrics.json", metrics + "\n")
    directory.write("report.html", fit_report(metadata, data, verdict).html())
    directory.write("README.md", model_card(metadata, from_hub=not Folder.of(base.name).exists))
    metadata.write(directory.path)


def save_network(directory: Folder, model: PreTrainedModel, tokenizer: Any, **others: Any) -> None:
    """Write weights, configuration and tokenizer into `directory`; `others` are for `save_pretrained`."""
    model.save_pretrained(directory.path, **others)
    # Whatever calls of the tokenizer set before would be saved with it and surprise its next reader.
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.save_pretrained(directory.path)
    for weights in directory.names():
        # safetensors makes its files readable by their owner alone; a model is as public as its configuration.
        if weights.endswith(".safetensors"):
            directory.copy_mode(weights, of="config.json")


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


def _token_types(directory: Folder) -> bool | None:
    """Whether the tokenizer tells types of tokens, if the file that stands in `directory` is the whole of it."""
    with quietly():
        again = AutoTokenizer.from_pretrained(directory.path, trust_remote_code=False, local_files_only=True)
    return "token_type_ids" in again.model_input_names if is_whole(directory.path, again.backend_tokenizer) else None


def _metadata(
    base: BaseModel,
    config: FitConfig,
    data: TrainingData,
    verdict: Verdict,
    precision: str,
    *,
    token_types: bool | None,
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
        token_types=token_types,
        max_length=config.max_length,
        long_text=LongText.of(config),
        decision=verdict.measured.decision,
        training=_configuration(config, precision),
        training_data=data.lineage(config),
        metrics={"rows": verdict.measured.metrics.rows, **verdict.measured.metrics.headline()},
        uncalibrated=verdict.measured.uncalibrated(),
        seeds=list(verdict.seeds),
        profile=verdict.profile,
        versions=versions() | ({"peft": version("peft")} if config.lora_rank is not None else {}),
    )


def _configuration(config: FitConfig, precision: str) -> dict[str, Any]:
    """The options of the fit as JSON types, with the precision, the learning rate and the metric that were meant where
    none was given; what affects no model, as where it is written, and what scorer.json has in fields of its own is left
    out."""
    meant = {"learning_rate": config.peak_learning_rate, "best_metric": config.chosen_metric}
    options = dataclasses.asdict(config) | meant | {"precision": precision}
    recorded = [name for name, setting in material(FitConfig).items() if not setting.kept_by_model]
    return {name: options[name] for name in recorded if options[name] is not None}


def fit_report(metadata: ModelMetadata, data: TrainingData, verdict: Verdict) -> Report | NumberPage:
    """The page about the model that `metadata` describes; `verdict` judges the rows of `data.valid`, in their order."""
    measured = verdict.measured
    shared = _shared_parts(metadata, data, verdict)
    if isinstance(measured, MeasuredNumbers):
        return _number_page(metadata, data, measured, shared)
    judged = measured.judged
    several = label_threshold_table(judged.probabilities, judged.targets) if judged.multi else ()
    return Report(
        **shared,
        metrics=measured.metrics,
        raw=measured.raw,
        decision=metadata.decision,
        calibrations=measured.calibration.losses,
        train_labels=label_counts(data.train_targets, data.labels).tolist(),
        ordered=data.labels.ordinal,
        profile=metadata.profile,
        max_length=metadata.max_length,
        long_text=metadata.long_text,
        thresholds=several or coverage_table(judged.confidence, judged.correct),
        slices=slices("characters", _characters(data), judged),
        hardest=hardest_rows(judged, data),
    )


def _number_page(
    metadata: ModelMetadata, data: TrainingData, measured: MeasuredNumbers, shared: Mapping[str, Any]
) -> NumberPage:
    lengths = None
    if (profile := metadata.profile) is not None:
        lengths = TextLengths(
            edges=profile.length_edges,
            counts=profile.lengths,
            truncated_share=profile.truncated_share,
            max_length=metadata.max_length,
            long_text=metadata.long_text,
        )
    return NumberPage(
        **shared,
        metrics=measured.metrics,
        judged=measured.judged,
        rows="validation rows",
        train=data.train_targets,
        slices=number_slices("characters", _characters(data), measured.judged),
        hardest=_farthest_rows(measured.judged, data),
        lengths=(lengths, "training text") if lengths is not None else None,
    )


def _characters(data: TrainingData) -> list[int]:
    """How long the texts of each validation row are together."""
    return [sum(map(len, key)) for key in data.valid.keys()]  # noqa: SIM118 (a list, no mapping)


def _shared_parts(metadata: ModelMetadata, data: TrainingData, verdict: Verdict) -> dict[str, Any]:
    """What either page says."""
    train, valid = metadata.training_data["train"], metadata.training_data["valid"]
    return {
        "title": f"{metadata.base_model} on {train['file']}",
        "lead": f"{train['rows']:,} training rows, {valid['rows']:,} validation rows, {data.labels.counted}",
        "history": verdict.history,
        "seeds": [_seed(**found) for found in verdict.seeds],
        "remarks": [
            Remark(found.severity, f"{name_of(found.file)}: {found.what}", found.advice)
            for found in data.check.findings
        ],
        "configuration": {
            "base model": metadata.base_model,
            **({"teacher": metadata.teacher["name"]} if metadata.teacher is not None else {}),
            "new tokens": metadata.new_tokens,
            "text columns": metadata.text_columns,
            "label column": metadata.label_column,
            "labels": metadata.labels.describe(),
            "longest input": f"{metadata.max_length} tokens",
            "longer texts": metadata.long_text.describe(),
            **{name.replace("_", " "): value for name, value in metadata.training.items()},
        },
        "lineage": {
            "training rows": f"{train['rows']:,} of {train['file']}, fingerprint {train['fingerprint']}",
            "validation rows": f"{valid['rows']:,} of {_file(valid)}, fingerprint {valid['fingerprint']}",
            **metadata.versions,
        },
    }


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


def _farthest_rows(judged: JudgedNumbers, data: TrainingData, *, most: int = _HARDEST) -> list[ShownRow]:
    """The validation rows with the largest residuals, those first."""
    return [
        ShownRow(
            texts=tuple(column[row] for column in data.valid.texts),
            truth=(f"{judged.targets[row]:,.10g}",),
            predicted=(spelt(judged.predicted[row], digits=5),),
            residual=float(judged.residual[row]),
        )
        for row in judged.hardest()[:most].tolist()
    ]


def _names(answer: Targets, labels: LabelSet) -> tuple[str, ...]:
    """The labels of one row: of a class index, or of a row (labels,) of 0 and 1."""
    if labels.multi:
        return tuple(labels.names[index] for index in np.flatnonzero(answer))
    return (labels.names[int(answer)],)


def _seed(*, seed: int, kept: bool, epochs: float, steps: int, **figures: float) -> SeedFigures:  # noqa: ARG001
    """How long each fit took says nothing on the page."""
    return SeedFigures(seed, kept, figures)


def _file(side: Mapping[str, Any]) -> str:
    return f"{side['file']}, split {side['split']}" if "split" in side else str(side["file"])
