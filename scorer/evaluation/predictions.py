"""What a model says of labelled rows in memory: logits, before and after its calibration."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.classifier.decision import Decision
from scorer.classifier.directory import ModelDirectory
from scorer.classifier.forward.resilient import Outcome
from scorer.config import WINDOW_ROWS, EvaluateConfig, FrameConfig
from scorer.errors import DataError, DeviceError
from scorer.examples.reading import Examples
from scorer.runs.console import Console
from scorer.scoring.pipeline import Pipeline
from scorer.scoring.scorer import Scorer, ScorerSpec
from scorer.scoring.windows import ClassifiedWindow, Window, window_rows


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
    options = FrameConfig(
        model=config.model,
        device=config.device,
        precision=config.precision,
        backend=config.backend,
        batch_tokens=config.batch_tokens,
    )
    scorer = Scorer.build(ScorerSpec.of(options, directory), directory)
    found = _logits(scorer, examples, console)
    for line in scorer.concerns:
        console.warn(line)
    if (found["outcome"] == Outcome.OUT_OF_MEMORY).any():
        raise DeviceError("a single row exhausts the device's memory; try --device cpu")
    decision, logits = scorer.decision, found["logits"]
    predictions = Predictions(
        logits,
        decision.scaled(logits),
        found["tokens"].astype(np.int64),
        found["truncated"],
        found["outcome"] == Outcome.SCORED,
        decision.without_scaling(),
    )
    return Predicted(predictions, decision.temperature, decision.exponent, dataclasses.asdict(scorer.engine))


def _logits(scorer: Scorer, examples: Examples, console: Console) -> NDArray[np.void]:
    """The score of each example, (n,) of `score_dtype`."""
    parts: list[NDArray[np.void]] = []
    with console.progress("scoring", len(examples), "rows") as counter:

        def keep(classified: ClassifiedWindow) -> None:
            assert len(classified.scorable) == classified.window.table.num_rows, "examples have texts; this is a bug"
            parts.append(classified.scores)
            counter.update(len(classified.scores))

        read = Pipeline.of(_windows(examples, labels=len(scorer.labels)))
        classify = partial(scorer.classify, between_batches=read.check)
        read.then("encode", scorer.encode).then("classify", classify).into("keep", keep)
    return np.concatenate(parts)


def _windows(examples: Examples, *, labels: int) -> Iterator[Window]:
    names = ("text", "text_pair")[: len(examples.texts)]
    rows = window_rows(WINDOW_ROWS, labels=labels)
    for number, start in enumerate(range(0, len(examples), rows)):
        columns = (pa.array(column[start : start + rows], pa.large_string()) for column in examples.texts)
        yield Window(number, pa.table(dict(zip(names, columns, strict=True))), names)
