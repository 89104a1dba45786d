"""What became of each row: its answer, how sure it was, whether it was right, what it cost.

Pure functions on arrays; knows no model, file or text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.decision import Decision
from scorer.metrics.classification import log_softmax

# Below it a probability in fp32 is 0, whose logarithm would hide everything else.
_LEAST = 1e-12


@dataclass(frozen=True)
class Judged:
    """n labelled rows beside their answers.

    targets        class indices (n,) int64, or (n, labels) int8 of 0 and 1 where a row may have several labels
    predicted      the same for the answers
    probabilities  (n, labels) float32, calibrated
    confidence     (n,) float64: probability of the predicted label; of several labels, that all of them are right if
                   they are independent of each other
    correct        (n,) bool: whether all labels are right
    loss           (n,) float64: -log p(true label) in nats; of several labels, the mean over the labels
    """

    targets: NDArray[np.integer[Any]]
    predicted: NDArray[np.integer[Any]]
    probabilities: NDArray[np.float32]
    confidence: NDArray[np.float64]
    correct: NDArray[np.bool_]
    loss: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def multi(self) -> bool:
        return self.targets.ndim == 2


def judge(logits: NDArray[np.floating[Any]], targets: NDArray[np.integer[Any]], *, decision: Decision) -> Judged:
    """Compare the answers that `decision` gives to `logits` (n, labels) with `targets`, as in `Judged`."""
    probabilities = decision.probabilities(logits)
    if not decision.multi:
        rows = np.arange(len(targets))
        predicted = probabilities.argmax(axis=1)
        loss = -log_softmax(decision.scaled(logits))[rows, targets]
        confidence = probabilities[rows, predicted].astype(np.float64)
        return Judged(targets, predicted, probabilities, confidence, predicted == targets, loss)
    chosen = decision.chosen(probabilities)
    exact = probabilities.astype(np.float64)
    confidence = np.where(chosen, exact, 1 - exact).prod(axis=1)
    likelihood = np.where(targets == 1, exact, 1 - exact)
    loss = -np.log(np.maximum(likelihood, _LEAST)).mean(axis=1)
    correct = (chosen == (targets == 1)).all(axis=1)
    return Judged(targets, chosen.astype(np.int8), probabilities, confidence, correct, loss)
