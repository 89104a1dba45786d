"""The section that compares the rows of a score job with what the model was fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scorer.reports.axes import Axis
from scorer.reports.charts import bars, paired_histogram
from scorer.reports.outcome import DriftFigure
from scorer.reports.page import Html, beside, figure, joined, more, section, table

_LITTLE, _MUCH = 0.1, 0.25
_TITLES: Final = {
    "length": "Tokens of a text",
    "truncated": "Texts longer than the model reads",
    "labels": "Predicted labels",
    "numbers": "Predicted numbers",
    "confidence": "Confidence of the likeliest label",
    "unknown": "Share of a text's tokens that the model does not know",
}
_OURS, _THEIRS = "these rows", "training data"
_SHOWN = 12


def drift_section(figures: Sequence[DriftFigure]) -> Html:
    """How far the rows are from the training data, as figures and drawings; nothing without figures."""
    if not figures:
        return Html("")
    rows = ((_title(found), f"{found.psi:.3f}", f"{found.chance:.3f}", _verdict(found)) for found in figures)
    known = [found for found in figures if sum(found.ours) and sum(found.theirs)]
    # Bars of names beside each other, and drawings beside each other.
    kinds = [[found for found in known if bool(found.names) == named] for named in (False, True)]
    note = (
        f"The population stability index of each figure: {_LITTLE:g} is little, {_MUCH:g} is much. Chance alone "
        "explains what the column beside it says, but for once in a thousand runs."
    )
    return section(
        "Drift",
        table(("", "stability index", "by chance", ""), rows, words={3}),
        *(beside(*map(_drawing, kind)) for kind in kinds if kind),
        note=note,
    )


def _title(found: DriftFigure) -> str:
    return _TITLES.get(found.name, found.name)


def _verdict(found: DriftFigure) -> Html | str:
    if found.psi <= found.chance:
        return "no more than chance"
    if found.psi > _MUCH:
        return Html('<b class="worse">much</b>')
    return "some" if found.psi > _LITTLE else "little"


def _drawing(found: DriftFigure) -> Html:
    if found.names:
        return _named(found)
    drawing = paired_histogram(
        found.edges,
        (_OURS, found.ours),
        (_THEIRS, found.theirs),
        x=Axis(_axis(found), steps=tuple(found.edges)),
        y="share of rows",
    )
    return figure(drawing, title=_title(found))


def _axis(found: DriftFigure) -> str:
    return {"length": "tokens", "confidence": "confidence", "unknown": "share unknown"}.get(found.name, found.name)


def _named(found: DriftFigure) -> Html:
    """A pair of bars for each label, in percent of the rows; those that differ most come first where there are many."""
    ours, theirs = ([100 * count / sum(counts) for count in counts] for counts in (found.ours, found.theirs))
    rows = [(name, (round(a, 1), round(b, 1))) for name, a, b in zip(found.names, ours, theirs, strict=True)]
    if len(rows) > _SHOWN:
        rows.sort(key=lambda row: -abs(row[1][0] - row[1][1]))
    longest = (max(*ours, *theirs),) * 2
    series = (_OURS, _THEIRS)
    drawn = bars(rows[:_SHOWN], series=series, unit=" %", longest=longest)
    if rest := rows[_SHOWN:]:
        drawn = joined([drawn, more(f"{len(rest)} more labels", bars(rest, unit=" %", longest=longest))])
    content = Html(f'<div class="drawn">{drawn}</div>')
    return figure(content, title=_title(found), caption="In percent of the rows with a score.")
