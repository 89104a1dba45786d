"""The section about calibration: how honest confidences are, before and after, and label by label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scorer.classifier.decision import Decision
from scorer.metrics.classification import Metrics
from scorer.metrics.reliability import Bin, expected_calibration_error
from scorer.reports.charts import reliability_diagram
from scorer.reports.multiples import MANY, Panel, multiples, small_reliability
from scorer.reports.page import Html, beside, figure, joined, more, section, table
from scorer.reports.sections import headline_name


def calibration_section(metrics: Metrics, raw: Metrics, *, note: str, tried: Mapping[str, float] | None = None) -> Html:
    """How honest confidences are, before (`raw`) and after calibration, of which `note` says what it was; and how good
    the answers where a row may have several labels, which thresholds decide. `tried` are the ways among which it was
    chosen, with the NLL of each."""
    before, after, several = raw.headline(), metrics.headline(), metrics.confusion is None
    names = list(after) if several else ["ece", "nll", "brier"]
    rows = ((headline_name(name, metrics), f"{before[name]:.4f}", f"{after[name]:.4f}") for name in names)
    # Of several labels a row, each is right or wrong on its own.
    axes = {"x": "probability", "y": "share with the label"} if several else {}
    what = "the share of its rows with the label" if axes else "its rows are accurate"
    caption = f"A bar is as high as {what}; it ends on the dashed line where the model is honest."
    return section(
        "Calibration",
        beside(
            figure(reliability_diagram(raw.reliability, **axes), title="Before calibration", caption=caption),
            figure(
                reliability_diagram(metrics.reliability, **axes),
                title="After calibration",
                caption="The paler a bin, the fewer rows it has.",
            ),
        ),
        _by_label(metrics),
        table(("", "before", "after"), rows),
        more("Ways to calibrate", _ways(tried)) if tried else Html(""),
        note=note + (" Before, a label is given from a probability of 0.5 on." if several else ""),
    )


def _ways(tried: Mapping[str, float]) -> Html:
    return table(("calibration", "NLL out of fold"), ((name, f"{loss:.4f}") for name, loss in tried.items()))


def _by_label(metrics: Metrics) -> Html:
    """How honest the confidences of each label are, after calibration, where there are so many that one drawing of all
    hides it; the most frequent first."""
    listed = [(label, bins) for label, bins in zip(metrics.labels, metrics.by_label, strict=True) if _rows(bins)]
    if len(listed) <= MANY:
        return Html("")
    listed.sort(key=lambda row: -row[0].support)
    panels = [
        Panel(
            label.name,
            small_reliability(bins),
            f"{label.predicted:,} predicted, error {expected_calibration_error(bins):.3f}",
        )
        for label, bins in listed
    ]
    return joined([Html("<h3>Label by label, after calibration</h3>"), multiples(panels)])


def _rows(bins: Sequence[Bin]) -> int:
    return sum(bin_.rows for bin_ in bins)


def calibration_note(decision: Decision) -> str:
    """What a fit did to the logits so that its confidences would be honest."""
    temperatures = decision.temperature
    unscaled = decision.exponent == 1.0 and all(temperature == 1.0 for temperature in temperatures)
    if unscaled and not decision.odds_map:
        return "No temperature made the confidences more honest, so the logits stay as they are."
    if len(temperatures) == 1:
        raised = f"raised to the power {decision.exponent:.2f} and " if decision.exponent != 1.0 else ""
        divided = f"Logits are {raised}divided by a temperature of {temperatures[0]:.4f}"
    else:
        ends = f"{min(temperatures):.2f} to {max(temperatures):.2f}"
        divided = f"Each label's logits are divided by its own temperature, {ends}"
    if decision.odds_map:
        divided += f", and the log-odds of the confidence bent by a map of {len(decision.odds_map)} points"
    return (
        f"{divided}. The confidences shown are out of fold: each is by a calibration that was fitted without its row."
    )
