"""transformers' Trainer, made reproducible by a fit that was interrupted and goes on.

Here are the metrics that choose the best checkpoint, and what is said meanwhile. The Trainer is changed through its
public methods alone.
"""

# ruff: noqa: ARG002 (the Trainer hands every argument to every event)

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader
from transformers import (
    EarlyStoppingCallback,
    PreTrainedModel,
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from scorer.classifier.labels import RowTargets
from scorer.classifier.long_text import LongText
from scorer.config import FitConfig
from scorer.errors import ConfigError
from scorer.reports.fit_page import Evaluation
from scorer.runs.console import Console, Counter
from scorer.runs.signals import StopSignals
from scorer.training.data_parallel import DataParallel
from scorer.training.dataset import TAUGHT, Collator, EpochOrder, TextPooling, TokenRows
from scorer.training.exits import add_exits, has_exits, outputs_and_states, with_exits
from scorer.training.losses import Distilled
from scorer.training.parameters import parameter_groups
from scorer.training.pretrained import BaseModel
from scorer.training.resumable import ResumableTrainer, StepCounter
from scorer.training.tasks import Task


class Diverged(ConfigError):
    """The weights of a fit are no numbers any more."""


class FitTrainer(ResumableTrainer):
    """A Trainer that orders examples by `EpochOrder` and evaluates them in the order in which they come."""

    def __init__(
        self,
        *,
        network: PreTrainedModel,
        config: FitConfig,
        train: TokenRows,
        valid: TokenRows,
        pooling: TextPooling,
        task: Task,
        **options: Any,
    ) -> None:
        if config.exits:
            add_exits(network, name=network.config.model_type)
        hard = task.loss()
        super().__init__(network=network, train=train, valid=valid, compute_loss_func=hard, **options)
        self._distilled = Distilled(hard, task.soft_loss(config.teacher_temperature), config.teacher_weight)
        self._config = config
        self._pooling = pooling
        self.task = task
        self._train, self._valid = train, valid
        precision = "bf16" if self.args.bf16 else "fp32"
        self._parallel = DataParallel.of(network, device=self.args.device, precision=precision)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        groups = parameter_groups(
            self.network, self._config, decayed=frozenset(self.get_decay_parameter_names(self.network))
        )
        kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.network)
        optimizer: torch.optim.Optimizer = kind(groups, **options)
        self.optimizer = optimizer
        return optimizer

    def get_train_dataloader(self) -> DataLoader[Any]:
        size = self.args.train_batch_size
        lengths = self._train.tokens.lengths.tolist()
        order = EpochOrder(size * self.args.gradient_accumulation_steps, lengths, seed=self.args.seed)
        return self.batches(self._train, size, order)

    def training_step(self, model: Any, inputs: dict[str, Any], *arguments: Any, **options: Any) -> torch.Tensor:
        if self._parallel is None:
            return super().training_step(model, inputs, *arguments, **options)
        model.train()
        items = options.get("num_items_in_batch", arguments[0] if arguments else None)
        count = inputs["labels"].numel() if items is None else items

        def loss_of(outputs: dict[str, Any], part: Mapping[str, torch.Tensor]) -> torch.Tensor:
            return self._loss(part.get(TAUGHT))(outputs, part["labels"], count)

        loss = self._parallel.step(inputs, loss_of)
        self.count_loss(loss)
        return loss

    def learn_from(self, batch: dict[str, torch.Tensor]) -> None:
        if self._parallel is None:
            super().learn_from(batch)
        else:
            self.training_step(self.network, batch)

    def compute_loss(self, model: Any, inputs: dict[str, Any], *arguments: Any, **options: Any) -> Any:
        """The loss of a batch, beside whose labels there may be a teacher's answers."""
        # The Trainer hands a loss the labels alone. Validation rows have no teacher.
        self.compute_loss_func = self._loss(inputs.pop(TAUGHT, None))
        if self._parallel is not None and not torch.is_grad_enabled():
            model = self._parallel.outputs
        elif has_exits(self.network) and torch.is_grad_enabled():
            model = partial(outputs_and_states, model)
        return super().compute_loss(model, inputs, *arguments, **options)

    def _loss(self, answers: torch.Tensor | None) -> Callable[..., torch.Tensor]:
        """The loss of rows to which a teacher, if there is one, gave these `answers`."""
        loss = self._distilled.of(answers)
        multi = self.network.config.problem_type == "multi_label_classification"
        return with_exits(loss, self.network, multi=multi) if has_exits(self.network) else loss

    def validation(self) -> NDArray[np.float32]:
        """Logits (n, labels) float32 of the validation texts in the order of their file."""
        found = self.predict(self._valid)
        return self._pooling(found.predictions, _targets(found.label_ids))[0]

    def history(self) -> list[Evaluation]:
        """The learning curve so far, that of the interrupted run before a resume included."""
        curve: list[Evaluation] = []
        losses = _train_losses(self.state)
        for entry in self.state.log_history:
            figures = _figures(entry)
            if self.task.scores.keys() <= figures.keys():
                step, scores = int(entry["step"]), {name: figures[name] for name in self.task.scores}
                loss = self.task.valid_loss(figures)
                curve.append(Evaluation(entry["epoch"], step, losses.get(step), loss, scores))
        return curve


