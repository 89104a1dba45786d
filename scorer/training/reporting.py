"""The page of a fit, from what the fit knows.

Owns the choice of what is shown: which rows, slices and thresholds. Does not know how anything is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scorer.classifier.labels import LabelSet, Targets
from scorer.classifier.metadata import ModelMetadata
from scorer.examples.targets import label_counts
from scorer.metrics.classification import Metrics
from scorer.metrics.judged_rows import Judged, slices
from scorer.metrics.thresholds import coverage_table, label_threshold_table
from scorer.reports.fit_page import Evaluation, Report, SeedFigures
from scorer.reports.sections import Remark, ShownRow
from scorer.training.data import TrainingData

_HARDEST = 20


def fit_report(
    metadata: ModelMetadata,
    data: TrainingData,
    *,
    metrics: Metrics,
    raw: Metrics,
    judged: Judged,
    history: Sequence[Evaluation],
    seeds: Sequence[SeedFigures] = (),
) -> Report:
    """The page about the model that `metadata` describes; `judged` are the rows of `data.valid`, in their order."""
    train, valid = metadata.training_data["train"], metadata.training_data["valid"]
    characters = [sum(map(len, key)) for key in data.valid.keys()]  # noqa: SIM118 (a list, no mapping)
    several = label_threshold_table(judged.probabilities, judged.targets) if judged.multi else ()
    return Report(
        title=f"{metadata.base_model} on {train['file']}",
        lead=f"{train['rows']:,} training rows, {valid['rows']:,} validation rows, {len(data.labels)} labels",
        metrics=metrics,
        raw=raw,
        decision=metadata.decision,
        history=history,
        seeds=seeds,
        train_labels=label_counts(data.train_targets, data.labels).tolist(),
        ordered=data.labels.ordinal,
        profile=metadata.profile,
        max_length=metadata.max_length,
        long_text=metadata.long_text,
        thresholds=several or coverage_table(judged.confidence, judged.correct),
        slices=slices("characters", characters, judged),
        hardest=hardest_rows(judged, data),
        remarks=[
            Remark(found.severity, f"{Path(found.file).name}: {found.what}", found.advice)
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
