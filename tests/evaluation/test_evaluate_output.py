"""What an evaluation says in words."""

from __future__ import annotations

import numpy as np
import pytest

from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet
from scorer.evaluation.evaluate_output import narrate
from scorer.evaluation.evaluation_findings import EvaluationFindings, compare_with_labels
from scorer.evaluation.predictions import Predictions
from scorer.examples.example_columns import Columns
from scorer.examples.reading import Examples

NAMES = tuple(f"topic {number:02d}" for number in range(50))


def findings(true: np.ndarray, said: np.ndarray, *, multi: bool) -> EvaluationFindings:
    """Those of rows with the labels at the places `true`, of which a model says the labels at the places `said`."""
    rows = len(true)
    logits = 8 * np.eye(len(NAMES), dtype=np.float32)[said] - 4
    names = [(NAMES[place],) if multi else NAMES[place] for place in true]
    return compare_with_labels(
        Examples(Columns(("text",), "label"), ([f"text {row}" for row in range(rows)],), names, rows, "0"),
        np.eye(len(NAMES), dtype=np.int8)[true] if multi else true,
        Predictions(
            logits,
            logits.astype(np.float64),
            np.full(rows, 3),
            np.zeros(rows, np.bool_),
            np.ones(rows, np.bool_),
            Decision(thresholds=(0.5,) * len(NAMES) if multi else None),
        ),
        labels=LabelSet(NAMES, "string", multi),
        columns=(),
    )


@pytest.mark.parametrize("multi", [False, True])
def test_labels_that_are_nowhere_do_not_hide_the_weak_ones(multi: bool) -> None:
    true = np.tile(np.arange(4), 5)
    said = true.copy()
    said[0] = 4
    lines = list(narrate(findings(true, said, multi=multi), show=0))
    listed = [line.split(":")[0] for line in lines if line.startswith("label ")]
    assert listed == ["label topic 04", "label topic 00", "label topic 01", "label topic 02", "label topic 03"]
    assert "and 45 labels that no row has and the model never gives" in lines


def test_few_rows_that_are_all_right_are_not_said_to_miss_an_accuracy() -> None:
    """Of 20 rows none is too few right: they are too few to tell."""
    true = np.tile(np.arange(4), 5)
    lines = list(narrate(findings(true, true, multi=False), show=0))
    assert "accuracy 1.0000, macro F1 1.0000 on 20 rows" in lines
    assert "accuracy 0.90 is reached from no confidence on that 30 rows have" in lines
