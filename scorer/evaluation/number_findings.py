"""What an evaluation found of a model that gives numbers: figures of all rows, of their parts, and of single rows.

And what it gives to people: a few lines, the ranked rows as a table, and a page. The lines hold no text of any row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.classifier.labels import LabelSet, RowTargets
from scorer.classifier.profile import LENGTH_EDGES, histogram
from scorer.evaluation.evaluate_output import origin, text_columns, text_lengths
from scorer.evaluation.evaluate_preparation import PreparedEvaluation
from scorer.evaluation.predictions import Predicted, Predictions
from scorer.examples.reading import Examples
from scorer.metrics.regression import (
    JudgedNumbers,
    NumberSlice,
    RegressionMetrics,
    describe_numbers,
    measure_numbers,
    number_slices,
    spelt,
)
from scorer.reports.number_page import NumberPage
from scorer.reports.sections import Remark, ShownRow

_MOST_SLICES = 10


@dataclass(frozen=True, kw_only=True)
class NumberFindings:
    """What is known of n rows.

    metrics          of all rows
    judged           each row beside its answer
    numbers          (n,) int64, each row's number in its file, from 1
    lengths          rows by tokens as the model saw them, in the bins of a profile (`LENGTH_EDGES`)
    truncated_share  share of the rows that it did not see whole
    slices           parts of the rows, column by column
    """

    metrics: RegressionMetrics
    judged: JudgedNumbers
    numbers: NDArray[np.int64]
    lengths: tuple[int, ...]
    truncated_share: float
    slices: tuple[NumberSlice, ...]

    def as_dict(self, *, show: int) -> dict[str, Any]:
        """JSON types only, with the `show` rows that the model is farthest off; no texts."""
        judged = self.judged
        return {
            "metrics": self.metrics.as_dict(),
            "lengths": {"edges": list(LENGTH_EDGES), "rows": list(self.lengths)},
            "truncated_share": self.truncated_share,
            "slices": [vars(part) for part in self.slices],
            "hardest": [
                {
                    "row": int(self.numbers[row]),
                    "label": float(judged.targets[row]),
                    "score": float(judged.predicted[row]),
                    "residual": float(judged.residual[row]),
                }
                for row in judged.hardest()[:show].tolist()
            ],
        }


def compare_with_numbers(
    examples: Examples,
    targets: RowTargets,
    predictions: Predictions,
    *,
    labels: LabelSet,  # noqa: ARG001 (that of labels needs them)
    columns: Iterable[str],
) -> NumberFindings:
    """Compare `predictions` with `targets` of the same rows; `columns` are those of `examples.others` to slice by."""
    scored = predictions.only_scored()
    kept = np.flatnonzero(predictions.scored)
    numbers, examples = examples.numbers()[kept], examples.take(kept)
    judged = JudgedNumbers(targets[kept], scored.decision.numbers(scored.scaled))
    characters = [sum(map(len, texts)) for texts in zip(*examples.texts, strict=True)]
    found = [number_slices("characters", characters, judged), number_slices("tokens", scored.tokens.tolist(), judged)]
    found += [number_slices(name, examples.others[name], judged) for name in columns]
    return NumberFindings(
        metrics=measure_numbers(judged.targets, judged.predicted),
        judged=judged,
        numbers=numbers,
        lengths=tuple(histogram(scored.tokens, LENGTH_EDGES).tolist()),
        truncated_share=float(scored.truncated.mean()),
        slices=tuple(part for parts in found for part in parts),
    )


def narrate(findings: NumberFindings, *, show: int) -> Iterator[str]:
    """The lines, most important first; `show` bounds the list of rows."""
    yield from describe_numbers(findings.metrics)
    worse = sorted((part for part in findings.slices if part.worse), key=lambda part: -part.mae)
    for part in worse[:_MOST_SLICES]:
        yield (
            f"significantly worse: {part.column} {part.value}: MAE {spelt(part.mae)}, mean residual "
            f"{spelt(part.mean_residual, sign=True)} on {part.rows} rows"
        )
    if len(worse) > _MOST_SLICES:
        yield f"and {len(worse) - _MOST_SLICES} more slices that are significantly worse"
    if show:
        first = findings.numbers[findings.judged.hardest()[:show]]
        yield "look first at rows " + ", ".join(str(number) for number in first)


def ranked_rows(findings: NumberFindings, examples: Examples) -> pa.Table:
    """Every row of `findings`, those first that the model is farthest off.

    row            int64, the row's number in its file, from 1
    text           string; of a pair also `text_pair`
    label, score   float64, the given and the predicted number
    residual       float64, `label` minus `score`

    `examples` are those that were read, of which some may have had no score.
    """
    order = findings.judged.hardest()
    judged, numbers = findings.judged.take(order), findings.numbers[order]
    return pa.table(
        {
            "row": pa.array(numbers),
            **text_columns(examples, numbers),
            "label": pa.array(judged.targets),
            "score": pa.array(judged.predicted),
            "residual": pa.array(judged.residual),
        }
    )


def number_page(prepared: PreparedEvaluation, predicted: Predicted, findings: NumberFindings) -> NumberPage:
    """The page about `findings`, with as many single rows as `config.show` says."""
    title, lead, configuration, lineage = origin(prepared, predicted, rows=len(findings.judged))
    lengths = text_lengths(prepared, predicted, counts=findings.lengths, truncated_share=findings.truncated_share)
    return NumberPage(
        title=title,
        lead=lead,
        metrics=findings.metrics,
        judged=findings.judged,
        rows="rows",
        slices=findings.slices,
        hardest=_shown(prepared, findings),
        remarks=[Remark("warning", warning) for warning in prepared.warnings],
        lengths=(lengths, "evaluated text"),
        configuration=configuration,
        lineage=lineage,
    )


def _shown(prepared: PreparedEvaluation, findings: NumberFindings) -> list[ShownRow]:
    rows, judged = findings.judged.hardest()[: prepared.config.show], findings.judged
    columns = text_columns(prepared.examples, findings.numbers[rows]).values()
    texts = zip(*(column.to_pylist() for column in columns), strict=True)
    return [
        ShownRow(
            texts=text,
            truth=(f"{judged.targets[row]:,.10g}",),
            predicted=(spelt(judged.predicted[row], digits=5),),
            residual=float(judged.residual[row]),
            row=int(findings.numbers[row]),
        )
        for row, text in zip(rows.tolist(), texts, strict=True)
    ]
