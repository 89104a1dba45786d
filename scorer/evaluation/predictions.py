"""What a model says of labelled rows in memory: logits, before and after its calibration.

By folds every row is judged by a model that has not seen it. That takes K fits (cross-validation), with the training
configuration that the model records.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorer.checking.repeats import alike_groups
from scorer.classifier.base_model import DEFAULT_BASE_MODEL
from scorer.classifier.decision import Decision, Points
from scorer.classifier.directory import ModelDirectory, open_model
from scorer.classifier.forward.resilient import Outcome
from scorer.classifier.metadata import ModelMetadata
from scorer.config import EvaluateConfig, FitConfig, FrameConfig, flag_of, material
from scorer.errors import DataError, DeviceError, ModelError, UsageError
from scorer.evaluation.evaluate_preparation import PreparedEvaluation
from scorer.examples.reading import Examples
from scorer.examples.targets import classes_of, stratified_folds, stratified_split
from scorer.runs.console import Console
from scorer.scoring.scorer import Scorer, ScorerSpec
from scorer.scoring.texts import scores_of
from scorer.stores.folder import temporary_folder
from scorer.stores.location import Location
from scorer.training.data import TrainingData

Fit = Callable[..., object]
"""What fits a model on training data and writes it, as `scorer.training.fitting.fit_and_write` does."""

Predict = Callable[[EvaluateConfig, ModelDirectory, Examples, Console], "Predicted"]


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
    models the mean) and `odds_map` (None of several), and on what `engine` they were computed, as JSON types."""

    predictions: Predictions
    temperature: tuple[float, ...]
    exponent: float
    engine: dict[str, Any]
    odds_map: Points | None = None


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
    found = scores_of(scorer, examples.texts, console)
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
    engine = dataclasses.asdict(scorer.engine)
    return Predicted(predictions, decision.temperature, decision.exponent, engine, decision.odds_map)


def predict_by_folds(
    prepared: PreparedEvaluation, folds: int, console: Console, *, fit: Fit, predict: Predict = predict
) -> Predicted:
    """Let the rows of each of `folds` folds be predicted by `predict` with a model that `fit` (`fit_and_write`) made of
    the rows of the others.

    A fit holds out a share of its own rows to choose the best checkpoint and its temperature, so nothing of the fold it
    predicts has any part in the probabilities. Thresholds and the confidence to abstain below stay those of the model
    that is evaluated. Texts that are equal when normalised are in one fold. DataError when there are fewer texts than
    folds.
    """
    metadata = prepared.directory.metadata
    assert metadata is not None, "preparation refuses models without metadata; this is a bug"
    examples, config = prepared.examples, fit_config(metadata, prepared.config)
    groups = alike_groups(examples.keys())
    if folds > groups.max() + 1:
        raise DataError(f"{prepared.config.data}: {groups.max() + 1} different texts do not make {folds} folds")
    fold_of = stratified_folds(classes_of(prepared.targets), groups, folds=folds, seed=config.seed)
    parts = []
    for fold in range(folds):
        inside, outside = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
        console.say(f"fold {fold + 1} of {folds}: fitting on {len(outside)} rows to predict {len(inside)}")
        parts.append(
            (inside, _predict_fold(prepared, config, groups, inside=inside, outside=outside, fit=fit, predict=predict))
        )
    return _joined(parts, metadata)


def fit_config(metadata: ModelMetadata, config: EvaluateConfig) -> FitConfig:
    """How the model of `metadata` was fitted, as the configuration of another fit.

    The device is that of `config`. So is the precision of a model fitted in fp16, in which a CPU cannot train; where
    `config` asks for fp16 too, it is what suits the device.
    """
    # A fit of an earlier version did not extend the vocabulary.
    known = {"extend_vocabulary": False} | _known(metadata.training)
    base = None if metadata.base_model == DEFAULT_BASE_MODEL else metadata.base_model
    if known.get("precision") == "fp16":
        known["precision"] = "auto" if config.precision == "fp16" else config.precision
    known |= {"base_model": base, "max_length": metadata.max_length, "device": config.device, "quiet": True}
    # A fold has rows of its own, and one fit.
    known |= {"train": config.data, "valid": None, "limit": None, "seeds": 1}
    return FitConfig(**known, **_long_text(metadata))


def _known(training: Mapping[str, Any]) -> dict[str, Any]:
    """The recorded options that this version of scorer has, but those that say nothing of the model."""
    return {name: value for name, value in training.items() if name in material(FitConfig)}


def _long_text(metadata: ModelMetadata) -> dict[str, Any]:
    """What `LongText.of` made the model's own choice of."""
    chosen = metadata.long_text
    windows = {"stride": chosen.stride, "pooling": chosen.pooling} if chosen.strategy == "window" else {}
    return {"long_text": chosen.strategy, **windows}


def _predict_fold(
    prepared: PreparedEvaluation,
    config: FitConfig,
    groups: NDArray[np.int64],
    *,
    inside: NDArray[np.int64],
    outside: NDArray[np.int64],
    fit: Fit,
    predict: Predict,
) -> Predicted:
    examples, targets = prepared.examples, prepared.targets
    kept, held_out = stratified_split(targets[outside], groups[outside], fraction=config.held_out, seed=config.seed)
    if not len(held_out):
        raise DataError(f"{prepared.config.data}: {len(outside)} rows are too few to fit a fold on; ask for more folds")
    kept, held_out = outside[kept], outside[held_out]
    data = TrainingData(examples.take(kept), targets[kept], examples.take(held_out), targets[held_out], prepared.labels)
    # What a fold's fit has to say is about files that nobody will see.
    unheard = Console(quiet=True, stream=io.StringIO())
    with temporary_folder("scorer-fold-") as folder:
        output = Location.of_output(folder.at("model"))
        try:
            fit(config, data, output, unheard, latest=False)
        except UsageError as error:
            _refuse_record(error, prepared)
            raise
        return predict(prepared.config, open_model(output.said), examples.take(inside), unheard)


def _refuse_record(error: UsageError, prepared: PreparedEvaluation) -> None:
    """ModelError where `error`, of a fold's fit, is about a setting that the model records: an earlier version may have
    fitted it so, and whoever evaluates has said nothing of it."""
    metadata = prepared.directory.metadata
    assert metadata is not None, "preparation refuses models without metadata; this is a bug"
    recorded = _known(metadata.training).keys() - {"device"}
    if str(error).partition(" ")[0] in map(flag_of, recorded):
        reason = str(error).partition(";")[0]
        raise ModelError(f"{prepared.config.model}: was fitted in a way that is refused now ({reason}); fit it anew")


def _joined(parts: list[tuple[NDArray[np.int64], Predicted]], metadata: ModelMetadata) -> Predicted:
    """The predictions of all folds in the order of the rows."""
    order = np.argsort(np.concatenate([rows for rows, _ in parts]))
    arrays = {
        name: np.concatenate([part.predictions.arrays[name] for _, part in parts])[order]
        for name in parts[0][1].predictions.arrays
    }
    temperatures = np.mean(np.broadcast_arrays(*(part.temperature for _, part in parts)), axis=0)
    return Predicted(
        Predictions(**arrays, decision=metadata.decision.without_scaling()),
        temperature=tuple(temperatures.tolist()),
        exponent=float(np.mean([part.exponent for _, part in parts])),
        engine=parts[0][1].engine,
    )
