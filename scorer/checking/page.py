"""`check.html`: what is wrong with a training file, as a page to look at and to pass on.

Owns which sections the page has. Does not know how anything was found or is drawn. It holds
no text of the file but its labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from scorer.checking.findings import Finding
from scorer.checking.job import CheckResult, FileCheck
from scorer.checking.tokens import Lengths
from scorer.reports.charts import Mark, histogram
from scorer.reports.distributions import label_bars
from scorer.reports.page import Html, beside, figure, page, paragraph, section, tiles
from scorer.reports.scale import Axis
from scorer.reports.sections import Remark, remark_list


def check_page(result: CheckResult) -> Html:
    """The page, a complete HTML document."""
    data = result.data.scan
    lead = f"{data.file}: {' and '.join(data.columns.texts)} → {data.columns.label}"
    parts = [_headline(result), _findings(result)]
    for check, name in ((result.data, ""), (result.valid, "validation ")):
        if check is not None:
            parts += [_labels(check, name), _lengths(check, name)]
    return page(f"Check of {Path(data.file).name}", parts, lead=lead)


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
    where = f"{Path(finding.file).name}: " if several else ""
    return f"{where}{finding.what}{finding.numbered}"


def _labels(check: FileCheck, name: str) -> Html:
    named = check.named_labels
    if not named:
        return Html("")
    listed = [(label, (rows,)) for label, rows in named.items()]
    drawn = label_bars(listed, longest=(max(named.values()),))
    several = " A row may have several." if check.scan.labels.multi else ""
    return section(f"{name}labels".capitalize(), drawn, note=f"Rows of each label.{several}")


def _lengths(check: FileCheck, name: str) -> Html:
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
