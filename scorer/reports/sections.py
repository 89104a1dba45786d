"""The sections that the pages of a fit and of an evaluation share: headline, labels, confusion, calibration.

Owns what they say and how figures are written. Does not know how figures were computed.
"""

from __future__ import annotations

from collections.abc import Sequence

from scorer.classifier.decision import Decision
from scorer.metrics.classification import Metrics
from scorer.reports.charts import reliability_diagram
from scorer.reports.page import Html, beside, figure, meter, paragraph, quoted, section, table, tiles

# Beyond this a confusion matrix is no longer read but scrolled; metrics.json has it whole.
MOST_CONFUSION_LABELS = 40

_NAMES = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "nll": "negative log-likelihood",
    "ece": "calibration error (15 bins)",
    "brier": "Brier score",
}


def headline(metrics: Metrics, *, rows: str = "rows") -> Html:
    """The figures that are one number for all rows."""
    figures = [(_NAMES.get(name, name.replace("_", " ")), f"{value:.4f}") for name, value in metrics.headline().items()]
    return tiles([*figures, (rows, f"{metrics.rows:,}")])


def label_section(metrics: Metrics) -> Html:
    """Each label against the rest."""
    rows = (
        (
            quoted(label.name),
            meter(label.precision, f"{label.precision:.3f}"),
            meter(label.recall, f"{label.recall:.3f}"),
            meter(label.f1, f"{label.f1:.3f}"),
            f"{label.support:,}",
        )
        for label in metrics.labels
    )
    return section(
        "Labels",
        table(("label", "precision", "recall", "F1", "rows"), rows),
        note="Precision is the share of a label's predictions that are right, recall that of its rows that are found.",
    )


def confusion_section(metrics: Metrics) -> Html:
    """Which labels are taken for which; nothing where a row may have several."""
    if metrics.confusion is None:
        return Html("")
    names = [label.name for label in metrics.labels]
    if len(names) > MOST_CONFUSION_LABELS:
        return section(
            "Confusion", paragraph(f"{len(names)} labels: too many for a table; the counts are in metrics.json.")
        )
    return section(
        "Confusion",
        _matrix(names, metrics.confusion),
        note="Rows are the true labels, columns the predicted ones; the shade is the share of the row.",
    )


def calibration_section(metrics: Metrics, raw: Metrics, decision: Decision) -> Html:
    """How honest confidences are, before (`raw`) and after calibration."""
    figures = ("nll", "ece", "brier")
    before, after = raw.headline(), metrics.headline()
    rows = ((_NAMES[name], f"{before[name]:.4f}", f"{after[name]:.4f}") for name in figures)
    temperature = ", ".join(f"{value:.4f}" for value in decision.temperature)
    return section(
        "Calibration",
        beside(
            figure(reliability_diagram(raw.reliability), title="Before"),
            figure(reliability_diagram(metrics.reliability), title="After"),
        ),
        table(("", "before", "after"), rows),
        note=f"Logits are divided by a temperature of {temperature}, which was fitted on the same validation rows: "
        "on new rows expect a little less.",
    )


def _matrix(names: Sequence[str], confusion: Sequence[Sequence[int]]) -> Html:
    head = "".join(f"<th>{quoted(name, 24)}</th>" for name in names)
    body = "".join(
        f'<tr><th scope="row">{quoted(name, 24)}</th>{_heat_cells(counts)}</tr>\n'
        for name, counts in zip(names, confusion, strict=True)
    )
    return Html(
        f'<div class="wide" tabindex="0"><table class="heat">\n<thead><tr><th></th>{head}</tr></thead>\n'
        f"<tbody>\n{body}</tbody>\n</table></div>"
    )


def _heat_cells(counts: Sequence[int]) -> str:
    total = max(sum(counts), 1)
    return "".join(f'<td style="--share:{count / total:.3f}">{count:,}</td>' for count in counts)
