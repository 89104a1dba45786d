"""Drift: how far the rows of a run are from those that its model was fitted on.

The rows are compared with the model's profile: the population stability index (PSI), what chance alone makes of it, and
the shares beside it.

    PSI = sum over bins of (p - q) ln(p / q)

where p and q are the shares of a bin among the rows of the run and of the profile: the symmetrised divergence of
Kullback and Leibler 1951, as scorecards use it (Siddiqi 2006, "Credit Risk Scorecards"). The usual reading: below 0.1
nothing happened, above 0.25 the population is another one. Without any drift, n rows of a run and m of the profile in B
bins give a PSI of about (1/n + 1/m) times a chi-squared variable with B - 1 degrees of freedom (Yurdakul and Naranjo
2020, "Statistical properties of the population stability index"): small files drift by chance. What is counted is
always rows. Lengths are those that the model sees, so texts just beyond its limit and far beyond it have the same: that
more rows are cut off is an index of its own. Unknown tokens are told by each row's share of them, since the tokens of
one text are not independent of each other. Exits give other confidences than the whole model does, so those of rows
that may leave the model early are not compared.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scorer.classifier.decision import Decision
from scorer.classifier.directory import ModelDirectory
from scorer.classifier.forward.resilient import Outcome
from scorer.classifier.profile import Profile, histogram, label_counts, unknown_histogram
from scorer.classifier.sequences import EncodedInputs
from scorer.config import ScoreConfig
from scorer.errors import ModelError
from scorer.records.lineage import Drift
from scorer.records.part import DriftSums

MUCH = 0.25

# A bin that is empty on one side would make the sum infinite: every bin that is not empty on both counts half a row
# more (Krichevsky and Trofimov 1981).
_HALF_A_ROW = 0.5
# Chance alone exceeds `chance` once in a thousand runs: that quantile of the standard normal distribution.
_QUANTILE = 3.0902
_DIGITS = 6


class Observer:
    """Counts scored rows into the bins of `profile`; `decision` makes labels of probabilities."""

    def __init__(self, profile: Profile, decision: Decision) -> None:
        self.profile = profile
        self._decision = decision

    def unknown(self, inputs: EncodedInputs) -> NDArray[np.int64]:
        """How many tokens of each of the `inputs` (n,) the tokenizer does not know, (n,) int64."""
        token = self.profile.unknown_token
        return inputs.count(token) if token is not None else np.zeros(len(inputs), np.int64)

    def __call__(
        self, scores: NDArray[np.void], probability: NDArray[np.float32], *, left_early: bool = False
    ) -> DriftSums:
        """Count rows with `scores` (s,) and `probability` (s, labels), one a row that has a text; without their
        confidences where some may have `left_early`."""
        has_score = scores["outcome"] == Outcome.SCORED
        scored, probability = scores[has_score], probability[has_score]
        return DriftSums(
            rows=len(scored),
            lengths=_counts(histogram(scored["tokens"], self.profile.length_edges)),
            **self._answers(scored, probability, left_early=left_early),
            unknowns=_counts(unknown_histogram(scored["unknown"], scored["tokens"], self.profile.unknown_edges)),
            truncated=int(scored["truncated"].sum()),
            tokens=int(scored["tokens"].sum()),
            unknown_tokens=int(scored["unknown"].sum()),
        )

    def _answers(
        self, scored: NDArray[np.void], probability: NDArray[np.float32], *, left_early: bool
    ) -> dict[str, tuple[int, ...]]:
        """The rows by their labels and confidences, or by their numbers."""
        confidence_edges = self.profile.confidence_edges
        none = (0,) * (len(confidence_edges) + 1)
        if self._decision.activation is not None:
            numbers = self._decision.numbers(scored["logits"])
            return {"labels": _counts(histogram(numbers, self.profile.number_edges)), "confidences": none}
        return {
            "labels": _counts(label_counts(self._decision.chosen(probability))),
            "confidences": none if left_early else _counts(histogram(probability.max(axis=1), confidence_edges)),
        }


def compare(profile: Profile | None, stats: DriftSums | None) -> Drift | None:
    """How far rows that look like `stats` are from `profile`; None when there are no rows, or either is not known."""
    if profile is None or stats is None or not stats.rows:
        return None
    pairs: dict[str, tuple[ArrayLike, ArrayLike]] = {
        "length": (stats.lengths, profile.lengths),
        "truncated": (
            _divided(stats.rows, stats.truncated),
            _divided(profile.rows, round(profile.truncated_share * profile.rows)),
        ),
    }
    if profile.of_numbers:
        pairs["numbers"] = (stats.labels, profile.predicted_labels)
    else:
        pairs["labels"] = (stats.labels, profile.predicted_labels)
        # Of a part of the rows they would say something of that part alone.
        if sum(stats.confidences) == stats.rows:
            pairs["confidence"] = (stats.confidences, profile.confidences)
    if profile.unknowns is not None:
        pairs["unknown"] = (stats.unknowns, profile.unknowns)
    counts = {name: (np.array(ours), np.array(theirs)) for name, (ours, theirs) in pairs.items()}
    truncated = stats.truncated / stats.rows
    unknown = stats.unknown_tokens / max(stats.tokens, 1) if profile.unknown_token is not None else None
    return Drift(
        rows=stats.rows,
        psi={name: round(stability_index(ours, theirs), _DIGITS) for name, (ours, theirs) in counts.items()},
        chance={name: round(chance_index(ours, theirs), _DIGITS) for name, (ours, theirs) in counts.items()},
        truncated_share=round(truncated, _DIGITS),
        truncated_share_change=round(truncated - profile.truncated_share, _DIGITS),
        unknown_share=None if unknown is None else round(unknown, _DIGITS),
        unknown_share_change=None if unknown is None else round(unknown - profile.unknown_share, _DIGITS),
    )


def stability_index(ours: NDArray[np.int64], theirs: NDArray[np.int64]) -> float:
    """The PSI of two histograms (bins,) of rows; 0 when one of them is empty."""
    if not ours.sum() or not theirs.sum():
        return 0.0
    p, q = (_shares(counts[(ours + theirs) > 0]) for counts in (ours, theirs))
    return float(((p - q) * np.log(p / q)).sum())


def chance_index(ours: NDArray[np.int64], theirs: NDArray[np.int64]) -> float:
    """The PSI that two histograms (bins,) of as many rows exceed once in a thousand times without any drift.

    The quantile of the chi-squared distribution is that of Wilson and Hilferty 1931.
    """
    freedom = int(np.count_nonzero(ours + theirs)) - 1
    if freedom < 1 or not ours.sum() or not theirs.sum():
        return 0.0
    spread = 2.0 / (9.0 * freedom)
    quantile = freedom * (1.0 - spread + _QUANTILE * math.sqrt(spread)) ** 3
    return float(quantile * (1.0 / ours.sum() + 1.0 / theirs.sum()))


def require_profile(directory: ModelDirectory, config: ScoreConfig) -> None:
    """ModelError when `config` limits the drift of a model that has nothing to compare with."""
    if config.fail_on_drift is not None and directory.profile is None:
        raise ModelError(
            f"{directory.name}: has no profile of its training data, so --fail-on-drift has nothing to compare with; "
            "fit the model again, or leave the option out"
        )


def _counts(histogram: NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(map(int, histogram.tolist()))


def _divided(rows: int, some: int) -> tuple[int, int]:
    """The histogram of `rows` rows of which `some` are so."""
    return rows - some, some


def _shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    smoothed = counts + _HALF_A_ROW
    return np.asarray(smoothed / smoothed.sum())
