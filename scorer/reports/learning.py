"""The learning curve: its points, and its section of a page.

Owns both. Does not know where the points come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scorer.reports.charts import Curve, line_chart
from scorer.reports.page import Html, beside, figure, figure_name, section, table
from scorer.reports.scale import Axis


@dataclass(frozen=True)
class Evaluation:
    """One evaluation during training; `train_loss` is the mean since the last one (None where it was not logged, or
    overflowed)."""

    epoch: float
    step: int
    train_loss: float | None
    valid_loss: float
    accuracy: float
    macro_f1: float


@dataclass(frozen=True)
class SeedFigures:
    """What the fit with `seed` came to on the validation rows, and whether it is the one that was kept."""

    seed: int
    kept: bool
    figures: Mapping[str, float]


def seed_section(seeds: Sequence[SeedFigures]) -> Html:
    """How much of the result is luck: each seed's figures after its own calibration; nothing for a single seed."""
    if len(seeds) < 2:
        return Html("")
    # A fit that keeps no row at all has no accuracy of the rows it keeps.
    names = list(dict.fromkeys(name for found in seeds for name in found.figures))
    rows = (
        (
            f"{found.seed}, kept" if found.kept else f"{found.seed}",
            *(f"{found.figures[name]:.4f}" if name in found.figures else "" for name in names),
        )
        for found in seeds
    )
    note = "Fits that differ in their seed alone, each calibrated by itself: what changes less than that is chance."
    return section("Seeds", table(("seed", *map(figure_name, names)), rows), note=note)


def learning_section(history: Sequence[Evaluation]) -> Html:
    """Loss and scores by epoch."""
    if not history:
        return Html("")
    losses = line_chart(
        [
            Curve("training", [(point.epoch, point.train_loss) for point in history]),
            Curve("validation", [(point.epoch, point.valid_loss) for point in history]),
        ],
        x=Axis("epoch", low=0.0),
        y=Axis("loss"),
    )
    scores = line_chart(
        [
            Curve("accuracy", [(point.epoch, point.accuracy) for point in history]),
            Curve("macro F1", [(point.epoch, point.macro_f1) for point in history]),
        ],
        x=Axis("epoch", low=0.0),
        y=Axis("score"),
    )
    return section(
        "Learning curves",
        beside(
            figure(
                losses,
                title="Loss",
                caption="Where validation rises while training falls, the model learns its training rows by heart.",
            ),
            figure(scores, title="Validation scores", caption="The weights of the best evaluation are the ones kept."),
        ),
    )
