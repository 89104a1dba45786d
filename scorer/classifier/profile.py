"""The profile of a model's training data: what the rows looked like that it was fitted and validated on.

Histograms, their bin edges and how rows are counted into them. What a difference between two profiles means is for
`scorer.scoring.drift` to say.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Bin i holds what is above edge i - 1 and at most edge i; the last bin holds what is above all edges. Lengths are finer
# where short texts are, confidences and shares of unknown tokens where most rows are.
LENGTH_EDGES = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
CONFIDENCE_EDGES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
# The first bin is that of rows that are known whole.
UNKNOWN_EDGES = (0.0, 0.05, 0.1, 0.2, 0.5)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Counts of rows, which later rows are compared with.

    training_labels   all training rows by label, in class-index order, and last those without any (multi-label),
                      (labels + 1,)
    rows              training rows behind the next seven fields: all, or evenly spaced ones of a large file
    length_edges      tokens, ascending: the upper edges of the length bins but for the last, which has none
    lengths           rows by length in tokens as the model sees them, special tokens included, (edges + 1,)
    truncated_share   share of those rows that is longer than the model can see
    unknown_token     id of the token that stands for what the tokenizer does not know; None when it has none
    unknown_share     share of the rows' tokens that is that token
    unknown_edges     shares, ascending from 0: the upper edges of the bins of unknown tokens but for the last, which
                      has none
    unknowns          rows by the share of their own tokens that is that token, (edges + 1,); None when there is no such
                      token, and in profiles that an earlier version made
    validation_rows   validation rows behind the rest
    true_labels       those by label, counted in the same way
    predicted_labels  those by predicted label, after calibration and thresholds
    number_edges      where rows have numbers, ascending: the upper edges of the bins but for the last, which has none,
                      in which they are counted in place of labels, (edges + 1,); empty where rows have labels
    confidence_edges  ascending: the upper edges of the confidence bins but for the last, which has none
    confidences       rows by calibrated probability of their likeliest label, (edges + 1,); none where rows have
                      numbers
    """

    training_labels: tuple[int, ...]
    rows: int
    length_edges: tuple[int, ...] = LENGTH_EDGES
    lengths: tuple[int, ...]
    truncated_share: float
    unknown_token: int | None
    unknown_share: float
    unknown_edges: tuple[float, ...] = UNKNOWN_EDGES
    unknowns: tuple[int, ...] | None = None
    validation_rows: int
    true_labels: tuple[int, ...]
    predicted_labels: tuple[int, ...]
    number_edges: tuple[float, ...] = ()
    confidence_edges: tuple[float, ...] = CONFIDENCE_EDGES
    confidences: tuple[int, ...]

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Profile:
        """The profile in a `scorer.json`; lists have become tuples. TypeError for unknown or missing keys."""
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in document.items()
        }
        return cls(**fields)

    @property
    def of_numbers(self) -> bool:
        """Whether rows have numbers."""
        return bool(self.number_edges)

    def check(self, *, labels: int) -> None:
        """ValueError when this cannot be the profile of a model with `labels` labels."""
        self._check_bins()
        places = len(self.number_edges) if self.of_numbers else labels
        by_label = (self.training_labels, self.true_labels, self.predicted_labels)
        for counts in by_label:
            if len(counts) != places + 1:
                raise ValueError("profile: labels")
        for count in chain((self.rows,), self.lengths, self.unknowns or (), self.confidences, *by_label):
            if type(count) is not int or count < 0:
                raise ValueError("profile: counts")
        if self.unknown_token is not None and type(self.unknown_token) is not int:
            raise ValueError("profile: unknown_token")
        if self.unknown_token is None and self.unknowns is not None:
            raise ValueError("profile: unknowns")
        for share in (self.truncated_share, self.unknown_share):
            if not isinstance(share, int | float) or not 0 <= share <= 1:
                raise ValueError("profile: shares")

    def _check_bins(self) -> None:
        bins: tuple[tuple[Sequence[float], Sequence[int] | None], ...] = (
            ((0, *self.length_edges), self.lengths),
            ((-1, *self.unknown_edges), self.unknowns),
            ((0, *self.confidence_edges), self.confidences),
            ((-math.inf, *self.number_edges), None),
        )
        for limits, counts in bins:
            if counts is not None and len(counts) != len(limits):
                raise ValueError("profile: edges")
            if not all(low < high for low, high in pairwise(limits)):
                raise ValueError("profile: edges")


def histogram(values: NDArray[Any], edges: tuple[float, ...]) -> NDArray[np.int64]:
    """How many `values` (n,) are in each bin that `edges` (e,) make, (e + 1,) int64."""
    return np.bincount(np.searchsorted(np.array(edges), values, side="left"), minlength=len(edges) + 1)


def unknown_histogram(
    unknown: NDArray[np.integer[Any]], tokens: NDArray[np.integer[Any]], edges: tuple[float, ...]
) -> NDArray[np.int64]:
    """Rows by the share of their `tokens` (n,) that is `unknown` (n,), in the bins that `edges` (e,) make, (e + 1,)
    int64. A row is what is counted, for the tokens of one text are not independent of each other."""
    return histogram(unknown / np.maximum(tokens, 1), edges)


def label_counts(chosen: NDArray[Any]) -> NDArray[np.int64]:
    """Rows by label, of `chosen` (n, labels) of true and false or 0 and 1, and last those without any, (labels + 1,)
    int64."""
    has = chosen.astype(np.bool_)
    return np.append(has.sum(axis=0), (~has.any(axis=1)).sum()).astype(np.int64)
