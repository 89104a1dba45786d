"""Sections that break rows down: by label, by length of text, by threshold, by slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scorer.classifier.long_text import LongText
from scorer.metrics.judged_rows import Slice
from scorer.metrics.reliability import LabelThreshold, Threshold
from scorer.reports.axes import Axis
from scorer.reports.charts import Curve, Mark, bars, histogram, line_chart
from scorer.reports.page import Html, beside, figure, joined, meter, more, percent, quoted, section, table

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


def threshold_section(
    thresholds: Sequence[Threshold] | Sequence[LabelThreshold], *, abstain_below: float | None = None
) -> Html:
    """What is left, and how good it is, where only answers above a threshold count."""
    single = [threshold for threshold in thresholds if isinstance(threshold, Threshold)]
    several = [threshold for threshold in thresholds if isinstance(threshold, LabelThreshold)]
    if several:
        return _label_thresholds(several)
    return _coverage(single, abstain_below) if single else Html("")


def slice_section(slices: Sequence[Slice], *, several: bool = False) -> Html:
    """How the model fares on parts of the rows, one table a column; with `several` labels a row all must be right."""
    columns = list(dict.fromkeys(part.column for part in slices))
    right = "exact match" if several else "accuracy"
    tables = [_slice_table(column, [part for part in slices if part.column == column], right) for column in columns]
    note = "A slice marked worse is less accurate than all rows by more than chance explains (95 % Wilson interval)."
    return section("Slices", joined(tables), note=note) if tables else Html("")


def _coverage(thresholds: Sequence[Threshold], abstain_below: float | None) -> Html:
    kept = [threshold for threshold in thresholds if threshold.rows]
    never = abstain_below is not None and abstain_below > 1
    marks = [] if abstain_below is None or never else [Mark(abstain_below, f"abstains below {abstain_below:.3f}")]
    by_confidence = line_chart(
        [
            Curve("accuracy of the kept rows", [(threshold.confidence, threshold.accuracy) for threshold in kept]),
            Curve("share of rows kept", [(threshold.confidence, threshold.coverage) for threshold in thresholds]),
        ],
        x=Axis("least confidence", low=0.0, high=1.0),
        y=Axis("share", low=0.0, high=1.0, percent=True),
        marks=marks,
    )
    best = max(threshold.accuracy for threshold in kept)
    by_coverage = line_chart(
        [Curve("accuracy", [(threshold.coverage, threshold.accuracy) for threshold in kept])],
        x=Axis("share of rows kept", low=0.0, high=1.0, percent=True),
        # A round tick above 100 % would be nonsense.
        y=Axis("accuracy of the kept rows", high=1.0 if best > 0.8 else None, percent=True),
    )
    return section(
        "Thresholds",
        beside(
            figure(by_confidence, title="By the least confidence", caption=_CONFIDENCE_CAPTION),
            figure(by_coverage, title="Accuracy against coverage", caption=_COVERAGE_CAPTION),
        ),
        more("The figures", _coverage_table(thresholds)),
        note="What becomes of accuracy when unsure rows are left to somebody else."
        + (" No confidence is enough for this model's precision: it abstains from every row." if never else ""),
    )


_CONFIDENCE_CAPTION = (
    "Read upwards from a confidence: the share of rows that reach it, and the share of those that is right."
)
_COVERAGE_CAPTION = "From right to left fewer rows are answered; where the line rises steeply, doubt is well placed."


def _coverage_table(thresholds: Sequence[Threshold]) -> Html:
    rows = (
        (
            f"{threshold.confidence:.2f}",
            f"{threshold.rows:,}",
            meter(threshold.coverage, percent(threshold.coverage)),
            meter(threshold.accuracy, percent(threshold.accuracy)) if threshold.rows else "",
        )
        for threshold in thresholds
    )
    return table(("least confidence", "rows", "kept", "accuracy"), rows)


def _label_thresholds(thresholds: Sequence[LabelThreshold]) -> Html:
    drawing = line_chart(
        [
            # Where no label is given any more, there is no precision.
            Curve(
                "precision",
                [(threshold.threshold, threshold.precision if threshold.f1 else None) for threshold in thresholds],
            ),
            Curve("recall", [(threshold.threshold, threshold.recall) for threshold in thresholds]),
            Curve("F1", [(threshold.threshold, threshold.f1) for threshold in thresholds]),
        ],
        x=Axis("threshold", low=0.0, high=1.0),
        y=Axis("share", low=0.0, high=1.0, percent=True),
    )
    rows = (
        (
            f"{threshold.threshold:.2f}",
            *(meter(value, f"{value:.3f}") for value in (threshold.precision, threshold.recall, threshold.f1)),
        )
        for threshold in thresholds
    )
    caption = "Over all rows and labels together, if every label had the same threshold; each has its own above."
    return section(
        "Thresholds",
        figure(drawing, title="Precision, recall and F1 by threshold", caption=caption),
        more("The figures", table(("threshold", "precision", "recall", "F1"), rows)),
        note="A label is given when its probability reaches its threshold.",
    )


def _slice_table(column: str, parts: Sequence[Slice], right: str) -> Html:
    flagged = any(part.worse for part in parts)
    rows = (
        (
            quoted(part.value, 40),
            f"{part.rows:,}",
            meter(part.accuracy, f"{part.accuracy:.3f}"),
            f"{part.macro_f1:.3f}",
            f"{part.confidence:.3f}",
            f"{part.ece:.3f}",
            *([_verdict(part)] if flagged else []),
        )
        for part in parts
    )
    head = (quoted(column, 40), "rows", right, "macro F1", "confidence", "calibration error")
    return table((*head, "") if flagged else head, rows, words={len(head)})


def _verdict(part: Slice) -> Html:
    return Html('<b class="worse">worse</b>' if part.worse else "")
