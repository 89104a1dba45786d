"""`report.html`, the page of `scorer fit`: what a fit achieved, its learning curve, and the figures of each seed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scorer.classifier.decision import Decision
from scorer.classifier.long_text import LongText
from scorer.classifier.profile import Profile
from scorer.metrics.classification import Metrics
from scorer.metrics.judged_rows import Slice
from scorer.metrics.regression import spelt
from scorer.metrics.reliability import LabelThreshold, Threshold
from scorer.reports.axes import Axis
from scorer.reports.breakdowns import TextLengths, frequency_section, length_section, slice_section, threshold_section
from scorer.reports.calibration import calibration_note, calibration_section
from scorer.reports.charts import Curve, line_chart
from scorer.reports.page import Html, beside, figure, figure_name, page, section, table
from scorer.reports.sections import (
    Remark,
    ShownRow,
    confusion_section,
    headline,
    label_section,
    origin_sections,
    remark_section,
    row_list,
)


@dataclass(frozen=True)
class Evaluation:
    """One evaluation during training; `train_loss` is the mean since the last one (None where it was not logged, or
    overflowed), `scores` are figures of the validation rows by their names."""

    epoch: float
    step: int
    train_loss: float | None
    valid_loss: float
    scores: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """JSON types only."""
        losses = {"train_loss": self.train_loss, "valid_loss": self.valid_loss}
        return {"epoch": self.epoch, "step": self.step, **losses, **self.scores}


@dataclass(frozen=True)
class SeedFigures:
    """What the fit with `seed` came to on the validation rows, and whether it is the one that was kept."""

    seed: int
    kept: bool
    figures: Mapping[str, float]


def seed_section(seeds: Sequence[SeedFigures], *, calibrated: bool = True) -> Html:
    """How much of the result is luck: each seed's figures, after its own calibration where they are `calibrated`, else
    of numbers in their unit; nothing for a single seed."""
    if len(seeds) < 2:
        return Html("")
    # A fit that keeps no row at all has no accuracy of the rows it keeps.
    names = list(dict.fromkeys(name for found in seeds for name in found.figures))
    written = (lambda value: f"{value:.4f}") if calibrated else spelt
    rows = (
        (
            f"{found.seed}, kept" if found.kept else f"{found.seed}",
            *(written(found.figures[name]) if name in found.figures else "" for name in names),
        )
        for found in seeds
    )
    own = ", each calibrated by itself" if calibrated else ""
    note = f"Fits that differ in their seed alone{own}: what changes less than that is chance."
    return section("Seeds", table(("seed", *map(figure_name, names)), rows), note=note)


def learning_section(history: Sequence[Evaluation], *, without: Collection[str] = ()) -> Html:
    """Loss and scores by epoch, but for those `without` the range of the others."""
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
            Curve(figure_name(name), [(point.epoch, point.scores[name]) for point in history])
            for name in history[0].scores
            if name not in without
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


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the page shows.

    metrics, raw    those of the validation rows with calibrated probabilities (confidences out of fold), and before
                    calibration
    calibrations    the ways to calibrate among which one was chosen, with the NLL of each on rows it had not seen
    train_labels    training rows of each label, in the order of `metrics.labels`; empty where nobody counted
    ordered         whether the labels are numbers, whose order says more than their frequencies
    profile         lengths of the training texts
    max_length      tokens that the model can see at once
    long_text       how it reads texts that have more
    seeds           what each of several fits came to, of which one was kept
    thresholds      what is left of the validation rows at each confidence, or what each threshold gives
    slices          how parts of the validation rows fare
    hardest         the validation rows that the model is wrong about, the highest loss first
    remarks         what the checks of the data found
    configuration, lineage  printed as they come, name by name
    """

    title: str
    lead: str = ""
    metrics: Metrics
    raw: Metrics
    decision: Decision
    history: Sequence[Evaluation]
    seeds: Sequence[SeedFigures] = ()
    configuration: Mapping[str, Any]
    lineage: Mapping[str, Any]
    calibrations: Mapping[str, float] = field(default_factory=dict)
    train_labels: Sequence[int] = ()
    ordered: bool = False
    profile: Profile | None = None
    max_length: int = 0
    long_text: LongText = field(default_factory=LongText)
    thresholds: Sequence[Threshold] | Sequence[LabelThreshold] = ()
    slices: Sequence[Slice] = ()
    hardest: Sequence[ShownRow] = ()
    remarks: Sequence[Remark] = ()

    def html(self) -> str:
        """The page, a complete HTML document."""
        return page(
            self.title,
            (
                headline(self.metrics, rows="validation rows"),
                remark_section("Data checks", self.remarks),
                label_section(self.metrics, self.decision.thresholds),
                confusion_section(self.metrics),
                learning_section(self.history),
                seed_section(self.seeds),
                calibration_section(
                    self.metrics, self.raw, note=calibration_note(self.decision), tried=self.calibrations
                ),
                threshold_section(self.thresholds, abstain_below=self.decision.abstain_below),
                slice_section(self.slices, several=self.metrics.confusion is None),
                hardest_section(self.hardest, of="wrong answers"),
                self._frequencies(),
                self._lengths(),
                origin_sections(self.configuration, self.lineage),
            ),
            lead=self.lead,
        )

    def _frequencies(self) -> Html:
        labels = self.metrics.labels
        if not self.train_labels:
            return Html("")
        names, valid = [label.name for label in labels], [label.support for label in labels]
        return frequency_section(names, self.train_labels, valid, ordered=self.ordered)

    def _lengths(self) -> Html:
        if self.profile is None:
            return Html("")
        lengths = TextLengths(
            edges=self.profile.length_edges,
            counts=self.profile.lengths,
            truncated_share=self.profile.truncated_share,
            max_length=self.max_length,
            long_text=self.long_text,
        )
        return length_section(lengths, of="training text")


def hardest_section(rows: Sequence[ShownRow], *, of: str = "rows") -> Html:
    """The rows with the highest loss; `of` says among which."""
    note = f"The {of} with the highest loss. Look here for wrong labels, and for what the training rows do not show."
    return section("Hardest rows", row_list(rows), note=note) if rows else Html("")
