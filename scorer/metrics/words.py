"""How good predictions are, in a few lines for a person.

Owns the words. Pure; knows no rows, and does not know where the lines go.
"""

from __future__ import annotations

from collections.abc import Iterator

from scorer.metrics.classification import Metrics

_MOST_LABELS = 30


def describe(metrics: Metrics, raw: Metrics) -> Iterator[str]:
    """A line a label, the weakest first, then all rows, then how honest confidences are after (`metrics`) and before
    calibration (`raw`)."""
    met = [label for label in metrics.labels if label.occurs]
    for label in sorted(met, key=lambda label: label.f1)[:_MOST_LABELS]:
        yield (
            f"label {label.name}: precision {label.precision:.3f}, recall {label.recall:.3f}, F1 {label.f1:.3f}, "
            f"{label.support} rows"
        )
    if (hidden := len(met) - _MOST_LABELS) > 0:
        yield f"and {hidden} labels with a higher F1"
    if absent := len(metrics.labels) - len(met):
        yield f"and {absent} labels that no row has and the model never gives"
    more = "".join(f", {name.replace('_', ' ')} {value:.4f}" for name, value in metrics.more.items())
    accuracy = "exact match" if metrics.confusion is None else "accuracy"
    yield f"{accuracy} {metrics.accuracy:.4f}, macro F1 {metrics.macro_f1:.4f}{more} on {metrics.rows} rows"
    yield (
        f"calibration error {metrics.ece:.4f} (uncalibrated {raw.ece:.4f}), negative log-likelihood {metrics.nll:.4f} "
        f"({raw.nll:.4f})"
    )
