"""An evaluation in a few lines for a person.

Owns the words. Tells no text of any row.
"""

from __future__ import annotations

from collections.abc import Iterator

from scorer.evaluation.findings import Findings
from scorer.metrics.classification import describe
from scorer.metrics.reliability import LEAST_ROWS, Threshold

_MOST_SLICES = 10
# Of ten data sets in wide use the worst has about 10 % (Northcutt et al. 2021, "Pervasive Label Errors in Test Sets").
_MOST_NOISE = 0.15


def narrate(findings: Findings, *, show: int) -> Iterator[str]:
    """The lines, most important first within each part; `show` bounds the lists of rows."""
    yield from describe(findings.metrics, findings.raw)
    if not findings.labels.multi:
        yield from (_reached(target, found) for target, found in findings.reaching.items())
    yield from _worse(findings)
    yield from _doubtful(findings, show)


def _reached(target: float, found: Threshold | None) -> str:
    if found is None:
        return f"accuracy {target:.2f} is reached from no confidence on that {LEAST_ROWS} rows have"
    return (
        f"accuracy {target:.2f} is reached from confidence {found.confidence:.4f} on, "
        f"which {found.coverage:.1%} of the rows have"
    )


def _worse(findings: Findings) -> Iterator[str]:
    worse = sorted((part for part in findings.slices if part.worse), key=lambda part: part.accuracy)
    for part in worse[:_MOST_SLICES]:
        yield (
            f"significantly worse: {part.column} {part.value}: accuracy {part.accuracy:.4f}, "
            f"mean confidence {part.confidence:.4f} on {part.rows} rows"
        )
    if len(worse) > _MOST_SLICES:
        yield f"and {len(worse) - _MOST_SLICES} more slices that are significantly worse"


def _doubtful(findings: Findings, show: int) -> Iterator[str]:
    errors = findings.errors
    ranking = errors.ranking()
    yield f"suspected label errors: {len(ranking)}; an estimated {errors.share:.1%} of all labels are wrong"
    if errors.share > _MOST_NOISE:
        yield "that is more than data usually has: believe the ranking rather than the number, or fit a better model"
    if show and len(ranking):
        yield "look first at rows " + ", ".join(str(number) for number in findings.numbers[ranking[:show]])
