"""The page of `scorer score --report-html`: what came out, how sure the model was, and how it differs from training.

It is the one thing of a score job in which texts of rows stand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from scorer.metrics.regression import spelt
from scorer.reports.axes import Axis
from scorer.reports.breakdown_section import breakdown_section
from scorer.reports.charts import Mark, histogram
from scorer.reports.drift_section import drift_section
from scorer.reports.multiples import Panel, multiples, small_histogram
from scorer.reports.number_page import number_histogram
from scorer.reports.outcome import CONFIDENCE_BINS, Example, LabelOutcome, NumberOutcome, Outcome
from scorer.reports.page import (
    Html,
    beside,
    definitions,
    figure,
    joined,
    meter,
    more,
    page,
    percent,
    quoted,
    safe,
    section,
    table,
    tiles,
)
from scorer.reports.sections import MOST_CHARACTERS, Remark, remark_section
from scorer.reports.statuses import status_section

# Of more labels the others are folded away; of still more, only the most frequent have examples at all.
_OPEN, _MOST = 8, 60
_TABLE = 40


@dataclass(frozen=True, kw_only=True)
class ScorePage:
    """What the page shows.

    outcome  figures and examples
    scored   how many rows have a score
    parts    of how many files the output is made; None of one that is a file
    remarks  what there is to say before the figures
    model, lineage  printed as they come, name by name
    """

    title: str
    lead: str = ""
    outcome: Outcome
    scored: int
    parts: int | None = None
    remarks: Sequence[Remark] = ()
    model: Mapping[str, Any]
    lineage: Mapping[str, Any]

    def html(self) -> str:
        """The page, a complete HTML document."""
        outcome = self.outcome
        return page(
            self.title,
            (
                self._headline(),
                remark_section("Before you read on", self.remarks),
                _labels(outcome),
                _numbers(outcome.numbers),
                _confidence(outcome),
                breakdown_section(outcome),
                status_section(outcome.statuses, rows=outcome.rows),
                drift_section(outcome.drift),
                _examples(outcome),
                section("Model", definitions(self.model)),
                section("Lineage", definitions(self.lineage)),
            ),
            lead=self.lead,
        )

    def _headline(self) -> Html:
        outcome, rows = self.outcome, max(self.outcome.rows, 1)
        figures = [("rows", f"{outcome.rows:,}"), ("with a score", percent(self.scored / rows))]
        if (mean := _mean_confidence(outcome)) is not None:
            figures.append(("mean confidence", f"{mean:.3f}"))
        if outcome.numbers is not None:
            figures.append(("mean number", spelt(outcome.numbers.mean)))
        if abstained := outcome.statuses.get("abstain", 0):
            figures.append(("too unsure", percent(abstained / rows)))
        if self.parts is not None:
            figures.append(("files", f"{self.parts:,}"))
        return tiles(figures)


def _mean_confidence(outcome: Outcome) -> float | None:
    """That of all labels that were given."""
    known = [(label.confidence, label.rows) for label in outcome.labels if label.confidence is not None]
    rows = sum(count for _, count in known)
    return sum(mean * count for mean, count in known) / rows if rows else None


def _labels(outcome: Outcome) -> Html:
    """How many rows have each label, how sure the model was, and how many it gave it to when it was fitted."""
    if not outcome.labels:
        return Html("")
    listed = outcome.listed()
    parts = [_label_table(outcome, listed[:_TABLE])]
    if rest := listed[_TABLE:]:
        parts.append(more(f"{len(rest)} more labels", _label_table(outcome, rest)))
    several = f" A row may have several; {outcome.unlabelled:,} scored rows have none." if outcome.several else ""
    note = f"Shares are those of the rows with a score.{several}"
    return section("Labels", *parts, note=note)


def _label_table(outcome: Outcome, listed: Sequence[LabelOutcome]) -> Html:
    scored = max(sum(label.rows for label in outcome.labels) if not outcome.several else _scored(outcome), 1)
    trained = any(label.training_share is not None for label in outcome.labels)
    head = ("label", "rows", "share", "mean confidence", *(("share in validation",) if trained else ()))
    rows = (
        (
            quoted(label.name, 40),
            f"{label.rows:,}",
            meter(label.rows / scored, percent(label.rows / scored)),
            "" if label.confidence is None else f"{label.confidence:.3f}",
            *((("" if label.training_share is None else percent(label.training_share)),) if trained else ()),
        )
        for label in listed
    )
    return table(head, rows)


def _scored(outcome: Outcome) -> int:
    return sum(count for name, count in outcome.statuses.items() if name in ("ok", "truncated", "abstain"))


def _numbers(numbers: NumberOutcome | None) -> Html:
    if numbers is None or not numbers.rows:
        return Html("")
    some = np.array(numbers.some, np.float64)
    middle = spelt(float(np.median(some)))
    part = "" if len(some) == numbers.rows else f" Drawn from {len(some):,} evenly spaced rows."
    caption = f"Median {middle}, from {spelt(numbers.low)} to {spelt(numbers.high)}.{part}"
    drawing = number_histogram(some, x="number")
    return section("Numbers", figure(drawing, title="How often each number comes out", caption=caption))


def _confidence(outcome: Outcome) -> Html:
    """All rows by confidence, and the rows of each label."""
    given = [label for label in outcome.listed() if label.rows and label.confidence is not None]
    if not given:
        return Html("")
    counts = np.sum([label.confidences for label in given], axis=0).tolist()
    below = outcome.abstain_below if outcome.abstain_below is not None and outcome.abstain_below <= 1 else None
    whole = histogram(
        [place / CONFIDENCE_BINS for place in range(CONFIDENCE_BINS + 1)],
        counts,
        x=Axis("confidence", low=0.0, high=1.0),
        y=Axis("labels given" if outcome.several else "rows", low=0.0, whole=True),
        marks=[Mark(below, f"abstains below {below:.3f}")] if below is not None else [],
    )
    panels = [
        Panel(label.name, small_histogram(label.confidences, mark=below), f"mean {label.confidence:.3f}")
        for label in given
    ]
    shown = [figure(whole, title="All labels")]
    if len(panels) > 1:
        shown += [Html("<h3>Label by label</h3>"), multiples(panels)]
    note = "How many rows have which confidence; each label's drawing has a height of its own, written in it."
    return section("Confidence", joined(shown), note=note)


def _examples(outcome: Outcome) -> Html:
    """Rows at each end, label by label."""
    if outcome.numbers is not None:
        numbers = outcome.numbers
        ends = [("Highest numbers", numbers.highest, "number"), ("Lowest numbers", numbers.lowest, "number")]
        shown = beside(*(_end(*end) for end in ends if end[1]))
        return section("Examples", shown, note=_EXAMPLES) if numbers.highest else Html("")
    listed = outcome.listed()
    blocks = [_of_label(label) for label in listed[:_MOST] if label.sure]
    folded = [more(f"{len(blocks) - _OPEN} more labels", joined(blocks[_OPEN:]))] if len(blocks) > _OPEN else []
    return section("Examples", *blocks[:_OPEN], *folded, note=_EXAMPLES) if blocks else Html("")


_EXAMPLES: Final = (
    "Rows at each end, each text once. These are texts of your data: look at them before you pass the page on."
)


def _of_label(label: LabelOutcome) -> Html:
    ends = [_end("Most sure", label.sure, "confidence"), _end("Least sure", label.unsure, "confidence")]
    heading = Html(f'<h3 class="label">{quoted(label.name, 60)}</h3>')
    return joined([heading, beside(*(end for end in ends if end))])


def _end(title: str, rows: Sequence[Example], value: str) -> Html:
    if not rows:
        return Html("")
    items = "".join(f"<li>{_text(row)}{_facts(row, value)}</li>\n" for row in rows)
    return Html(f'<div><h4>{safe(title)}</h4>\n<ol class="rows">\n{items}</ol></div>')


def _text(row: Example) -> str:
    return "".join(f"<blockquote>{quoted(text, MOST_CHARACTERS)}</blockquote>" for text in row.texts)


def _facts(row: Example, value: str) -> str:
    written = f"{row.value:.3f}" if value == "confidence" else spelt(row.value)
    part = f"<span>{quoted(row.part, 60)}</span>" if row.part else ""
    return f'<p class="facts"><span>{value} {written}</span><span>row {row.row:,}</span>{part}</p>'
