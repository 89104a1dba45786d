"""transformers' Trainer, made reproducible across interruptions and quiet, and what it reports while it runs.

Owns the training loop: order of the examples, metrics for the best checkpoint, progress. Does not know files of data
or where the finished model goes.
"""

# ruff: noqa: ARG002 (the Trainer hands every argument to every event and sampler)

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import datasets
import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from torch.utils.data import Sampler, SequentialSampler
from transformers import (
    DataCollatorWithPadding,
    EarlyStoppingCallback,
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer_pt_utils import LengthGroupedSampler, get_length_grouped_indices

from scorer.classifier.labels import LabelSet, Targets
from scorer.classifier.loading import quietly
from scorer.classifier.long_text import LongText
from scorer.config import FitConfig
from scorer.errors import ConfigError, Interrupted
from scorer.metrics.classification import measure
from scorer.reports.learning import Evaluation
from scorer.runs.console import Console, Counter
from scorer.runs.signals import StopSignals
from scorer.training.decision import in_training
from scorer.training.losses import Loss
from scorer.training.optimizer import parameter_groups
from scorer.training.pooling import TextPooling
from scorer.training.pretrained import BaseModel


class EpochOrder(LengthGroupedSampler):
    """Length-grouped batches in an order that depends on the seed and the epoch alone.

    The Trainer's own order draws from the global generator, whose state at the start of an epoch is unknown to a run
    that resumes in the middle of it; and it goes from long to short texts again and again, where this one shuffles the
    batches. The first batch stays the one with the longest text, so that memory trouble shows at once.
    """

    def __init__(self, batch_size: int, lengths: list[int], *, seed: int) -> None:
        super().__init__(batch_size, lengths=lengths, generator=torch.Generator())
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        state = np.random.SeedSequence([self._seed, self._epoch]).generate_state(1, np.uint64)
        self.generator.manual_seed(int(state[0]))
        rows = get_length_grouped_indices(self.lengths, self.batch_size, generator=self.generator)
        full = len(rows) // self.batch_size
        # A batch that is not full stays last, where it is cut off as one.
        order = [0, *(torch.randperm(max(full - 1, 0), generator=self.generator) + 1).tolist(), full][: full + 1]
        starts = (number * self.batch_size for number in order)
        return iter([row for start in starts for row in rows[start : start + self.batch_size]])


class Diverged(ConfigError):
    """The weights of a fit are no numbers any more."""


class FitTrainer(Trainer):
    """A Trainer that orders examples by `EpochOrder` and evaluates them in the order in which they come."""

    def __init__(
        self,
        *,
        network: PreTrainedModel,
        config: FitConfig,
        train: Dataset,
        valid: Dataset,
        pooling: TextPooling,
        **options: Any,
    ) -> None:
        super().__init__(model=network, train_dataset=train, eval_dataset=valid, **options)
        self.network = network
        self._config = config
        self._pooling = pooling
        self._valid = valid
        # Kept apart since the Trainer drops columns that the model does not read before it asks for an order.
        self._lengths = list(train["length"])

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        groups = parameter_groups(
            self.network, self._config, decayed=frozenset(self.get_decay_parameter_names(self.network))
        )
        kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.network)
        optimizer: torch.optim.Optimizer = kind(groups, **options)
        self.optimizer = optimizer
        return optimizer

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        size = self.args.train_batch_size * self.args.gradient_accumulation_steps
        return EpochOrder(size, self._lengths, seed=self.args.seed)

    def _get_eval_sampler(self, eval_dataset: Any) -> Sampler[int]:
        return SequentialSampler(eval_dataset)

    def _maybe_log_save_evaluate(self, tr_loss: torch.Tensor, *arguments: Any, **options: Any) -> None:
        """Leave the losses that have not been logged yet to the fit that goes on from a checkpoint within an epoch.

        `tr_loss` is their sum, which the Trainer itself forgets with the steps that it counts since its last logging.
        """
        left = self.state.log_history[-1] if self.state.log_history else {}
        # In a fit that goes on, it counts from the step of its checkpoint on; in any other from one before.
        if "unlogged_loss" in left and left["step"] == self._globalstep_last_logged:
            tr_loss += left["unlogged_loss"]
            self._globalstep_last_logged -= int(left["unlogged_steps"])
        if self.control.should_save and not self.control.should_log:
            step = self.state.global_step
            steps = step - self._globalstep_last_logged
            unlogged: dict[str, float] = {"step": step, "unlogged_loss": tr_loss.item(), "unlogged_steps": steps}
            self.state.log_history.append(unlogged)
        super()._maybe_log_save_evaluate(tr_loss, *arguments, **options)

    def validation(self) -> tuple[NDArray[np.float32], Targets]:
        """Logits (n, labels) float32 of the validation texts and their targets, as `label_indices` gives them, in the
        order of their file."""
        found = self.predict(self._valid)
        return self._pooling(found.predictions, _targets(found.label_ids))

    def history(self) -> list[Evaluation]:
        """The learning curve so far, that of the interrupted run before a resume included."""
        curve: list[Evaluation] = []
        losses = _train_losses(self.state)
        for entry in self.state.log_history:
            if "eval_nll" in entry:
                step, figures = int(entry["step"]), (entry["eval_nll"], entry["eval_accuracy"], entry["eval_macro_f1"])
                curve.append(Evaluation(entry["epoch"], step, losses.get(step), *figures))
        return curve


