"""Which given labels are probably wrong: confident learning.

After Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels" (JAIR 70).
It is written here because it is short, and cleanlab would bring pandas and scikit-learn along. Pure functions on
arrays. The probabilities should come from a model that has not seen the labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LabelErrors:
    """The verdict on n given labels.

    suspect    (n,) bool: the row confidently belongs to another class, which is likelier than the given one
    suggested  what the label might be instead, where the row is a suspect, else the given one: class indices (n,), or
               (n, labels) of 0 and 1 where a row may have several labels
    score      (n,) float64 from 0 to 1: how much the model is against the given label (normalised margin)
    share      the estimated share of labels that are wrong, of all labels given
    joint      (labels, labels) int64, the confident joint: given label by suggested one; None for several labels a row
    """

    suspect: NDArray[np.bool_]
    suggested: NDArray[np.integer[Any]]
    score: NDArray[np.float64]
    share: float
    joint: NDArray[np.int64] | None

    def ranking(self) -> NDArray[np.int64]:
        """The suspects' rows, most suspicious first."""
        rows = np.flatnonzero(self.suspect)
        return rows[np.argsort(-self.score[rows], kind="stable")]


def find_label_errors(probabilities: NDArray[np.floating[Any]], targets: NDArray[np.integer[Any]]) -> LabelErrors:
    """Judge the given `targets`, class indices (n,) or (n, labels) of 0 and 1, by `probabilities` (n, labels).

    Of several labels a row, each is judged on its own as present or absent, and the row counts for its worst label.
    """
    exact = probabilities.astype(np.float64)
    return _single(exact, targets.astype(np.int64)) if targets.ndim == 1 else _several(exact, targets)


def _single(probabilities: NDArray[np.float64], given: NDArray[np.int64]) -> LabelErrors:
    rows, labels = np.arange(len(given)), probabilities.shape[1]
    confident = confident_class(probabilities, given)
    counted = confident >= 0
    # Of a label that the model hardly ever gives, any small probability is above the usual: it is no reason for doubt
    # while the given label stays the likelier one.
    likelier = counted & (probabilities[rows, confident] > probabilities[rows, given])
    suggested = np.where(likelier, confident, given)
    joint = np.bincount(given[counted] * labels + suggested[counted], minlength=labels * labels).reshape(labels, labels)
    others = probabilities.copy()
    others[rows, given] = -np.inf
    margin = probabilities[rows, given] - others.max(axis=1)
    share = estimated_share(joint, np.bincount(given, minlength=labels))
    return LabelErrors(likelier, suggested, (1 - margin) / 2, share, joint)


def _several(probabilities: NDArray[np.float64], given: NDArray[np.integer[Any]]) -> LabelErrors:
    suspect = np.zeros(given.shape, np.bool_)
    shares = np.zeros(given.shape[1])
    for label in range(given.shape[1]):
        present = probabilities[:, label]
        one = _single(np.stack([1 - present, present], axis=1), given[:, label].astype(np.int64))
        suspect[:, label], shares[label] = one.suspect, one.share
    against = np.where(given == 1, 1 - probabilities, probabilities)
    # The worst suspected label where there is one, so that the score is about what is suggested.
    worst = np.where(suspect.any(axis=1), np.where(suspect, against, 0).max(axis=1), against.max(axis=1))
    suggested = np.where(suspect, 1 - given, given).astype(given.dtype)
    return LabelErrors(np.asarray(suspect.any(axis=1)), suggested, worst, float(shares.mean()), None)


def confident_class(probabilities: NDArray[np.float64], given: NDArray[np.int64]) -> NDArray[np.int64]:
    """The class (n,) int64 that each row confidently belongs to, or -1 (equations 1 and 2 of the paper).

    A class is likely enough when its probability reaches the mean that it has over the rows that were given it (their
    self-confidence); the likeliest of those counts. A class that no row was given is never likely enough.
    """
    counts = np.bincount(given, minlength=probabilities.shape[1])
    sums = np.bincount(given, weights=probabilities[np.arange(len(given)), given], minlength=len(counts))
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    enough = probabilities >= thresholds
    likeliest = np.where(enough, probabilities, -1.0).argmax(axis=1)
    return np.where(enough.any(axis=1), likeliest, -1)


def estimated_share(joint: NDArray[np.int64], given: NDArray[np.int64]) -> float:
    """The share of wrong labels by the confident `joint` (labels, labels), each row of it scaled to the `given` count
    (labels,) of its label (equation 3 of the paper)."""
    counted = joint.sum(axis=1)
    right = np.where(counted > 0, np.diag(joint) / np.maximum(counted, 1), 1.0)
    return float((given * (1 - right)).sum() / given.sum())
