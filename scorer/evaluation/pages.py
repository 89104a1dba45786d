"""What an evaluation puts on its page.

Owns the choice of rows and of what is said about the run. Does not know what the page looks like, nor where it goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.labels import Targets
from scorer.classifier.long_text import LongText
from scorer.classifier.profile import LENGTH_EDGES
from scorer.evaluation.findings import Findings
from scorer.evaluation.predictions import Predicted
from scorer.evaluation.preparation import PreparedEvaluation
from scorer.reports.distributions import TextLengths
from scorer.reports.evaluate_page import EvaluatePage
from scorer.reports.sections import Remark, ShownRow


def evaluate_page(prepared: PreparedEvaluation, predicted: Predicted, findings: Findings) -> EvaluatePage:
    """The page about `findings`, with as many single rows as `config.show` says."""
    config, examples = prepared.config, prepared.examples
    judged, errors = findings.judged, findings.errors
    hardest, suspects = findings.hardest()[: config.show], errors.ranking()[: config.show]
    how = "as the model scores them"
    if config.folds is not None:
        own = findings.decision.multi or findings.decision.abstain_below is not None
        how = f"by {config.folds} models that had not seen them" + (", under the model's own thresholds" if own else "")
    return EvaluatePage(
        title=f"{prepared.directory.path.resolve().name} on {Path(config.data).name}",
        lead=f"{len(judged):,} labelled rows, {how}.",
        metrics=findings.metrics,
        raw=findings.raw,
        decision=findings.decision,
        slices=findings.slices,
        thresholds=findings.label_thresholds or findings.thresholds,
        hardest=_shown(prepared, findings, hardest, judged.predicted),
        suspects=_shown(prepared, findings, suspects, errors.suggested),
        ordered=findings.labels.ordinal,
        lengths=_lengths(prepared, predicted, findings),
        calibrated=prepared.directory.metadata is not None,
        folds=config.folds,
        remarks=[Remark("warning", warning) for warning in prepared.warnings],
        configuration={
            "model": prepared.directory.name,
            "text columns": examples.columns.texts,
            "label column": examples.columns.label,
            "labels": findings.labels.describe(),
            "folds": config.folds,
            "temperature": [round(value, 4) for value in predicted.temperature],
            "exponent": round(predicted.exponent, 4),
            "suspected label errors": f"{int(errors.suspect.sum()):,}, an estimated {errors.share:.1%} of all labels",
            **predicted.engine,
        },
        lineage={
            "model fingerprint": prepared.directory.fingerprint,
            "data": f"{examples.rows:,} rows of {config.data}, fingerprint {examples.fingerprint}",
        },
    )


def _lengths(prepared: PreparedEvaluation, predicted: Predicted, findings: Findings) -> TextLengths:
    metadata = prepared.directory.metadata
    return TextLengths(
        edges=LENGTH_EDGES,
        counts=findings.lengths,
        truncated_share=findings.truncated_share,
        max_length=predicted.engine["max_length"],
        long_text=metadata.long_text if metadata is not None else LongText(),
    )


def _shown(
    prepared: PreparedEvaluation, findings: Findings, rows: NDArray[np.int64], answers: Targets
) -> list[ShownRow]:
    """The `rows` of the findings with their texts, each with its label in `answers` beside the given one."""
    examples, judged = prepared.examples, findings.judged
    places = np.searchsorted(examples.numbers(), findings.numbers[rows]).tolist()
    given, answered = (findings.labels_of(labels[rows]) for labels in (judged.targets, answers))
    return [
        ShownRow(
            texts=tuple(column[place] for column in examples.texts),
            truth=_names(given[index]),
            predicted=_names(answered[index]),
            confidence=float(judged.confidence[row]),
            loss=float(judged.loss[row]),
            row=int(findings.numbers[row]),
        )
        for index, (row, place) in enumerate(zip(rows.tolist(), places, strict=True))
    ]


def _names(label: Any) -> tuple[str, ...]:
    values: Sequence[Any] = label if isinstance(label, tuple) else (label,)
    return tuple(str(value).lower() if isinstance(value, bool) else str(value) for value in values)
