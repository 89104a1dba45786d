"""A made-up outcome of a fit on numbers, and the page about it."""

from __future__ import annotations

from typing import Any

import numpy as np

from scorer.classifier.long_text import LongText
from scorer.classifier.profile import LENGTH_EDGES, histogram
from scorer.metrics.regression import JudgedNumbers, measure_numbers, number_slices
from scorer.reports.breakdowns import TextLengths
from scorer.reports.fit_page import Evaluation, SeedFigures
from scorer.reports.number_page import NumberPage
from scorer.reports.sections import Remark, ShownRow
from tests.reports.samples import MAX_LENGTH, ROWS, TEXT

HISTORY = tuple(
    Evaluation(epoch, int(100 * epoch), None if epoch == 1.0 else loss, loss + 0.1, {"rmse": rmse, **scores})
    for epoch, loss, rmse, scores in (
        (0.5, 0.9, 410.0, {"pearson": 0.31, "spearman": 0.29}),
        (1.0, 0.6, 320.0, {"pearson": 0.62, "spearman": 0.55}),
        (1.5, 0.4, 290.0, {"pearson": 0.71, "spearman": 0.66}),
    )
)


def number_page(
    *, rows: int = ROWS, scale: float = 250.0, mean: float = 1000.0, texts: tuple[str, ...] = (TEXT,), **changed: Any
) -> NumberPage:
    """The page of a fit, with every section; numbers lie around `mean`, some `scale` apart."""
    draw = np.random.default_rng(0)
    targets = mean + scale * draw.normal(size=rows)
    predicted = targets * 0.7 + 0.3 * mean + 0.4 * scale * draw.normal(size=rows)
    predicted[: rows // 4] += scale
    judged = JudgedNumbers(targets, predicted)
    countries = ["de"] * (rows // 4) + draw.choice(["fr", *texts], rows - rows // 4).tolist()
    lengths = histogram(draw.lognormal(3, 0.8, 3000), LENGTH_EDGES)
    fields: dict[str, Any] = {
        "title": "all-MiniLM-L6-v2 on prices.csv",
        "lead": "3,000 training rows, 600 validation rows, a number a row",
        "metrics": measure_numbers(targets, predicted),
        "judged": judged,
        "rows": "validation rows",
        "train": mean + scale * draw.normal(size=3000),
        "history": HISTORY,
        "seeds": [SeedFigures(seed, seed == 2, {"rmse": 290.0 + seed, "spearman": 0.6}) for seed in (1, 2)],
        "slices": number_slices("characters", draw.integers(3, 900, rows).tolist(), judged)
        + number_slices(f"country {texts[0]}", countries, judged),
        "hardest": [
            ShownRow(
                texts=(texts[place % len(texts)] * (1 + place % 6), "a title"),
                truth=(f"{targets[row]:.6g}",),
                predicted=(f"{predicted[row]:.6g}",),
                residual=float(judged.residual[row]),
                row=row + 1,
            )
            for place, row in enumerate(judged.hardest()[:6].tolist())
        ],
        "remarks": [Remark("warning", "14 rows have a number that lies far out", "look whether they are mistakes")],
        "lengths": (
            TextLengths(
                edges=LENGTH_EDGES,
                counts=lengths.tolist(),
                truncated_share=0.02,
                max_length=MAX_LENGTH,
                long_text=LongText(),
            ),
            "training text",
        ),
        "configuration": {"base model": "some/model", "learning_rate": 1e-4, "columns": ("a", "b")},
        "lineage": {"training rows": "3,000 of prices.csv", "fingerprint": "9f" * 32},
    }
    return NumberPage(**{**fields, **changed})
