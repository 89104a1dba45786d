"""Short fits: what a way to fit is worth on a sample of the rows, how fast it learns and scores, how large it is.

Everything here needs torch. A trial is a fit as any other, whose model nobody keeps.
"""

from __future__ import annotations

import io
import math
import time
from dataclasses import dataclass, replace

import numpy as np
import torch

from scorer.advising.arms import Arm, fit_config
from scorer.advising.halving import Cost, Worth
from scorer.classifier.vocabulary import Vocabulary
from scorer.config import AdviseConfig, FitConfig, FrameConfig
from scorer.runs.console import Console
from scorer.runs.signals import StopSignals
from scorer.scoring.frames import FrameScorer
from scorer.stores.folder import Folder, temporary_folder
from scorer.training.data import TrainingData
from scorer.training.faults import exhaustion_told
from scorer.training.fitting import Fitting, prepared
from scorer.training.model_directory import save_network
from scorer.training.pretrained import BaseModel, load_base_model
from scorer.training.schedule import total_steps
from scorer.training.verdict import Measured, MeasuredNumbers

# So many texts tell the lengths and the unknown tokens of a language, and how fast rows are scored.
_TEXTS = 1_000
_SCORED = 256
_TIMED_STEPS = 5
# What evaluating a row takes, of the time of learning from it.
_EVALUATED = 1 / 3
# The Trainer evaluates a trial once more, by itself: on so many rows.
_FEW_VALID = 8
_FEW_CUT_OFF = 0.02
_MODEL_MB = 4 / 1e6
_ANOTHER = "this candidate is too large for it"


@dataclass(frozen=True)
class Looked:
    """What is known of a way before it is tried: `cost` of a trial, `rows_a_second` when scoring, `weights_mb` in fp32,
    `unknown_share` of the tokens as the base model has them, and as a fit extends its vocabulary; `cut_off_share` of
    the texts, which are longer than `max_length`."""

    cost: Cost
    rows_a_second: float
    weights_mb: float
    unknown_share: float
    unknown_share_extended: float
    cut_off_share: float


