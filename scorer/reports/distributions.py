"""What the data looks like: how often each label occurs, how long the texts are.

Owns the sections. Does not know who counted.
"""

from __future__ import annotations

from collections.abc import Sequence

from scorer.reports.charts import Mark, bars, histogram
from scorer.reports.page import Html, figure, joined, more, percent, section
from scorer.reports.scale import Axis

_MOST_LABELS = 40


def frequency_section(
    labels: Sequence[str], train: Sequence[int], valid: Sequence[int], *, ordered: bool = False
) -> Html:
    """How many training and validation rows have each of `labels`; most frequent first unless `ordered`."""
    listed = list(zip(labels, zip(train, valid, strict=True), strict=True))
    if not ordered:
        listed.sort(key=lambda row: -row[1][0])
    first, rest = listed[:_MOST_LABELS], listed[_MOST_LABELS:]
    largest = tuple(max(counts) for counts in zip(*(counts for _, counts in listed), strict=True))
    drawn = [bars(first, series=("training rows", "validation rows"), longest=largest)]
    if rest:
        drawn.append(more(f"{len(rest)} more labels", bars(rest, longest=largest)))
    return section(
        "Label frequencies",
        joined(drawn),
        note="Training and validation bars of a label are equally long where both sides have the same mix.",
    )


def length_section(
    edges: Sequence[int], counts: Sequence[int], *, max_length: int, truncated_share: float, unit: str = "tokens"
) -> Html:
    """How long the texts are as the model sees them.

    counts[i] (edges + 1,) texts are at most edges[i] long and longer than the edge before; the last are the rest.
    """
    used = max((place for place, count in enumerate(counts) if count), default=0) + 1
    steps = (0, *edges, edges[-1] * 2)[: used + 1]
    drawing = histogram(
        steps,
        counts[:used],
        x=Axis(f"{unit} a text, special tokens included", steps=tuple(map(float, steps))),
        y=Axis("texts", low=0.0, whole=True),
        marks=[Mark(max_length, f"max length {max_length}")] if max_length <= steps[-1] else [],
    )
    return section(
        "Text lengths",
        figure(drawing, title="Training texts by length", caption="Bins are wider the longer their texts are."),
        note=f"{percent(truncated_share)} of the texts are longer than the max length of {max_length} {unit}.",
    )
