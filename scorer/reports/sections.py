"""The sections that the pages of a fit and of an evaluation share: headline, labels, calibration.

Owns what they say and how figures are written. Does not know how figures were computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scorer.classifier.decision import Decision
from scorer.metrics.classification import LabelMetrics, Metrics
from scorer.reports.charts import reliability_diagram
from scorer.reports.page import (
    Html,
    beside,
    definitions,
    figure,
    figure_name,
    meter,
    more,
    quoted,
    section,
    table,
    tiles,
)

# With more labels than the first, only so many of the weakest are shown at once.
_MANY, _WEAKEST = 40, 15


def headline(metrics: Metrics, *, rows: str = "rows") -> Html:
    """The figures that are one number for all rows."""
    figures = [(_name(name, metrics), f"{value:.4f}") for name, value in metrics.headline().items()]
    return tiles([*figures, (rows, f"{metrics.rows:,}")])


def label_section(metrics: Metrics, thresholds: Sequence[float] | None = None) -> Html:
    """Each label against the rest, with its threshold where it has one of its own. Where a row may have several labels
    there is no confusion of one with another, hence the counts that stand for it here."""
    multi = metrics.confusion is None
    note = "Precision: how many of a label's predictions are right. Recall: how many of its rows are found."
    if multi:
        note += " Its predictions are true or false positives, its rows true positives or false negatives."
    own = thresholds if thresholds is not None else [None] * len(metrics.labels)
    listed = list(zip(metrics.labels, own, strict=True))
    if len(listed) <= _MANY:
        return section("Labels", _label_table(listed, multi=multi), note=note)
    weakest = sorted((row for row in listed if row[0].support), key=lambda row: row[0].f1)[:_WEAKEST]
    return section(
        "Labels",
        _label_table(weakest, multi=multi),
        more(f"All {len(listed)} labels", _label_table(listed, multi=multi)),
        note=f"{note} Of {len(listed)} labels, these {len(weakest)} have the lowest F1.",
    )


def calibration_section(metrics: Metrics, raw: Metrics, *, note: str) -> Html:
    """How honest confidences are, before (`raw`) and after calibration, of which `note` says what it was; and how good
    the answers where a row may have several labels, which thresholds decide."""
    before, after, several = raw.headline(), metrics.headline(), metrics.confusion is None
    names = list(after) if several else ["ece", "nll", "brier"]
    rows = ((_name(name, metrics), f"{before[name]:.4f}", f"{after[name]:.4f}") for name in names)
    # Of several labels a row, each is right or wrong on its own.
    axes = {"x": "probability", "y": "share with the label"} if several else {}
    what = "the share of its rows with the label" if axes else "its rows are accurate"
    caption = f"A bar is as high as {what}; it ends on the dashed line where the model is honest."
    return section(
        "Calibration",
        beside(
            figure(reliability_diagram(raw.reliability, **axes), title="Before calibration", caption=caption),
            figure(
                reliability_diagram(metrics.reliability, **axes),
                title="After calibration",
                caption="The paler a bin, the fewer rows it has.",
            ),
        ),
        table(("", "before", "after"), rows),
        note=note + (" Before, a label is given from a probability of 0.5 on." if several else ""),
    )


def origin_sections(configuration: Mapping[str, Any], lineage: Mapping[str, Any]) -> Html:
    """How the figures came about."""
    parts = (("Configuration", configuration), ("Lineage", lineage))
    return Html("\n".join(section(heading, definitions(items)) for heading, items in parts if items))


def calibration_note(decision: Decision) -> str:
    """What a fit did to the logits so that its confidences would be honest."""
    temperatures = decision.temperature
    if decision.exponent == 1.0 and all(temperature == 1.0 for temperature in temperatures):
        return "No temperature made the confidences more honest, so the logits stay as they are."
    if len(temperatures) == 1:
        raised = f"raised to the power {decision.exponent:.2f} and " if decision.exponent != 1.0 else ""
        divided = f"Logits are {raised}divided by a temperature of {temperatures[0]:.4f}"
    else:
        ends = f"{min(temperatures):.2f} to {max(temperatures):.2f}"
        divided = f"Each label's logits are divided by its own temperature, {ends}"
    return f"{divided}, which was fitted on the same validation rows: on new rows expect a little less."


def _name(name: str, metrics: Metrics) -> str:
    if name == "accuracy" and metrics.confusion is None:
        return "exact match"
    return figure_name(name)


def _label_table(listed: Sequence[tuple[LabelMetrics, float | None]], *, multi: bool) -> Html:
    with_thresholds = any(threshold is not None for _, threshold in listed)
    counts = ("true positives", "false positives", "false negatives") if multi else ()
    head = ("label", "precision", "recall", "F1", "rows", *counts, *(("threshold",) if with_thresholds else ()))
    rows = (
        (
            quoted(label.name),
            *(meter(value, f"{value:.3f}") for value in (label.precision, label.recall, label.f1)),
            f"{label.support:,}",
            *(f"{count:,}" for count in (label.true_positives, label.false_positives, label.false_negatives) if multi),
            *((f"{threshold:.3f}",) if threshold is not None else ()),
        )
        for label, threshold in listed
    )
    return table(head, rows)