@dataclass(frozen=True)
class Trials:
    """Trials of ways to fit `data` on one device."""

    config: AdviseConfig
    data: TrainingData
    device: torch.device
    precision: str
    signals: StopSignals

    def lengths(self, arm: Arm) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], int | None]:
        """How many tokens a sample of the texts has (n,), and how many the model sees at most. ModelError when it
        cannot be had."""
        vocabulary = Vocabulary.of_base_model(arm.model)
        return vocabulary.count(self._sample()).lengths, vocabulary.positions

    @exhaustion_told(_ANOTHER)
    def look(self, arm: Arm) -> Looked:
        """ModelError when the model cannot be loaded, ConfigError when it does not suit `arm`, DeviceError where it
        exhausts the memory."""
        began = time.monotonic()
        rows = _TIMED_STEPS * FitConfig.batch_size
        config = self._fit_config(arm, rows)
        base, fitting = self._prepared(config, rows)
        loaded = time.monotonic() - began
        with temporary_folder("scorer-advise-") as folder:
            seconds = fitting.trainer(base, config, folder).seconds_a_step(_TIMED_STEPS) / config.batch_size
            rows_a_second = self._scoring(base, arm, folder.folder("model"))
        sample, plain = self._sample(), Vocabulary.of_base_model(arm.model)
        counts = plain.count(sample)
        extended = plain.extended(sample).count(sample)
        return Looked(
            cost=Cost(loaded + _EVALUATED * seconds * len(self.data.valid), seconds * config.epochs),
            rows_a_second=rows_a_second,
            weights_mb=base.model.num_parameters() * _MODEL_MB,
            unknown_share=float(counts.unknown.sum() / max(counts.lengths.sum(), 1)),
            unknown_share_extended=float(extended.unknown.sum() / max(extended.lengths.sum(), 1)),
            cut_off_share=float((counts.lengths > arm.max_length).mean()),
        )

    @exhaustion_told(_ANOTHER)
    def fit(self, arm: Arm, rows: int) -> Measured:
        """What a fit on `rows` of the training rows is worth on the validation rows. Diverged, ModelError, or
        DeviceError where it exhausts the memory."""
        config = self._fit_config(arm, rows)
        base, fitting = self._prepared(config, rows)
        few = replace(fitting, valid=fitting.valid.take(range(min(_FEW_VALID, len(fitting.valid)))))
        with temporary_folder("scorer-advise-") as folder:
            few.fit(base, config, folder)
            return fitting.measure(fitting.trainer(base, config, folder))

    def at_another_length(self, arm: Arm, looked: Looked, other: Arm) -> Looked | None:
        """What is known of `arm`, by what was `looked` up of the same model at the length of the `other`; None where
        their lengths make a difference to more than a few texts."""
        lengths, _ = self.lengths(arm)
        cut_off = float((lengths > arm.max_length).mean())
        if max(cut_off, looked.cut_off_share) > _FEW_CUT_OFF:
            return None
        epochs = self._fit_config(arm, _TEXTS).epochs / self._fit_config(other, _TEXTS).epochs
        cost = Cost(looked.cost.fixed, looked.cost.a_row * epochs)
        return replace(looked, cost=cost, cut_off_share=cut_off)

    def _fit_config(self, arm: Arm, rows: int) -> FitConfig:
        config = fit_config(arm, self.config, precision=self.precision)
        # Evaluated once, at the end.
        return replace(config, eval_steps=total_steps(config, rows))

    def _prepared(self, config: FitConfig, rows: int) -> tuple[BaseModel, Fitting]:
        base = load_base_model(config, self.data.labels)
        # What a fit says of vocabularies and long texts stands in the table.
        console = Console(quiet=True, stream=io.StringIO())
        return prepared(
            base,
            config,
            self._of(rows),
            device=self.device,
            precision=self.precision,
            console=console,
            signals=self.signals,
        )

    def _of(self, rows: int) -> TrainingData:
        """The same validation rows, and the first `rows` training rows of an order that every trial has."""
        order = np.random.default_rng(self.config.seed).permutation(len(self.data.train))[:rows]
        return replace(self.data, train=self.data.train.take(order), train_targets=self.data.train_targets[order])

    def _sample(self) -> list[tuple[str, ...]]:
        return self._of(_TEXTS).train.keys()

    def _scoring(self, base: BaseModel, arm: Arm, model: Folder) -> float:
        """Rows a second when scoring, loading not counted. The answers of a head that learned nothing are worth
        nothing, and take as long."""
        model.make_anew()
        save_network(model, base.model, base.tokenizer)
        scorer = FrameScorer(FrameConfig(model=str(model), max_length=arm.max_length, device=self.config.device))
        first, *second = self._of(_SCORED).train.texts
        scorer.score_texts(first[:8], *(column[:8] for column in second))
        began = time.monotonic()
        scorer.score_texts(first, *second)
        return len(first) / (time.monotonic() - began)


def figure_of(measured: Measured) -> tuple[str, float]:
    """The figure by which ways are compared, and its value: accuracy, macro F1 where rows have several labels, RMSE of
    numbers."""
    figures = measured.metrics.headline()
    if isinstance(measured, MeasuredNumbers):
        return "rmse", figures["rmse"]
    name = "accuracy" if measured.metrics.confusion is not None else "macro_f1"
    return name, figures[name]


def interval_of(measured: Measured) -> list[float] | None:
    """Both ends of that figure's 95 % interval; None of a macro F1, for which there is no formula that we know."""
    if isinstance(measured, MeasuredNumbers):
        ends = measured.metrics.intervals.get("rmse")
        return None if ends is None else [round(end, 4) for end in ends]
    return measured.accuracy_interval() if measured.metrics.confusion is not None else None


def worth(measured: Measured) -> Worth:
    """That figure as more or less, with its standard error: of a share p of n rows the root of p (1 - p) / n; of an
    RMSE, by the normal distribution, itself divided by the root of 2 n."""
    figure, value = figure_of(measured)
    rows = measured.metrics.rows
    if figure == "rmse":
        return Worth(-value, value / math.sqrt(2 * rows))
    return Worth(value, math.sqrt(max(value * (1 - value), 1 / rows) / rows))
