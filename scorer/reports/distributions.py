"""What the data looks like: how often each label occurs, how long the texts are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scorer.classifier.long_text import LongText
from scorer.reports.charts import Mark, bars, histogram
from scorer.reports.page import Html, figure, joined, more, percent, section
from scorer.reports.scale import Axis

_MOST_LABELS = 40


@dataclass(frozen=True, kw_only=True)
class TextLengths:
    """How many tokens of each text the model sees, special tokens included.

    edges, counts    counts[i] (edges + 1,) texts have at most edges[i] tokens and more than the edge before; the last
                     are the rest
    truncated_share  share of the texts that the model does not see whole
    max_length       tokens that it sees at once
    long_text        how it reads texts that have more
    """

    edges: Sequence[int]
    counts: Sequence[int]
    truncated_share: float
    max_length: int
    long_text: LongText


def frequency_section(
    labels: Sequence[str], train: Sequence[int], valid: Sequence[int], *, ordered: bool = False
) -> Html:
    """How many training and validation rows have each of `labels`; most frequent first unless `ordered`."""
    return _frequencies(
        labels,
        {"training rows": train, "validation rows": valid},
        longest=(max(train, default=0), max(valid, default=0)),
        ordered=ordered,
        note="Training and validation bars of a label are equally long where both sides have the same mix.",
    )


def prediction_section(
    labels: Sequence[str], true: Sequence[int], predicted: Sequence[int], *, ordered: bool = False
) -> Html:
    """How many rows have each of `labels`, and how many are predicted to; most frequent first unless `ordered`."""
    most = max((*true, *predicted), default=0)
    return _frequencies(
        labels,
        {"rows with the label": true, "rows predicted to have it": predicted},
        longest=(most, most),
        ordered=ordered,
        note="The bars of a label are equally long where it is predicted as often as it is true, of whichever rows.",
    )


def length_section(lengths: TextLengths, *, of: str) -> Html:
    """How many tokens the model sees of each text; `of` says which texts they are, such as `training text`."""
    edges, counts, max_length = lengths.edges, lengths.counts, lengths.max_length
    used = max((place for place, count in enumerate(counts) if count), default=0) + 1
    steps = (0, *edges, edges[-1] * 2)[: used + 1]
    drawing = histogram(
        steps,
        counts[:used],
        x=Axis("tokens a text, special tokens included", steps=tuple(map(float, steps))),
        y=Axis("texts", low=0.0, whole=True),
        marks=[Mark(max_length, f"max length {max_length}")] if max_length <= steps[-1] else [],
    )
    return section(
        "Text lengths",
        figure(drawing, title=f"Tokens that the model sees of each {of}", caption=_how_counted(lengths)),
        note=_how_read(lengths),
    )


def _frequencies(
    labels: Sequence[str],
    series: Mapping[str, Sequence[int]],
    *,
    longest: tuple[int, int],
    ordered: bool,
    note: str,
) -> Html:
    listed = list(zip(labels, zip(*series.values(), strict=True), strict=True))
    if not ordered:
        listed.sort(key=lambda row: -row[1][0])
    return section("Label frequencies", label_bars(listed, series=tuple(series), longest=longest), note=note)


def label_bars(
    listed: Sequence[tuple[str, Sequence[int]]], *, series: Sequence[str] = (), longest: Sequence[int]
) -> Html:
    """Bars of the labels `listed` with their rows, those beyond the first 40 folded away. `series` names what each
    label has a bar of, `longest` is the rows of a bar of full length."""
    drawn = [bars(listed[:_MOST_LABELS], series=series, longest=longest)]
    if rest := listed[_MOST_LABELS:]:
        drawn.append(more(f"{len(rest)} more labels", bars(rest, longest=longest)))
    return joined(drawn)


def _how_read(lengths: TextLengths) -> str:
    """What becomes of long texts, and how many there are."""
    share, max_length = percent(lengths.truncated_share), lengths.max_length
    if lengths.long_text.strategy == "window":
        cut = f" {share} of them are too long even for that: their end is left out." if lengths.truncated_share else ""
        return f"Texts are read whole, the longer ones in windows of at most {max_length} tokens.{cut}"
    lost = "end is cut off" if lengths.long_text.strategy == "truncate" else "middle is left out"
    return f"{share} of the texts are longer than the max length of {max_length} tokens: their {lost}."


def _how_counted(lengths: TextLengths) -> str:
    """What the bar of a long text means."""
    if lengths.long_text.strategy == "window":
        long = (
            "A text of several windows counts with all their tokens: special ones stand in each, and neighbouring "
            f"windows share {lengths.long_text.stride}."
        )
    else:
        long = f"A text that is longer than {lengths.max_length} tokens counts with those that are left of it."
    beyond = f" The last bar holds all beyond {lengths.edges[-1]:,}." if lengths.counts[-1] else ""
    return f"{long} Bins are wider the longer their texts are.{beyond}"
