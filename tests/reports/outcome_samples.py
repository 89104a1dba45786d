"""Made-up outcomes of a score job for any number of labels, and the pages about them."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np

from scorer.classifier.labels import LabelSet
from scorer.classifier.profile import CONFIDENCE_EDGES, LENGTH_EDGES
from scorer.reports.outcome import (
    CONFIDENCE_BINS,
    Breakdown,
    DriftFigure,
    Example,
    Group,
    GroupKind,
    LabelOutcome,
    NumberOutcome,
    Outcome,
)
from scorer.reports.score_page import ScorePage
from scorer.reports.sections import Remark
from tests.reports.samples import TEXT

ROWS, SCORED = 12_345, 12_000


def score_page(
    labels: tuple[str, ...], *, kind: GroupKind = "time", texts: tuple[str, ...] = (TEXT,), several: bool = False
) -> ScorePage:
    """The page about rows with labels, with every section."""
    draw = np.random.default_rng(0)
    counts = draw.multinomial(SCORED, draw.dirichlet(np.full(len(labels), 1.0))).tolist()
    rows = dict(zip(labels, counts, strict=True))
    outcome = Outcome(
        rows=ROWS,
        statuses={"ok": SCORED - 700, "truncated": 500, "abstain": 200, "null": ROWS - SCORED},
        labels=[_label(name, count, place, texts, draw) for place, (name, count) in enumerate(rows.items())],
        ordered=LabelSet(labels, "int" if labels[0] == "1" else "string").ordinal,
        several=several,
        abstain_below=0.62,
        breakdown=_breakdown(kind, len(labels), texts, draw),
        drift=_drift(labels, draw),
    )
    return _page(outcome, texts)


def number_outcome_page(*, kind: GroupKind = "time", texts: tuple[str, ...] = (TEXT,)) -> ScorePage:
    """The page about rows with numbers."""
    draw = np.random.default_rng(1)
    numbers = draw.normal(size=2000) * 40
    ends = [_examples(texts, draw, number=True) for _ in range(2)]
    outcome = Outcome(
        rows=ROWS,
        statuses={"ok": ROWS},
        numbers=NumberOutcome(
            rows=SCORED, mean=1.5, low=-160.0, high=171.5, some=numbers.tolist(), highest=ends[0], lowest=ends[1]
        ),
        breakdown=_breakdown(kind, 0, texts, draw),
        drift=_drift(("up to -3.5", "-3.5 to 0", "above 0"), draw),
    )
    return _page(outcome, texts)


def _page(outcome: Outcome, texts: tuple[str, ...]) -> ScorePage:
    return ScorePage(
        title=f"What came out: {texts[0]}",
        lead=f"12,345 rows of {texts[0]}",
        outcome=outcome,
        scored=SCORED,
        parts=31,
        remarks=[Remark("warning", text, "look at it") for text in texts],
        model={"model": "models/latest", "labels": len(outcome.labels), "text columns": list(texts)},
        lineage={"input": texts[0], "options": {"max_length": 128, "prefix": texts[0]}},
    )


def _label(name: str, rows: int, place: int, texts: tuple[str, ...], draw: Any) -> LabelOutcome:
    if place == 1 and rows < 100:
        return LabelOutcome(name=name, rows=0, confidences=[0] * CONFIDENCE_BINS)
    confidences = draw.multinomial(rows, np.linspace(0, 1, CONFIDENCE_BINS) ** 3 / 5.53).tolist()
    return LabelOutcome(
        name=name,
        rows=rows,
        confidences=confidences,
        confidence=float(draw.uniform(0.5, 1)),
        training_share=float(draw.random()),
        sure=_examples(texts, draw),
        unsure=_examples(texts, draw),
    )


def _examples(texts: tuple[str, ...], draw: Any, *, number: bool = False) -> list[Example]:
    value = float(draw.normal() * 100 if number else draw.random())
    return [
        Example(texts=(text * 3, text), value=value, row=1000 * place, part=f"day=1/{text}.parquet")
        for place, text in enumerate(texts, 1)
    ]


def _breakdown(kind: GroupKind, labels: int, texts: tuple[str, ...], draw: Any) -> Breakdown:
    days = [datetime.date(2026, 3, 1) + datetime.timedelta(days=day) for day in range(45)]
    names = [str(day) for day in days] if kind == "time" else [f"{text} {i}" for text in texts for i in range(9)]
    groups = [
        Group(
            name=name,
            rows=1000,
            scored=0 if place == 3 else 950,
            counts=draw.multinomial(950, np.full(labels, 1 / max(labels, 1))).tolist() if labels else [],
            mean=None if place == 3 else float(draw.random()),
        )
        for place, name in enumerate(names)
    ]
    return Breakdown(column=texts[0], kind=kind, groups=groups, unit="day", notes=["Rows without a time: 3."])


def _drift(labels: tuple[str, ...], draw: Any) -> list[DriftFigure]:
    def counts(size: int) -> list[int]:
        return draw.multinomial(1000, draw.dirichlet(np.full(size, 1.0))).tolist()  # type: ignore[no-any-return]

    lengths, confidences = (0, *LENGTH_EDGES, LENGTH_EDGES[-1] * 2), (0.0, *CONFIDENCE_EDGES, 1.0)
    return [
        DriftFigure(name="length", psi=0.3, chance=0.02, ours=counts(15), theirs=counts(15), edges=lengths),
        DriftFigure(
            name="truncated", psi=0.0, chance=0.02, ours=[5, 1], theirs=[9, 1], names=["read whole", "cut off"]
        ),
        DriftFigure(
            name="labels", psi=0.12, chance=0.02, ours=counts(len(labels)), theirs=counts(len(labels)), names=labels
        ),
        DriftFigure(name="confidence", psi=0.05, chance=0.02, ours=counts(12), theirs=counts(12), edges=confidences),
        DriftFigure(name="unknown", psi=0.01, chance=0.02),
    ]
