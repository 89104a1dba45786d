"""Sections that several pages share: headline, remarks, labels, confusion, calibration, single rows, their origin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from scorer.metrics.classification import LabelMetrics, Metrics
from scorer.metrics.regression import spelt
from scorer.reports.page import (
    Html,
    definitions,
    figure_name,
    meter,
    more,
    percent,
    quoted,
    safe,
    section,
    table,
    tiles,
)

# With more labels than the first, only so many of the weakest are shown at once.
_MANY, _WEAKEST = 40, 15
MOST_CHARACTERS = 300
# Beyond the first a matrix is scrolled rather than read; beyond the second its names stand upright and its pairs are
# listed besides.
MOST_LABELS_IN_MATRIX, _MOST_FLAT = 40, 8
_PAIRS, _FEW_PAIRS = 25, 10
_NAME_LENGTH = 24


def headline(metrics: Metrics, *, rows: str = "rows") -> Html:
    """The figures that are one number for all rows."""
    figures = [(headline_name(name, metrics), f"{value:.4f}") for name, value in metrics.headline().items()]
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


def origin_sections(configuration: Mapping[str, Any], lineage: Mapping[str, Any]) -> Html:
    """How the figures came about."""
    parts = (("Configuration", configuration), ("Lineage", lineage))
    return Html("\n".join(section(heading, definitions(items)) for heading, items in parts if items))


def headline_name(name: str, metrics: Metrics) -> str:
    """What people call the figure `name` of `metrics`."""
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


@dataclass(frozen=True)
class Remark:
    """One thing that was found: how severe it is, what it is, and what to do about it."""

    severity: Literal["error", "warning", "note"]
    what: str
    advice: str = ""


def remark_list(remarks: Sequence[Remark]) -> Html:
    items = "".join(
        f'<li><b class="{remark.severity}">{remark.severity}</b><div>{safe(remark.what)}'
        f"{f'<p>{safe(remark.advice)}</p>' if remark.advice else ''}</div></li>\n"
        for remark in remarks
    )
    return Html(f'<ul class="remarks">\n{items}</ul>')


def remark_section(heading: str, remarks: Sequence[Remark]) -> Html:
    """The remarks under their heading; nothing where there are none."""
    return section(heading, remark_list(remarks)) if remarks else Html("")


@dataclass(frozen=True, kw_only=True)
class ShownRow:
    """A row with its texts as the file has them, and the names of its labels.

    truth, predicted  label names: one, or any number where a row may have several; or a number, as text
    confidence        calibrated probability of the answer
    loss              in nats
    residual          in their place, of a number: true minus predicted
    row               counted from 1 without the header, where it is known
    """

    texts: tuple[str, ...]
    truth: tuple[str, ...]
    predicted: tuple[str, ...]
    confidence: float | None = None
    loss: float | None = None
    residual: float | None = None
    row: int | None = None


def row_list(rows: Sequence[ShownRow], *, truth: str = "label", predicted: str = "predicted") -> Html:
    """The rows one below the other, each text cut to 300 characters; `truth` and `predicted` are what its labels are
    called there."""
    items = "".join(f"<li>{_texts(row)}{_facts(row, truth, predicted)}</li>\n" for row in rows)
    return Html(f'<ol class="rows">\n{items}</ol>')


def names(labels: Sequence[str]) -> Html:
    """Label names as they are read in a sentence."""
    return Html(", ".join(quoted(name, 40) for name in labels) or "none")


def _texts(row: ShownRow) -> str:
    return "".join(f"<blockquote>{quoted(text, MOST_CHARACTERS)}</blockquote>" for text in row.texts)


def _facts(row: ShownRow, truth: str, predicted: str) -> str:
    facts = {
        "confidence": None if row.confidence is None else f"{row.confidence:.3f}",
        "loss": None if row.loss is None else f"{row.loss:.2f}",
        "residual": None if row.residual is None else spelt(row.residual, sign=True),
        "row": None if row.row is None else f"{row.row:,}",
    }
    figures = "".join(f"<span>{name} {value}</span>" for name, value in facts.items() if value is not None)
    return (
        f'<p class="facts"><span>{safe(truth)} <b class="truth">{names(row.truth)}</b></span>'
        f'<span>{safe(predicted)} <b class="predicted">{names(row.predicted)}</b></span>'
        f"{figures}</p>"
    )


def confusion_section(metrics: Metrics) -> Html:
    """The matrix, in counts and in shares of the true label's rows; nothing where a row may have several labels:
    then the table of labels counts true and false positives and false negatives."""
    if metrics.confusion is None:
        return Html("")
    names = [label.name for label in metrics.labels]
    pairs = _pairs(names, metrics.confusion, most=_PAIRS if len(names) > MOST_LABELS_IN_MATRIX else _FEW_PAIRS)
    if len(names) > MOST_LABELS_IN_MATRIX:
        note = f"The pairs of {len(names)} labels that are confused most often. The JSON of the metrics has all counts."
        return section("Confusion", pairs or Html("<p>No label is taken for another.</p>"), note=note)
    note = "Each row is a true label, each column a predicted one; what lies off the diagonal is wrong."
    listed = [Html("<h3>Most frequent confusions</h3>"), pairs] if pairs and len(names) > _MOST_FLAT else []
    return section("Confusion", _switched(names, metrics.confusion), *listed, note=note)


def _switched(names: Sequence[str], confusion: Sequence[Sequence[int]]) -> Html:
    """Both matrices in one; the choice between them is two radio buttons and no script."""
    return Html(
        '<div class="switch"><input type="radio" name="confusion" id="confusion-share" checked>'
        '<label for="confusion-share">% of the row</label>'
        '<input type="radio" name="confusion" id="confusion-count"><label for="confusion-count">rows</label>\n'
        f"{_matrix(names, confusion)}</div>"
    )


def _matrix(names: Sequence[str], confusion: Sequence[Sequence[int]]) -> str:
    upright = len(names) > _MOST_FLAT or any(len(name) > 12 for name in names)
    head = "".join(f'<th scope="col"><span>{quoted(name, _NAME_LENGTH)}</span></th>' for name in names)
    body = "".join(
        f'<tr><th scope="row">{quoted(name, _NAME_LENGTH)}</th>{_cells(counts, diagonal)}</tr>\n'
        for diagonal, (name, counts) in enumerate(zip(names, confusion, strict=True))
    )
    looks = "heat" + (" upright" if upright else "") + (" dense" if len(names) > 16 else "")
    return (
        f'<div class="wide" tabindex="0"><table class="{looks}">\n'
        f'<thead><tr><td class="corner">true ↓ predicted →</td>{head}</tr></thead>\n'
        f"<tbody>\n{body}</tbody>\n</table></div>"
    )


def _cells(counts: Sequence[int], diagonal: int) -> str:
    total = max(sum(counts), 1)
    return "".join(_cell(count, count / total, hit=place == diagonal) for place, count in enumerate(counts))


def _cell(count: int, share: float, *, hit: bool) -> str:
    if not count:
        return '<td class="none">·</td>'
    look = ' class="hit"' if hit else ""
    return f'<td{look} style="--share:{share:.3f}"><span>{_percent(share)}</span><span>{count:,}</span></td>'


def _percent(share: float) -> str:
    return "&lt;1" if share < 0.005 else f"{share * 100:.0f}"


def _pairs(names: Sequence[str], confusion: Sequence[Sequence[int]], *, most: int) -> Html:
    """The most frequent confusions, as a table; nothing where there are none."""
    found = [
        (count, true, predicted, count / sum(counts))
        for true, counts in enumerate(confusion)
        for predicted, count in enumerate(counts)
        if count and true != predicted
    ]
    found.sort(key=lambda pair: (-pair[0], -pair[3], pair[1:3]))
    rows = [
        (quoted(names[true], 40), quoted(names[predicted], 40), f"{count:,}", percent(share))
        for count, true, predicted, share in found[:most]
    ]
    return table(("true label", "predicted as", "rows", "share of the label"), rows, words={1}) if rows else Html("")
