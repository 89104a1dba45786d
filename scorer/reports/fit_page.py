"""`report.html`: what a fit achieved, as one file that needs nothing else.

Owns the page. Does not know how figures were computed. Every text that comes from a user's file or configuration is
escaped; the page runs no script and loads nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from scorer.classifier.decision import Decision
from scorer.metrics.classification import Metrics
from scorer.reports.charts import Evaluation, Series, chart

# Beyond this a confusion matrix is no longer read but scrolled; metrics.json has it whole.
_MOST_CONFUSION_LABELS = 40


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the page shows.

    `metrics` are those of the validation rows with calibrated probabilities, `raw` those before calibration.
    `configuration` and `lineage` are printed as they come, name by name.
    """

    title: str
    metrics: Metrics
    raw: Metrics
    decision: Decision
    history: Sequence[Evaluation]
    configuration: Mapping[str, Any]
    lineage: Mapping[str, Any]

    def html(self) -> str:
        """The page, a complete HTML document."""
        sections = (
            _headline(self.metrics),
            _section("Labels", _label_table(self.metrics)),
            _section("Confusion", _confusion(self.metrics)),
            _section("Learning curve", _curves(self.history)),
            _section("Calibration", _calibration(self.metrics, self.raw, self.decision)),
            _section("Configuration", _definitions(self.configuration)),
            _section("Lineage", _definitions(self.lineage)),
        )
        title = escape(self.title)
        return _PAGE.format(title=title, style=_STYLE, body="\n".join((f"<h1>{title}</h1>", *sections)))


def _section(heading: str, content: str) -> str:
    return f"<section><h2>{escape(heading)}</h2>\n{content}\n</section>"


def _headline(metrics: Metrics) -> str:
    figures = (
        ("accuracy", f"{metrics.accuracy:.4f}"),
        ("macro F1", f"{metrics.macro_f1:.4f}"),
        ("negative log-likelihood", f"{metrics.nll:.4f}"),
        ("calibration error (15 bins)", f"{metrics.ece:.4f}"),
        ("validation rows", f"{metrics.rows:,}"),
    )
    tiles = "".join(f"<div><b>{value}</b><span>{escape(name)}</span></div>" for name, value in figures)
    return f'<div class="tiles">{tiles}</div>'


def _label_table(metrics: Metrics) -> str:
    rows = (
        (label.name, f"{label.precision:.3f}", f"{label.recall:.3f}", f"{label.f1:.3f}", f"{label.support:,}")
        for label in metrics.labels
    )
    return _table(("label", "precision", "recall", "F1", "rows"), rows)


def _confusion(metrics: Metrics) -> str:
    names = [label.name for label in metrics.labels]
    if metrics.confusion is None:
        return "<p>A row may have several labels, so there is no confusion of one with another.</p>"
    if len(names) > _MOST_CONFUSION_LABELS:
        return f"<p>{len(names)} labels: too many for a table; the counts are in metrics.json.</p>"
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(
        f"<tr><th>{escape(name)}</th>{_heat_cells(counts)}</tr>"
        for name, counts in zip(names, metrics.confusion, strict=True)
    )
    note = "<p>Rows are the true labels, columns the predicted ones; the shade is the share of the row.</p>"
    return f'{note}<div class="wide"><table class="heat"><tr><th></th>{head}</tr>{body}</table></div>'


def _heat_cells(counts: Sequence[int]) -> str:
    total = max(sum(counts), 1)
    return "".join(f'<td style="--share:{count / total:.3f}">{count:,}</td>' for count in counts)


def _curves(history: Sequence[Evaluation]) -> str:
    losses: dict[str, Series] = {
        "training loss": [(point.epoch, point.train_loss) for point in history],
        "validation loss": [(point.epoch, point.valid_loss) for point in history],
    }
    scores: dict[str, Series] = {
        "accuracy": [(point.epoch, point.accuracy) for point in history],
        "macro F1": [(point.epoch, point.macro_f1) for point in history],
    }
    return f'<div class="charts">{chart(losses)}{chart(scores)}</div>'


def _calibration(metrics: Metrics, raw: Metrics, decision: Decision) -> str:
    rows = (
        ("negative log-likelihood", f"{raw.nll:.4f}", f"{metrics.nll:.4f}"),
        ("calibration error (15 bins)", f"{raw.ece:.4f}", f"{metrics.ece:.4f}"),
    )
    temperature = ", ".join(f"{value:.4f}" for value in decision.temperature)
    note = (
        f"<p>Logits are divided by a temperature of {temperature}, which was fitted on the same validation rows: "
        "on new rows expect a little less.</p>"
    )
    return note + _table(("", "before", "after"), rows)


def _definitions(items: Mapping[str, Any]) -> str:
    return _table(("", ""), ((name, _shown(value)) for name, value in items.items()), head_row=False)


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "-"
    return "-" if value is None else str(value)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, head_row: bool = True) -> str:
    top = "<tr>" + "".join(f"<th>{escape(name)}</th>" for name in head) + "</tr>" if head_row else ""
    body = "".join(
        f"<tr><th>{escape(first)}</th>" + "".join(f"<td>{escape(cell)}</td>" for cell in rest) + "</tr>"
        for first, *rest in rows
    )
    return f'<div class="wide"><table>{top}{body}</table></div>'


_STYLE = """
:root { color-scheme: light dark; --ink: #1c2128; --soft: #667; --line: #d5d9df; --page: #fff; --tile: #f4f6f8;
  --one: #0b6bcb; --two: #c2570c; --heat: 11, 107, 203; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7eb; --soft: #9aa4b0; --line: #39414b; --page: #14181d;
  --tile: #1e242b; --one: #6cb2ff; --two: #ffa657; --heat: 80, 160, 255; } }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; margin-top: 2rem; }
p { color: var(--soft); }
.tiles { display: flex; flex-wrap: wrap; gap: .75rem; }
.tiles div { flex: 1 1 9rem; padding: .75rem; border-radius: .5rem; background: var(--tile); }
.tiles b { display: block; font-size: 1.5rem; } .tiles span { color: var(--soft); font-size: .85rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: right; }
th { font-weight: 600; text-align: left; } th ~ th { text-align: right; } td { overflow-wrap: break-word; }
.heat td { background: rgba(var(--heat), calc(var(--share) * .7)); }
.charts { display: flex; flex-wrap: wrap; gap: 1rem; } .charts svg { flex: 1 1 18rem; max-width: 28rem; }
svg text { fill: var(--soft); font-size: 11px; } svg .axis { stroke: var(--line); }
svg .one { stroke: var(--one); } svg .two { stroke: var(--two); } svg polyline { fill: none; stroke-width: 2; }
svg circle.one { fill: var(--one); } svg circle.two { fill: var(--two); }
svg text.one { fill: var(--one); stroke: none; } svg text.two { fill: var(--two); stroke: none; }
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""
