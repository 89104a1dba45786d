"""What a check says to a person: a few aligned lines, the most severe first.

Owns the wording. Does not know where the lines go.
"""

from __future__ import annotations

from collections.abc import Iterator

from scorer.checking.findings import Finding
from scorer.checking.job import CheckResult, FileCheck
from scorer.checking.tokens import Lengths, TokenCheck

_WIDTH = 11
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
    return f"{name:<{_WIDTH}}{content}"


def _labels(check: FileCheck) -> str:
    named = check.named_labels
    kind = ", several a row" if check.scan.labels.multi else ""
    if not named:
        return f"{check.scan.labels.distinct:,}{kind}"
    usable = max(check.scan.usable, 1)
    shown = [f"{_short(name)} {rows:,} ({100 * rows / usable:.1f} %)" for name, rows in named.items()]
    if len(shown) > _MOST_LABELS:
        half = _MOST_LABELS // 2
        shown = [*shown[:half], "...", *shown[-half:]]
    return f"{len(named):,}{kind}: {', '.join(shown)}"


def _short(name: str, most: int = 40) -> str:
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