class Narrator(TrainerCallback):
    """Counts steps on the progress bar, says a line an evaluation, and stops at a signal once a checkpoint is saved."""

    def __init__(self, *, console: Console, counter: Counter, signals: StopSignals) -> None:
        self._console = console
        self._counter = counter
        self._signals = signals

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._counter.update(state.global_step)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._counter.update(1)
        try:
            self._signals.check()
        except Interrupted:
            # First the checkpoint, then `on_save` raises it again. At the end of an epoch, and of the training, there
            # will be one anyway, after an evaluation that a fit which goes on from it would not make up for.
            within = state.global_step < state.max_steps and (state.epoch or 0.0) % 1
            control.should_save = control.should_save or bool(within)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._signals.check()

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        metrics, loss = kwargs["metrics"], _train_losses(state).get(state.global_step)
        logged = "" if loss is None else f"train loss {loss:.4f}, "
        self._console.say(
            f"epoch {state.epoch:.4g} of {state.num_train_epochs}, step {state.global_step} of {state.max_steps}: "
            f"{logged}valid loss {metrics['eval_nll']:.4f}, "
            f"accuracy {metrics['eval_accuracy']:.4f}, macro F1 {metrics['eval_macro_f1']:.4f}"
        )


def make_trainer(
    base: BaseModel,
    arguments: TrainingArguments,
    *,
    config: FitConfig,
    labels: LabelSet,
    train: Dataset,
    valid: Dataset,
    loss: Loss,
    narrator: Narrator | None = None,
) -> FitTrainer:
    """A trainer of `base` that evaluates on `valid`, keeps the best checkpoint and stops early if asked."""
    callbacks: list[TrainerCallback] = [narrator] if narrator else []
    if config.patience is not None:
        callbacks.append(EarlyStoppingCallback(config.patience, config.patience_threshold))
    pooling = TextPooling(valid, LongText.of(config))
    trainer = FitTrainer(
        network=base.model,
        config=config,
        train=train,
        valid=valid,
        pooling=pooling,
        args=arguments,
        processing_class=base.tokenizer,
        data_collator=DataCollatorWithPadding(base.tokenizer),
        compute_loss_func=loss,
        compute_metrics=lambda found: _headline(*pooling(found.predictions, _targets(found.label_ids)), labels=labels),
        callbacks=callbacks,
    )
    # It prints to stdout, which is for data alone.
    trainer.remove_callback(PrinterCallback)
    return trainer


@contextmanager
def quiet_training() -> Iterator[None]:
    """Keep the progress bars and advice of transformers and datasets off stderr; what matters is an error of ours."""
    disabled = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        with quietly():
            yield
    finally:
        if not disabled:
            datasets.enable_progress_bars()


def _train_losses(state: TrainerState) -> dict[int, float]:
    """The mean loss of the batches since the last logging, by the step that it was logged at.

    With --eval-steps the last evaluation of a fit may come at another step, which has none. Nor has one before which a
    loss overflowed in fp16, where that batch is passed over and training goes on.
    """
    return {
        int(entry["step"]): entry["loss"] for entry in state.log_history if math.isfinite(entry.get("loss", math.nan))
    }


def _headline(logits: NDArray[np.float32], targets: Targets, *, labels: LabelSet) -> dict[str, float]:
    if not np.isfinite(logits).all():
        raise Diverged("training diverged: the logits are not finite; try a smaller --learning-rate")
    return measure(logits, targets, labels=labels, decision=in_training(logits, targets, labels=labels)).headline()


def _targets(label_ids: Any) -> Targets:
    """The Trainer's `label_ids`, which are floats where a row may have several labels."""
    found = np.asarray(label_ids)
    return found.astype(np.int8) if found.ndim == 2 else found.astype(np.int64)
