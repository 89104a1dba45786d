"""Which labels are taken for which: a matrix, or the most confused pairs where a matrix would be too large.

Owns the section. Does not know how the counts were made.
"""

from __future__ import annotations

from collections.abc import Sequence

from scorer.metrics.classification import Metrics
from scorer.reports.page import Html, percent, quoted, section, table

# Beyond the first a matrix is scrolled rather than read; beyond the second its names stand upright and its pairs are
# listed besides.
MOST_LABELS, MOST_FLAT = 40, 8
_PAIRS, _FEW_PAIRS = 25, 10
_NAME = 24


def confusion_section(metrics: Metrics) -> Html:
    """The matrix, in counts and in shares of the true label's rows; nothing where a row may have several labels:
    then the table of labels counts true and false positives and false negatives."""
    if metrics.confusion is None:
        return Html("")
    names = [label.name for label in metrics.labels]
    pairs = _pairs(names, metrics.confusion, most=_PAIRS if len(names) > MOST_LABELS else _FEW_PAIRS)
    if len(names) > MOST_LABELS:
        note = f"The pairs of {len(names)} labels that are confused most often. The JSON of the metrics has all counts."
        return section("Confusion", pairs or Html("<p>No label is taken for another.</p>"), note=note)
    note = "Each row is a true label, each column a predicted one; what lies off the diagonal is wrong."
    listed = [Html("<h3>Most frequent confusions</h3>"), pairs] if pairs and len(names) > MOST_FLAT else []
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
    upright = len(names) > MOST_FLAT or any(len(name) > 12 for name in names)
    head = "".join(f'<th scope="col"><span>{quoted(name, _NAME)}</span></th>' for name in names)
    body = "".join(
        f'<tr><th scope="row">{quoted(name, _NAME)}</th>{_cells(counts, diagonal)}</tr>\n'
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
