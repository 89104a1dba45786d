"""What a check says to people: a few aligned lines, the most severe finding first, and a page.

Of a file's texts neither shows any, for both are passed on; of its labels they show the names.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from scorer.checking.check_job import CheckResult, FileCheck
from scorer.checking.findings import Finding
from scorer.checking.label_counter import NumberCounter
from scorer.checking.tokens import Lengths, TokenCheck
from scorer.metrics.regression import spelt
from scorer.reports.axes import Axis
from scorer.reports.breakdowns import label_bars
from scorer.reports.charts import Mark, histogram
from scorer.reports.number_page import number_histogram
from scorer.reports.page import Html, beside, figure, page, paragraph, section, tiles
from scorer.reports.sections import Remark, remark_list
from scorer.stores.location import name_of

_NAME_WIDTH = 11
_MOST_LABELS = 8


def summary_lines(result: CheckResult) -> Iterator[str]:
    """The summary of `result`, line by line."""
    yield from _file_lines(result.data)
    if result.valid is not None:
        yield from _file_lines(result.valid)
    several = result.valid is not None
    for finding in result.findings:
        yield from _finding_lines(finding, several=several)
    if not result.findings:
        yield "nothing found"


def _file_lines(check: FileCheck) -> Iterator[str]:
    scan = check.scan
    columns = f"{' and '.join(scan.columns.texts)} -> {scan.columns.label}"
    yield f"{scan.file}: {scan.rows:,} rows, {scan.usable:,} usable, {columns}"
    yield _line("labels", _labels(check))
    if check.characters is not None:
        yield _line("characters", _lengths(check.characters))
    if check.tokens is not None:
        yield _line("tokens", _tokens(check.tokens))


def _line(name: str, content: str) -> str:
    return f"{name:<{_NAME_WIDTH}}{content}"


def _labels(check: FileCheck) -> str:
    named, spread = check.named_labels, check.scan.labels.spread
    if spread is not None:
        low, middle, high = map(spelt, spread.quartiles)
        return (
            f"{spread.distinct:,} numbers: {spelt(spread.least)} to {spelt(spread.greatest)}, half of them {low} to "
            f"{high}, median {middle}, mean {spelt(spread.mean)}, standard deviation {spelt(spread.deviation)}"
        )
    kind = ", several a row" if check.scan.labels.multi else ""
    if not named:
        return f"{check.scan.labels.distinct:,}{kind}"
    usable = max(check.scan.usable, 1)
    shown = [f"{_one_line(name)} {rows:,} ({100 * rows / usable:.1f} %)" for name, rows in named.items()]
    if len(shown) > _MOST_LABELS:
        half = _MOST_LABELS // 2
        shown = [*shown[:half], "...", *shown[-half:]]
    return f"{len(named):,}{kind}: {', '.join(shown)}"


def _one_line(name: str, most: int = 40) -> str:
    """On one line, whatever a label is called."""
    line = " ".join(name.split())
    return line if line.isprintable() and len(line) <= most else repr(line[:most])


def _lengths(lengths: Lengths) -> str:
    at = lengths.percentiles
    return f"median {at[50]:,}, 95 % up to {at[95]:,}, 99 % up to {at[99]:,}, longest {lengths.longest:,}"


def _tokens(tokens: TokenCheck) -> str:
    lengths = Lengths.of(tokens.lengths)
    assert lengths is not None, "there is a check of tokens only where there are rows"
    sampled = f" (a sample of {tokens.rows:,} rows)" if tokens.rows < tokens.of_rows else ""
    return (
        f"{_lengths(lengths)}; {100 * tokens.truncated:.1f} % over --max-length {tokens.max_length}, "
        f"suggested {tokens.suggested}; {100 * tokens.unknown:.1f} % unknown{sampled}"
    )


def _finding_lines(finding: Finding, *, several: bool) -> Iterator[str]:
    where = f"{finding.file}: " if several else ""
    yield _line(finding.severity, f"{where}{finding.what}{finding.numbered}")
    yield _line("", finding.advice)


def check_page(result: CheckResult) -> Html:
    """The page, a complete HTML document."""
    data = result.data.scan
    lead = f"{data.file}: {' and '.join(data.columns.texts)} → {data.columns.label}"
    parts = [_headline(result), _findings(result)]
    for check, name in ((result.data, ""), (result.valid, "validation ")):
        if check is not None:
            parts += [_label_section(check, name), _length_section(check, name)]
    return page(f"Check of {name_of(data.file)}", parts, lead=lead)


def _headline(result: CheckResult) -> Html:
    data, tokens = result.data, result.data.tokens
    figures = [("rows", f"{data.scan.rows:,}"), ("usable rows", f"{data.scan.usable:,}")]
    figures.append(("labels", f"{data.scan.labels.distinct:,}"))
    if result.valid is not None:
        figures.append(("validation rows", f"{result.valid.scan.rows:,}"))
    if tokens is not None:
        figures.append((f"cut off at {tokens.max_length} tokens", f"{100 * tokens.truncated:.1f} %"))
        figures.append(("suggested --max-length", f"{tokens.suggested}"))
    return tiles(figures)


def _findings(result: CheckResult) -> Html:
    found = result.findings
    if not found:
        return section("Findings", paragraph("Nothing was found."))
    several = result.valid is not None
    note = "Errors: scorer fit refuses the file. Warnings cost quality. Rows count from 1, without the header."
    remarks = [Remark(finding.severity, _described(finding, several=several), finding.advice) for finding in found]
    return section("Findings", remark_list(remarks), note=note)


def _described(finding: Finding, *, several: bool) -> str:
    where = f"{name_of(finding.file)}: " if several else ""
    return f"{where}{finding.what}{finding.numbered}"


def _label_section(check: FileCheck, name: str) -> Html:
    named, numbers = check.named_labels, check.scan.labels
    if isinstance(numbers, NumberCounter) and numbers.distinct:
        values = numbers.values[np.isfinite(numbers.values)]
        drawn = figure(number_histogram(values, x="number"), title="Rows by their number", caption=_labels(check))
        return section(f"{name}numbers".capitalize(), drawn)
    if not named:
        return Html("")
    listed = [(label, (rows,)) for label, rows in named.items()]
    drawn = label_bars(listed, longest=(max(named.values()),))
    several = " A row may have several." if check.scan.labels.multi else ""
    return section(f"{name}labels".capitalize(), drawn, note=f"Rows of each label.{several}")


def _length_section(check: FileCheck, name: str) -> Html:
    return section(f"{name}text lengths".capitalize(), beside(*_drawn_lengths(check)))


def _drawn_lengths(check: FileCheck) -> Iterator[Html]:
    if check.tokens is not None and (tokens := Lengths.of(check.tokens.lengths)) is not None:
        marks = [Mark(check.tokens.max_length, f"max length {check.tokens.max_length}")]
        sampled = f" A sample of {check.tokens.rows:,} rows." if check.tokens.rows < check.tokens.of_rows else ""
        yield _drawn(tokens, "tokens", f"With special tokens, as {check.tokens.base_model} counts.{sampled}", marks)
    if check.characters is not None:
        yield _drawn(check.characters, "characters", "Of all texts of a row together.", [])


def _drawn(lengths: Lengths, unit: str, caption: str, marks: list[Mark]) -> Html:
    # A mark far beyond the longest text would press all bars together.
    near = [mark for mark in marks if mark.x <= 2 * lengths.edges[-1]]
    drawing = histogram(
        lengths.edges,
        lengths.histogram,
        x=Axis(f"{unit} a row", low=0.0, whole=True),
        y=Axis("rows", low=0.0, whole=True),
        marks=near,
    )
    longest = f" The last bar holds all that is longer, up to {lengths.longest:,}."
    beyond = longest if lengths.longest >= lengths.edges[-1] else ""
    at = f"Median {lengths.percentiles[50]:,}, 95 % up to {lengths.percentiles[95]:,}."
    return figure(drawing, title=f"Length in {unit}", caption=f"{at} {caption}{beyond}")
