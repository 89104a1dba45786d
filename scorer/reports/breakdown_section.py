"""The section of a score job's page that shows labels, or numbers, over time or by the values of a column."""

from __future__ import annotations

from collections.abc import Sequence

from scorer.metrics.regression import spelt
from scorer.reports.axes import Axis
from scorer.reports.charts import COLOURS, Curve, histogram, line_chart
from scorer.reports.multiples import Panel, multiples, small_line
from scorer.reports.outcome import Breakdown, Group, Outcome
from scorer.reports.page import Html, beside, figure, joined, meter, more, paragraph, percent, quoted, section, table

# More columns than these are scrolled rather than read.
_MOST_COLUMNS = 12
_NAME_LENGTH = 60


def breakdown_section(outcome: Outcome) -> Html:
    """Labels over time, or by the values of a column; nothing where there is no breakdown."""
    found = outcome.breakdown
    if found is None or not found.groups:
        return Html("")
    what = "Numbers" if outcome.numbers is not None else "Labels"
    note: str
    if found.kind == "time":
        heading, shown = f"{what} over time", _over_time(outcome, found)
        note = Html(f"By {quoted(found.column, 40)}, a point for each {found.unit}.")
    elif found.kind == "part":
        heading, shown = f"{what} by file", _table(outcome, found)
        note = "A row for each file of the output."
    else:
        heading, shown = f"{what} by {_short(found.column)}", _table(outcome, found)
        ranged = " Its numbers are in ranges of about equally many rows." if found.kind == "range" else ""
        note = f"A row for each value of the column.{ranged}"
    return section(heading, shown, *map(paragraph, found.notes), note=note)


def _short(name: str) -> str:
    return name if len(name) <= _NAME_LENGTH else f"{name[: _NAME_LENGTH - 1]}…"


def _over_time(outcome: Outcome, found: Breakdown) -> Html:
    groups = found.groups
    names = tuple(group.name for group in groups)
    axis = Axis(found.unit, names=names)
    rows = histogram(
        [place - 0.5 for place in range(len(groups) + 1)],
        [group.rows for group in groups],
        x=axis,
        y=Axis("rows", low=0.0, whole=True),
    )
    drawn = [_means(outcome, groups, axis), figure(rows, title="Rows")]
    figures = more("The figures", _table(outcome, found))
    if outcome.numbers is not None:
        return joined([beside(*drawn), figures])
    if len(outcome.labels) <= len(COLOURS):
        return joined([beside(_together(outcome, groups, axis), *drawn), figures])
    return joined([Html("<h3>Share of each label</h3>"), _apart(outcome, groups), beside(*drawn), figures])


def _means(outcome: Outcome, groups: Sequence[Group], axis: Axis) -> Html:
    name = "mean number" if outcome.numbers is not None else "mean confidence"
    points = [(float(place), group.mean) for place, group in enumerate(groups)]
    drawing = line_chart([Curve(name, points)], x=axis, y=Axis(name))
    return figure(drawing, title=name.capitalize())


def _together(outcome: Outcome, groups: Sequence[Group], axis: Axis) -> Html:
    """The share of the scored rows that has each label, in one chart."""
    curves = [
        Curve(label.name, [(float(place), _share(group, number)) for place, group in enumerate(groups)])
        for number, label in enumerate(outcome.labels)
    ]
    drawing = line_chart(curves, x=axis, y=Axis("share of the scored rows", low=0.0, percent=True))
    return figure(drawing, title="Share of each label")


def _apart(outcome: Outcome, groups: Sequence[Group]) -> Html:
    """The same, with a drawing for each label that any row has."""
    ends = groups[0].name, groups[-1].name
    places = {label.name: number for number, label in enumerate(outcome.labels)}
    return multiples(
        [
            Panel(
                label.name,
                small_line([_share(group, places[label.name]) for group in groups], ends=ends),
                f"{label.rows:,} rows",
            )
            for label in outcome.listed()
            if label.rows
        ]
    )


def _table(outcome: Outcome, found: Breakdown) -> Html:
    """A row for each group: its rows, its mean, and the share of each of the most frequent labels."""
    shown = sorted(range(len(outcome.labels)), key=lambda number: (-outcome.labels[number].rows, number))[
        :_MOST_COLUMNS
    ]
    shown = sorted(shown) if outcome.ordered else shown
    mean = "mean number" if outcome.numbers is not None else "mean confidence"
    head = (
        quoted(found.unit if found.kind == "time" else "file" if found.kind == "part" else found.column, 40),
        "rows",
        "scored",
        mean,
        *(quoted(outcome.labels[number].name, 24) for number in shown),
    )
    cells = [(*_figures(group, outcome), *(_cell(group, number) for number in shown)) for group in found.groups]
    hidden = len(outcome.labels) - len(shown)
    more_labels = [paragraph(f"The {len(shown)} most frequent of {len(outcome.labels)} labels.")] if hidden else []
    return joined([table(head, cells), *more_labels])


def _figures(group: Group, outcome: Outcome) -> tuple[object, ...]:
    mean = "" if group.mean is None else spelt(group.mean) if outcome.numbers is not None else f"{group.mean:.3f}"
    scored = percent(group.scored / group.rows) if group.rows else ""
    return quoted(group.name, 40), f"{group.rows:,}", scored, mean


def _cell(group: Group, number: int) -> Html | str:
    share = _share(group, number)
    return "" if share is None else meter(share, percent(share))


def _share(group: Group, number: int) -> float | None:
    return group.counts[number] / group.scored if group.scored else None
