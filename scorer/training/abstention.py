"""The confidence below which a row is better left to a person.

Owns the choice by held-out rows. Does not know logits: confidences and which answers were right come in.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

KEEPS_NONE = 2.0
"""A threshold above every confidence: no row is kept."""

# The normal quantile of 0.7. Of all thresholds the most generous is taken, which is the one that luck favoured most: on
# 872 rows a plain share of 0.95 was 0.947 in the mean and 0.931 in one of ten draws on new rows, this one 0.958 and
# 0.942 (jobs/bench/LOG.md).
_CAUTION = 0.5244


def least_confidence(confidence: NDArray[np.float32], correct: NDArray[np.bool_], *, share: float) -> float:
    """The smallest confidence from which on more than a `share` in (0, 1) of the rows is right, in all likelihood.

    `confidence` (n,) of the answers to held-out rows, `correct` (n,) whether they are right. The rows from a confidence
    on pass when so many would be right in fewer than 3 of 10 draws at a chance of `share`: a one-sided binomial test by
    its normal approximation with continuity correction. About 20 rows are needed for 0.95, 100 for 0.99, all of them
    right. KEEPS_NONE where no confidence passes.
    """
    order = np.argsort(-confidence, kind="stable")
    falling, hits = confidence[order], correct[order].cumsum()
    rows = np.arange(1, len(order) + 1)
    passes = hits - rows * share >= 0.5 + _CAUTION * np.sqrt(rows * share * (1 - share))
    # Rows of one confidence are kept or left together.
    passes &= np.append(falling[1:] < falling[:-1], True)
    found = np.flatnonzero(passes)
    return float(falling[found[-1]]) if len(found) else KEEPS_NONE
