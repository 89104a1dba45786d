"""What an evaluation gives to people: a few lines, the ranked rows as a table, and a page.

The lines hold no text of any row; the ranked rows and the page do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.classifier.labels import Targets
from scorer.classifier.long_text import LongText
from scorer.classifier.profile import LENGTH_EDGES
from scorer.evaluation.evaluate_preparation import PreparedEvaluation
from scorer.evaluation.evaluation_findings import EvaluationFindings
from scorer.evaluation.predictions import Predicted
from scorer.examples.reading import Examples
from scorer.metrics.classification import describe
from scorer.metrics.reliability import LEAST_ROWS, Threshold
from scorer.reports.breakdowns import TextLengths
from scorer.reports.evaluate_page import EvaluatePage
from scorer.reports.sections import Remark, ShownRow

_MOST_SLICES = 10
# Of ten data sets in wide use the worst has about 10 % (Northcutt et al. 2021, "Pervasive Label Errors in Test Sets").
_MOST_NOISE = 0.15


def narrate(findings: EvaluationFindings, *, show: int) -> Iterator[str]:
    """The lines, most important first within each part; `show` bounds the lists of rows."""
    yield from describe(findings.metrics, findings.raw)
    if not findings.labels.multi:
        yield from (_reached(target, found) for target, found in findings.reaching.items())
    yield from _worse(findings)
    yield from _doubtful(findings, show)


def _reached(target: float, found: Threshold | None) -> str:
    if found is None:
        return f"accuracy {target:.2f} is reached from no confidence on that {LEAST_ROWS} rows have"
    return (
        f"accuracy {target:.2f} is reached from confidence {found.confidence:.4f} on, "
        f"which {found.coverage:.1%} of the rows have"
    )


def _worse(findings: EvaluationFindings) -> Iterator[str]:
    worse = sorted((part for part in findings.slices if part.worse), key=lambda part: part.accuracy)
    for part in worse[:_MOST_SLICES]:
        yield (
            f"significantly worse: {part.column} {part.value}: accuracy {part.accuracy:.4f}, "
            f"mean confidence {part.confidence:.4f} on {part.rows} rows"
        )
    if len(worse) > _MOST_SLICES:
        yield f"and {len(worse) - _MOST_SLICES} more slices that are significantly worse"


def _doubtful(findings: EvaluationFindings, show: int) -> Iterator[str]:
    errors = findings.errors
    ranking = errors.ranking()
    yield f"suspected label errors: {len(ranking)}; an estimated {errors.share:.1%} of all labels are wrong"
    if errors.share > _MOST_NOISE:
        yield "that is more than data usually has: believe the ranking rather than the number, or fit a better model"
    if show and len(ranking):
        yield "look first at rows " + ", ".join(str(number) for number in findings.numbers[ranking[:show]])


def ranked_rows(findings: EvaluationFindings, examples: Examples) -> pa.Table:
    """Every row of `findings`, suspects and then hardest first.

    row            int64, the row's number in its file, from 1
    text           string; of a pair also `text_pair`
    label, score   the given and the predicted label, in the labels' own type (a list of several)
    confidence     float32, of the prediction
    loss           float32, in nats
    suspect_rank   int64, from 1; null where nothing speaks against the label
    suspect_score  float32 from 0 to 1, how much the model is against the label
    suggested      what the label might be instead; null where `suspect_rank` is

    `examples` are those that were read, of which some may have had no score.
    """
    order, judged, errors = findings.order(), findings.judged, findings.errors
    kind = pa.list_(findings.labels.arrow_type) if findings.labels.multi else findings.labels.arrow_type
    rank = np.arange(1, len(order) + 1)
    unsuspected = ~errors.suspect[order]
    suggested = [
        None if missing else value
        for value, missing in zip(findings.labels_of(errors.suggested[order]), unsuspected, strict=True)
    ]
    return pa.table(
        {
            "row": pa.array(findings.numbers[order]),
            **text_columns(examples, findings.numbers[order]),
            "label": pa.array(findings.labels_of(judged.targets[order]), kind),
            "score": pa.array(findings.labels_of(judged.predicted[order]), kind),
            "confidence": pa.array(judged.confidence[order], pa.float32()),
            "loss": pa.array(judged.loss[order], pa.float32()),
            "suspect_rank": pa.array(rank, pa.int64(), mask=unsuspected),
            "suspect_score": pa.array(errors.score[order], pa.float32()),
            "suggested": pa.array(suggested, kind),
        }
    )


def text_columns(examples: Examples, numbers: NDArray[np.int64]) -> dict[str, pa.Array]:
    """The texts of the rows with `numbers` (n,) in their file, by the names of their columns: `text`, `text_pair`."""
    places = np.searchsorted(examples.numbers(), numbers).tolist()
    return {
        name: pa.array([column[place] for place in places], pa.string())
        for name, column in zip(("text", "text_pair"), examples.texts, strict=False)
    }


def origin(
    prepared: PreparedEvaluation, predicted: Predicted, *, rows: int, thresholds: bool = False
) -> tuple[str, str, dict[str, Any], dict[str, Any]]:
    """Title, lead, configuration and lineage of a page about so many `rows`; `thresholds` says whether the model has
    its own."""
    config, examples = prepared.config, prepared.examples
    how = "as the model scores them"
    if config.folds is not None:
        how = f"by {config.folds} models that had not seen them"
        how += ", under the model's own thresholds" if thresholds else ""
    configuration = {
        "model": prepared.directory.name,
        "text columns": examples.columns.texts,
        "label column": examples.columns.label,
        "labels": prepared.labels.describe(),
        "folds": config.folds,
    }
    lineage = {
        "model fingerprint": prepared.directory.fingerprint,
        "data": f"{examples.rows:,} rows of {config.data}, fingerprint {examples.fingerprint}",
    }
    title = f"{prepared.directory.path.resolve().name} on {config.data.name}"
    return title, f"{rows:,} labelled rows, {how}.", configuration | predicted.engine, lineage


def evaluate_page(prepared: PreparedEvaluation, predicted: Predicted, findings: EvaluationFindings) -> EvaluatePage:
    """The page about `findings`, with as many single rows as `config.show` says."""
    config, judged, errors = prepared.config, findings.judged, findings.errors
    hardest, suspects = findings.hardest()[: config.show], errors.ranking()[: config.show]
    own = findings.decision.multi or findings.decision.abstain_below is not None
    title, lead, configuration, lineage = origin(prepared, predicted, rows=len(judged), thresholds=own)
    return EvaluatePage(
        title=title,
        lead=lead,
        metrics=findings.metrics,
        raw=findings.raw,
        decision=findings.decision,
        slices=findings.slices,
        thresholds=findings.label_thresholds or findings.thresholds,
        hardest=_shown(prepared, findings, hardest, judged.predicted),
        suspects=_shown(prepared, findings, suspects, errors.suggested),
        ordered=findings.labels.ordinal,
        lengths=text_lengths(prepared, predicted, counts=findings.lengths, truncated_share=findings.truncated_share),
        calibrated=prepared.directory.metadata is not None,
        folds=config.folds,
        remarks=[Remark("warning", warning) for warning in prepared.warnings],
        configuration={
            **configuration,
            "temperature": [round(value, 4) for value in predicted.temperature],
            "exponent": round(predicted.exponent, 4),
            **({"map of the log-odds": f"{len(predicted.odds_map)} points"} if predicted.odds_map else {}),
            "suspected label errors": f"{int(errors.suspect.sum()):,}, an estimated {errors.share:.1%} of all labels",
        },
        lineage=lineage,
    )


def text_lengths(
    prepared: PreparedEvaluation, predicted: Predicted, *, counts: tuple[int, ...], truncated_share: float
) -> TextLengths:
    """What the page says of the texts' lengths, by `counts` in the bins of a profile."""
    metadata = prepared.directory.metadata
    return TextLengths(
        edges=LENGTH_EDGES,
        counts=counts,
        truncated_share=truncated_share,
        max_length=predicted.engine["max_length"],
        long_text=metadata.long_text if metadata is not None else LongText(),
    )


def _shown(
    prepared: PreparedEvaluation, findings: EvaluationFindings, rows: NDArray[np.int64], answers: Targets
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
