"""The page about a model that gives numbers, of `scorer fit` and of `scorer evaluate --report`: how far off it is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scorer.metrics.regression import JudgedNumbers, Numbers, NumberSlice, RegressionMetrics, spelt
from scorer.reports.axes import Axis
from scorer.reports.breakdowns import TextLengths, length_section
from scorer.reports.charts import Mark, histogram, scatter
from scorer.reports.fit_page import Evaluation, SeedFigures, learning_section, seed_section
from scorer.reports.page import Html, beside, figure, figure_name, joined, meter, page, quoted, section, table, tiles
from scorer.reports.sections import Remark, ShownRow, origin_sections, remark_section, row_list

# More points than these hide each other, and make a page large.
_MOST_POINTS = 2_000
_BINS = 30
# Differences of numbers beyond this may be beyond a float64.
_HUGE = 1e300


@dataclass(frozen=True, kw_only=True)
class NumberPage:
    """What the page shows.

    rows      what the rows behind `metrics` and `judged` are called, such as `validation rows`
    train     the numbers of the training rows; None where nobody knows them
    history   the learning curve of a fit
    seeds     what each of several fits came to, of which one was kept
    slices    how parts of the rows fare
    hardest   the rows that the model is farthest off, those first
    remarks   what there is to say about the data and the figures
    lengths   how long the texts are, and what they are called, such as `training text`
    configuration, lineage  printed as they come, name by name
    """

    title: str
    lead: str = ""
    metrics: RegressionMetrics
    judged: JudgedNumbers
    rows: str
    train: Numbers | None = None
    history: Sequence[Evaluation] = ()
    seeds: Sequence[SeedFigures] = ()
    slices: Sequence[NumberSlice] = ()
    hardest: Sequence[ShownRow] = ()
    remarks: Sequence[Remark] = ()
    lengths: tuple[TextLengths, str] | None = None
    configuration: Mapping[str, Any]
    lineage: Mapping[str, Any]

    def html(self) -> str:
        """The page, a complete HTML document."""
        return page(
            self.title,
            (
                self._headline(),
                remark_section("Remarks", self.remarks),
                self._errors(),
                learning_section(self.history, without=("rmse",)),
                seed_section(self.seeds, calibrated=False),
                number_slice_section(self.slices),
                _hardest(self.hardest),
                self._numbers(),
                length_section(self.lengths[0], of=self.lengths[1]) if self.lengths is not None else Html(""),
                origin_sections(self.configuration, self.lineage),
            ),
            lead=self.lead,
        )

    def _headline(self) -> Html:
        figures = [(figure_name(name), spelt(value)) for name, value in self.metrics.headline().items()]
        return tiles([*figures, (self.rows, f"{self.metrics.rows:,}")])

    def _errors(self) -> Html:
        metrics, residual = self.metrics, self.judged.residual
        drawn = np.unique(np.linspace(0, len(residual) - 1, min(len(residual), _MOST_POINTS)).astype(np.int64))
        points = list(zip(self.judged.targets[drawn].tolist(), self.judged.predicted[drawn].tolist(), strict=True))
        some = f" {len(drawn):,} of {len(residual):,} rows are drawn." if len(drawn) < len(residual) else ""
        against = figure(
            scatter(points, x="true number", y="predicted number"),
            title="Predicted against true",
            caption=f"A point is a row; on the dashed line it is right.{some}",
        )
        mean = spelt(metrics.mean_residual, sign=True)
        spread = figure(
            number_histogram(residual, x="residual", marks=[Mark(0.0, "right")]),
            title="Residuals: true number minus predicted one",
            caption=f"On average {mean}. To the right of 0 the model says too little.",
        )
        half, most, nearly = (spelt(error) for error in metrics.absolute_error.values())
        note = f"Half of the rows are off by up to {half}, 90 % by up to {most}, 95 % by up to {nearly}."
        return section("Errors", beside(against, spread), self._intervals(), note=note)

    def _intervals(self) -> Html:
        intervals = self.metrics.intervals
        if not intervals:
            return Html("")
        rows = (
            (figure_name(name), spelt(value), f"{spelt(intervals[name][0])} to {spelt(intervals[name][1])}")
            for name, value in self.metrics.headline().items()
            if name in intervals
        )
        return table(("", "on these rows", "95 % interval, on rows like these"), rows)

    def _numbers(self) -> Html:
        sides = [(self.judged.targets, f"True numbers of the {self.rows}")]
        sides.append((self.judged.predicted, "Predicted numbers of the same rows"))
        if self.train is not None:
            sides.insert(0, (self.train, "True numbers of the training rows"))
        drawn = (
            figure(number_histogram(values, x="number"), title=title, caption=_described(values))
            for values, title in sides
        )
        return section("Numbers", beside(*drawn))


def number_histogram(values: Numbers, *, x: str, marks: Sequence[Mark] = ()) -> Html:
    """Bars of how often `values` (n,) come up, n > 0, in up to 30 bins between the least and the greatest."""
    bins = min(max(round(len(values) ** 0.5), 5), _BINS)
    low, high = float(values.min()), float(values.max())
    if max(abs(low), abs(high)) > _HUGE:
        return Html("<p>Numbers beyond 1e300 are not drawn.</p>")
    # Numbers that a float64 hardly tells apart are one bar, as equal ones are.
    close = high - low <= 2 * bins * math.ulp(max(abs(low), abs(high)))
    margin = max(abs(low), 1.0) * 0.5 if close else 0.0
    counts, edges = np.histogram(values, bins=bins, range=(low - margin, high + margin))
    return histogram(edges.tolist(), counts.tolist(), x=Axis(x), y=Axis("rows", low=0.0, whole=True), marks=marks)


def _described(values: Numbers) -> str:
    middle = spelt(float(np.median(values)))
    return f"Median {middle}, mean {spelt(values.mean())}, standard deviation {spelt(values.std())}."


def number_slice_section(slices: Sequence[NumberSlice]) -> Html:
    """How the model fares on parts of the rows, one table a column."""
    columns = list(dict.fromkeys(part.column for part in slices))
    tables = [_slice_table(column, [part for part in slices if part.column == column]) for column in columns]
    note = (
        "A slice marked worse is farther off on average than all rows by more than chance explains (95 % interval of "
        "its mean absolute error; 30 rows or more)."
    )
    return section("Slices", joined(tables), note=note) if tables else Html("")


def _slice_table(column: str, parts: Sequence[NumberSlice]) -> Html:
    flagged, most = any(part.worse for part in parts), max(part.mae for part in parts) or 1.0
    rows = (
        (
            quoted(part.value, 40),
            f"{part.rows:,}",
            meter(part.mae / most, spelt(part.mae)),
            spelt(part.rmse),
            spelt(part.mean_residual, sign=True),
            *([Html('<b class="worse">worse</b>' if part.worse else "")] if flagged else []),
        )
        for part in parts
    )
    head = (quoted(column, 40), "rows", "MAE", "RMSE", "mean residual")
    return table((*head, "") if flagged else head, rows, words={len(head)})


def _hardest(rows: Sequence[ShownRow]) -> Html:
    note = "The rows with the largest residuals. Look here for wrong numbers, and for what the texts do not tell."
    shown = row_list(rows, truth="true") if rows else ""
    return section("Hardest rows", shown, note=note)
