"""What is evaluated: labels, or numbers. Each kind compares and tells in its own way; chosen once, by the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from scorer.classifier.labels import LabelSet
from scorer.evaluation import evaluate_output, evaluation_findings, number_findings


class Page(Protocol):
    """What a report is made of."""

    def html(self) -> str: ...


@dataclass(frozen=True)
class Kind:
    """How answers are compared with what the data says (`compare`), and what is told of it: lines, the ranked rows, a
    page. Each takes what `compare` gives."""

    compare: Callable[..., Any]
    narrate: Callable[..., Iterator[str]]
    ranked_rows: Callable[..., pa.Table]
    page: Callable[..., Page]


LABELS = Kind(
    evaluation_findings.compare_with_labels,
    evaluate_output.narrate,
    evaluate_output.ranked_rows,
    evaluate_output.evaluate_page,
)
NUMBERS = Kind(
    number_findings.compare_with_numbers,
    number_findings.narrate,
    number_findings.ranked_rows,
    number_findings.number_page,
)


def kind_of(labels: LabelSet) -> Kind:
    """The kind of a model with `labels`."""
    return NUMBERS if labels.is_number else LABELS
