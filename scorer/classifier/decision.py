"""How logits become answers: the calibration and the thresholds that a fit learned on held-out rows.

All that is applied after the forward pass stands here. It needs the number of labels and whether a row may have
several, nothing else of the model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.classifier import confidence
from scorer.classifier.labels import LabelSet


@dataclass(frozen=True)
class Decision:
    """What stands between logits and labels.

    temperature    divides the logits: one number for all labels, or one for each (multi-label)
    thresholds     multi-label: a label is given when its probability is at least its threshold; None means that each
                   row has exactly one label, the likeliest
    abstain_below  one label a row: a row whose confidence is lower is marked `abstain`; None marks no row, a number
                   above 1 every row
    exponent       one label a row: before they are divided, each logit's distance from the row's mean is raised to this
                   power, which leaves their order; 1 leaves them as they are
    """

    temperature: tuple[float, ...] = (1.0,)
    thresholds: tuple[float, ...] | None = None
    abstain_below: float | None = None
    exponent: float = 1.0

    @classmethod
    def uncalibrated(cls, labels: LabelSet) -> Decision:
        """What the logits say by themselves: the likeliest label, or all that are at least as likely as not."""
        return cls(thresholds=(0.5,) * len(labels) if labels.multi else None)

    def without_scaling(self) -> Decision:
        """The same, for logits that were scaled already."""
        return replace(self, temperature=(1.0,), exponent=1.0)

    @property
    def multi(self) -> bool:
        """Whether a row may have any number of labels."""
        return self.thresholds is not None

    def probabilities(self, logits: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Calibrated probabilities (n, labels) float32 of `logits` (n, labels): they add up to 1, or each is its own
        label's where rows may have several."""
        compute = confidence.independent_probabilities if self.multi else confidence.probabilities
        return compute(self.scaled(logits))

    def scaled(self, logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Calibrated logits (n, labels) float64 of `logits` (n, labels)."""
        return confidence.scaled(logits, temperature=np.array(self.temperature), exponent=self.exponent)

    def chosen(self, probability: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which labels (n, labels) bool each row has by its `probability` (n, labels)."""
        if self.thresholds is not None:
            return probability >= np.array(self.thresholds, np.float32)
        best = confidence.predicted(probability)[0]
        return np.asarray(np.arange(probability.shape[1]) == best[:, None])

    def abstains(self, probability: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which rows (n,) bool are too unsure to be answered by their `probability` (n, labels)."""
        if self.abstain_below is None:
            return np.zeros(len(probability), np.bool_)
        return np.asarray(confidence.predicted(probability)[1] < np.float32(self.abstain_below))
