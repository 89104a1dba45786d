"""The drift of a job's rows, as a page shows it: each index with both histograms behind it, where they are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

from scorer.classifier.profile import Profile
from scorer.records.lineage import Drift
from scorer.records.part import DriftSums
from scorer.reports.outcome import DriftFigure
from scorer.reports.page import percent

_ORDER: Final = ("length", "truncated", "labels", "numbers", "confidence", "unknown")
Histograms = Mapping[str, Sequence[int]]


def drift_figures(
    drift: Drift | None,
    profile: Profile | None,
    *,
    sums: DriftSums | None,
    counted: Histograms,
    labels: Sequence[str],
    several: bool,
) -> list[DriftFigure]:
    """What `drift` says, with histograms: those of the receipts (`sums`), or where a run finds its output finished,
    what that tells itself (`counted`). None of a model that says nothing of its training data."""
    if drift is None or profile is None:
        return []
    ours = {**counted, **(_of_sums(sums, profile) if sums is not None else {})}
    theirs = _of_profile(profile)
    found = []
    # A record that was read again has them by their names.
    for name, psi in sorted(drift.psi.items(), key=lambda figure: _ORDER.index(figure[0])):
        both = (ours[name], theirs[name]) if name in ours and name in theirs else ((), ())
        edges, names = _bins(name, profile, labels)
        if names and name == "labels" and not several:
            both, names = (both[0][:-1], both[1][:-1]), names[:-1]
        found.append(
            DriftFigure(
                name=name, psi=psi, chance=drift.chance[name], ours=both[0], theirs=both[1], edges=edges, names=names
            )
        )
    return found


def _of_sums(sums: DriftSums, profile: Profile) -> dict[str, Sequence[int]]:
    answers = "numbers" if profile.of_numbers else "labels"
    return {
        "length": sums.lengths,
        "truncated": (sums.rows - sums.truncated, sums.truncated),
        answers: sums.labels,
        "confidence": sums.confidences,
        "unknown": sums.unknowns,
    }


def _of_profile(profile: Profile) -> dict[str, Sequence[int]]:
    cut = round(profile.truncated_share * profile.rows)
    answers = "numbers" if profile.of_numbers else "labels"
    return {
        "length": profile.lengths,
        "truncated": (profile.rows - cut, cut),
        answers: profile.predicted_labels,
        "confidence": profile.confidences,
        **({"unknown": profile.unknowns} if profile.unknowns is not None else {}),
    }


def _bins(name: str, profile: Profile, labels: Sequence[str]) -> tuple[Sequence[float], Sequence[str]]:
    """The edges of a figure's bins, or what its bins are called."""
    if name == "length":
        return (0, *profile.length_edges, profile.length_edges[-1] * 2), ()
    if name == "confidence":
        return (0.0, *profile.confidence_edges, 1.0), ()
    if name == "labels":
        return (), (*labels, "none")
    if name == "truncated":
        return (), ("read whole", "cut off")
    if name == "unknown":
        edges = profile.unknown_edges
        between = (f"up to {percent(high)}" for _, high in pairwise(edges))
        return (), ("none", *between, f"above {percent(edges[-1])}")
    return (), _ranges(profile.number_edges)


def _ranges(edges: Sequence[float]) -> list[str]:
    written = [f"{edge:.4g}" for edge in edges]
    between = (f"{low} to {high}" for low, high in pairwise(written))
    return [f"up to {written[0]}", *between, f"above {written[-1]}"]
