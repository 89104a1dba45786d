"""Where to trust the answers: at which thresholds, and on which slices of the rows."""

from __future__ import annotations

from collections.abc import Sequence

from scorer.metrics.judged_rows import Slice
from scorer.metrics.reliability import LabelThreshold, Threshold
from scorer.reports.charts import Curve, Mark, line_chart
from scorer.reports.page import Html, beside, figure, joined, meter, more, percent, quoted, section, table
from scorer.reports.scale import Axis


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
