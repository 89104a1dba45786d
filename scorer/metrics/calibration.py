"""How honest confidences are: reliability bins, expected calibration error, Brier score.

Pure functions on arrays; knows no model, file or label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 15


@dataclass(frozen=True)
class Bin:
    """Answers whose confidence is in (low, high]: how many, their mean confidence, and the share that was right.

    Without answers, `confidence` and `accuracy` are 0.
    """

    low: float
    high: float
    rows: int
    confidence: float
    accuracy: float


def reliability(
    confidence: NDArray[np.floating[Any]], correct: NDArray[np.bool_], *, bins: int = BINS
) -> tuple[Bin, ...]:
    """The reliability diagram of answers with `confidence` (n,) of which `correct` (n,) were right, in `bins` equally
    wide bins (Guo et al. 2017, section 2)."""
    bin_of = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    rows = np.bincount(bin_of, minlength=bins)
    sums = [np.bincount(bin_of, weights=values, minlength=bins) for values in (confidence, correct.astype(np.float64))]
    mean_confidence, accuracy = (values / np.maximum(rows, 1) for values in sums)
    return tuple(
        Bin(i / bins, (i + 1) / bins, int(rows[i]), float(mean_confidence[i]), float(accuracy[i])) for i in range(bins)
    )


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """The mean distance of confidence and accuracy over the answers in `bins` (Guo et al. 2017, equation 3)."""
    rows = sum(bin_.rows for bin_ in bins)
    return sum(bin_.rows * abs(bin_.accuracy - bin_.confidence) for bin_ in bins) / rows


def brier_score(probabilities: NDArray[np.floating[Any]], outcomes: NDArray[np.floating[Any]]) -> float:
    """The mean over rows of the squared distance of `probabilities` (n, labels) from `outcomes` (n, labels) of 0 and 1
    (Brier 1950)."""
    return float(((probabilities - outcomes) ** 2).sum(axis=1).mean())