class Narrator(StepCounter):
    """Says a line an evaluation besides."""

    def __init__(self, *, console: Console, counter: Counter, signals: StopSignals, task: Task) -> None:
        super().__init__(counter=counter, signals=signals)
        self._task = task
        self._console = console

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        figures, loss = _figures(kwargs["metrics"]), _train_losses(state).get(state.global_step)
        logged = "" if loss is None else f"train loss {loss:.4f}, "
        scores = ", ".join(f"{called} {figures[name]:.4f}" for name, called in self._task.scores.items())
        self._console.say(
            f"epoch {state.epoch:.4g} of {state.num_train_epochs}, step {state.global_step} of {state.max_steps}: "
            f"{logged}valid loss {self._task.valid_loss(figures):.4f}, {scores}"
        )


def make_trainer(
    base: BaseModel,
    arguments: TrainingArguments,
    *,
    config: FitConfig,
    task: Task,
    train: TokenRows,
    valid: TokenRows,
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
        task=task,
        args=arguments,
        processing_class=base.tokenizer,
        data_collator=Collator(base),
        preprocess_logits_for_metrics=_logits_alone,
        compute_metrics=lambda found: _headline(*pooling(found.predictions, _targets(found.label_ids)), task=task),
        callbacks=callbacks,
    )
    # It prints to stdout, which is for data alone.
    trainer.remove_callback(PrinterCallback)
    return trainer


def _train_losses(state: TrainerState) -> dict[int, float]:
    """The mean loss of the batches since the last logging, by the step that it was logged at.

    Not every evaluation has one. With --eval-steps the last evaluation may come at a step where nothing is logged. And
    in fp16 a loss may overflow: training passes over that batch and goes on, and the mean is no number.
    """
    return {
        int(entry["step"]): entry["loss"] for entry in state.log_history if math.isfinite(entry.get("loss", math.nan))
    }


def _logits_alone(outputs: Any, _targets: torch.Tensor) -> torch.Tensor:
    """What is evaluated of a model's `outputs`: encoder-decoders give their hidden states after the logits."""
    logits: torch.Tensor = outputs[0] if isinstance(outputs, tuple) else outputs
    return logits


def _figures(logged: Mapping[str, Any]) -> dict[str, float]:
    """The figures of the validation rows in what the Trainer logged, by our names of them."""
    return {name.removeprefix("eval_"): value for name, value in logged.items() if name.startswith("eval_")}


def _headline(logits: NDArray[np.float32], targets: RowTargets, *, task: Task) -> dict[str, float]:
    if not np.isfinite(logits).all():
        raise Diverged("training diverged: the logits are not finite; try a smaller --learning-rate")
    return task.headline(logits, targets)


def _targets(label_ids: Any) -> RowTargets:
    """The Trainer's `label_ids`, which are floats where a row may have several labels, or has a number."""
    found = np.asarray(label_ids)
    if found.ndim == 2:
        return found.astype(np.int8)
    return found.astype(np.float64 if found.dtype.kind == "f" else np.int64)
