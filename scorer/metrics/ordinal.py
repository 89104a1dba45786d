"""Labels that are numbers: how far off an answer is, not only whether.

Pure functions on arrays; knows no file or calibration.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def ordinal_figures(confusion: NDArray[np.int64], values: NDArray[np.float64]) -> dict[str, float]:
    """Figures by name, of `confusion` (labels, labels) counts of (true, predicted) and the labels' numbers `values`.

    mean_absolute_error       mean distance of the answer's number from the true one
    quadratic_weighted_kappa  agreement beyond chance, by squared distance: see `quadratic_weighted_kappa`
    within_one                share of answers at most one place of the ordered labels away
    """
    total = confusion.sum()
    rank = values.argsort().argsort()
    distances = np.abs(values[:, None] - values)
    near = np.abs(rank[:, None] - rank) <= 1
    return {
        "mean_absolute_error": float((confusion * distances).sum() / total),
        "quadratic_weighted_kappa": quadratic_weighted_kappa(confusion, values),
        "within_one": float(confusion[near].sum() / total),
    }


def quadratic_weighted_kappa(confusion: NDArray[np.int64], values: NDArray[np.float64]) -> float:
    """1 - observed / expected disagreement, where a disagreement weighs the squared distance of the numbers `values`
    (Cohen 1968, "Weighted kappa"); 1 is agreement, 0 what chance gives with the same marginals.

    Where all rows are and are called one label, no disagreement was possible: 1.
    """
    weights = (values[:, None] - values) ** 2
    expected = np.outer(confusion.sum(axis=1), confusion.sum(axis=0)) / confusion.sum()
    possible = (weights * expected).sum()
    return float(1.0 - (weights * confusion).sum() / possible) if possible else 1.0
