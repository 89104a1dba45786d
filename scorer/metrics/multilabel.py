"""Rows that may have any number of labels: each (row, label) is an event of its own, and each row a set.

Pure functions on arrays; knows no file, threshold or calibration.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def binary_nll(logits: NDArray[np.floating[Any]], targets: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """The negative log-likelihood in nats of each event, (n, labels) float64: -log sigmoid(logit) where the label is
    there, -log(1 - sigmoid(logit)) where it is not."""
    # log(1 + exp(-x)) without overflow, x being the logit turned towards the truth.
    return np.asarray(np.logaddexp(0.0, -np.where(targets > 0, 1.0, -1.0) * logits.astype(np.float64)))


def binary_counts(targets: NDArray[np.integer[Any]], chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Hits, false alarms and misses of each label, (3, labels) int64, of `chosen` (n, labels) against `targets`."""
    true = targets > 0
    counts = [(true & chosen).sum(axis=0), (~true & chosen).sum(axis=0), (true & ~chosen).sum(axis=0)]
    return np.array(counts, np.int64)


def exact_match(targets: NDArray[np.integer[Any]], chosen: NDArray[np.bool_]) -> float:
    """The share of rows whose labels are all right."""
    return float(((targets > 0) == chosen).all(axis=1).mean())


def micro_f1(counts: NDArray[np.int64]) -> float:
    """F1 of all events together, by the `counts` (3, labels) of `binary_counts`; 0 without any label."""
    hits, alarms, misses = (int(count) for count in counts.sum(axis=1))
    return 2 * hits / max(2 * hits + alarms + misses, 1)
