"""What held-out rows teach about how logits become answers.

Owns the order: scaling, then what depends on calibrated probabilities. Does not know the model.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.confidence import predicted
from scorer.classifier.decision import Decision
from scorer.classifier.labels import LabelSet, Targets
from scorer.training.abstention import least_confidence
from scorer.training.calibration import fit_label_temperatures, fit_scaling
from scorer.training.thresholds import best_thresholds


def decide(
    logits: NDArray[np.float32], targets: Targets, *, labels: LabelSet, abstain: float | None = None
) -> Decision:
    """The decision for rows like those with `logits` (n, labels) and `targets`; rows abstain below the confidence from
    which on a share `abstain` is right, if that is asked for."""
    if labels.multi:
        assert abstain is None, "refused when the data was read"
        plain = Decision(fit_label_temperatures(logits, targets), (0.5,) * len(labels))
        return Decision(plain.temperature, best_thresholds(plain.probabilities(logits), targets))
    temperature, exponent = fit_scaling(logits, targets)
    decision = Decision((temperature,), exponent=exponent)
    if abstain is None:
        return decision
    best, confidence = predicted(decision.probabilities(logits))
    least = least_confidence(confidence, best == targets, share=abstain)
    return dataclasses.replace(decision, abstain_below=least)


def in_training(logits: NDArray[np.float32], targets: Targets, *, labels: LabelSet) -> Decision:
    """The decision by which checkpoints are compared: uncalibrated, and with several labels a row under the thresholds
    that a fit would choose if it ended here, since at 0.5 rare labels are never given, whatever was learned."""
    plain = Decision.uncalibrated(labels)
    if not labels.multi:
        return plain
    return Decision(plain.temperature, best_thresholds(plain.probabilities(logits), targets))
