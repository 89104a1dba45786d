"""What a model says of labelled rows: logits, before and after its calibration.

Owns the run of the model over rows in memory. Does not know what is made of the logits.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.classifier import Classifier
from scorer.classifier.decision import Decision
from scorer.classifier.directory import ModelDirectory
from scorer.classifier.forward.resilient import Outcome
from scorer.config import WINDOW_ROWS, EvaluateConfig
from scorer.errors import DataError, DeviceError
from scorer.examples.reading import Examples
from scorer.runs.console import Console


@dataclass(frozen=True)
class Predictions:
    """What is known of n rows.

    logits    (n, labels) float32, as the model gave them
    scaled    (n, labels) float64, divided by the temperature of the model that gave them; float32 would round away from
              a threshold what stands exactly on it
    tokens    (n,) int64, tokens of each input as the model saw it
    truncated (n,) bool, whether it did not see the whole input
    scored    (n,) bool, whether the logits are finite; they are 0 where they are not
    decision  what makes labels of `scaled`
    """

    logits: NDArray[np.float32]
    scaled: NDArray[np.float64]
    tokens: NDArray[np.int64]
    truncated: NDArray[np.bool_]
    scored: NDArray[np.bool_]
    decision: Decision

    def only_scored(self) -> Predictions:
        """The rows that have a score; DataError when there is none."""
        if not self.scored.any():
            raise DataError(f"none of {len(self.scored)} rows could be scored; look at the model with scorer inspect")
        return dataclasses.replace(self, **{name: array[self.scored] for name, array in self.arrays.items()})

    @property
    def arrays(self) -> dict[str, Any]:
        """What there is of each row, by name."""
        return {name: value for name, value in vars(self).items() if name != "decision"}


@dataclass(frozen=True)
class Predicted:
    """The predictions of one model, or of one for each fold: its calibration's `temperature` and `exponent` (of several
    models the mean), and on what `engine` they were computed, as JSON types."""

    predictions: Predictions
    temperature: tuple[float, ...]
    exponent: float
    engine: dict[str, Any]


def predict(config: EvaluateConfig, directory: ModelDirectory, examples: Examples, console: Console) -> Predicted:
    """Run the model in `directory` over `examples`. DeviceError when a row exhausts the device's memory alone."""
    classifier = Classifier(
        directory,
        device=config.device,
        precision=config.precision,
        backend=config.backend,
        batch_tokens=config.batch_tokens,
    )
    parts = []
    with console.progress("scoring", len(examples), "rows") as counter:
        for start in range(0, len(examples), WINDOW_ROWS):
            first, *second = (column[start : start + WINDOW_ROWS] for column in examples.texts)
            inputs = classifier.encode(first, second[0] if second else None)
            parts.append((*classifier.logits(inputs), inputs.lengths, inputs.truncated))
            counter.update(len(first))
    logits, outcomes, tokens, truncated = (np.concatenate(part) for part in zip(*parts, strict=True))
    if (outcomes == Outcome.OUT_OF_MEMORY).any():
        raise DeviceError("a single row exhausts the device's memory; try --device cpu")
    decision = classifier.decision
    scaled = decision.scaled(logits)
    scored = outcomes == Outcome.SCORED
    predictions = Predictions(logits, scaled, tokens, truncated, scored, decision.without_scaling())
    return Predicted(predictions, decision.temperature, decision.exponent, dataclasses.asdict(classifier.engine))
