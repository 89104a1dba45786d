"""A Trainer whose interrupted training goes on as if nothing had been: what is logged of it, and when it stops.

Every training of this project is one; what is learned, and from what, stands elsewhere. The Trainer is changed through
its public methods alone.
"""

# ruff: noqa: ARG002 (the Trainer hands every argument to every event)

from __future__ import annotations

import time
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, Sampler, SequentialSampler
from transformers import PreTrainedModel, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from scorer.errors import Interrupted
from scorer.runs.console import Counter
from scorer.runs.signals import StopSignals


class LossSinceLogging(TrainerCallback):
    """Adds up the losses since the last logging, and saves the sum where a checkpoint comes before the next one.

    The Trainer does not save that sum: a fit that goes on would log the mean of its own steps alone.
    """

    def __init__(self) -> None:
        self._sum: torch.Tensor | float = 0.0
        self._logged_at = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._sum, self._logged_at = 0.0, state.global_step
        left = state.log_history[-1] if state.log_history else {}
        if "unlogged_loss" in left and left["step"] == state.global_step:
            self._sum = left["unlogged_loss"]
            self._logged_at -= int(left["unlogged_steps"])

    def add(self, loss: torch.Tensor) -> None:
        """Count the `loss` () of a step, or its part of it where gradients of several batches are added up."""
        self._sum = self._sum + loss.detach()

    def mean(self, step: int) -> float:
        """The mean loss of the steps up to this one that had not been logged; from now on they have been."""
        mean = float(self._sum) / (step - self._logged_at)
        self._sum, self._logged_at = 0.0, step
        return mean

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if control.should_save and not control.should_log:
            steps = state.global_step - self._logged_at
            unlogged = {"step": state.global_step, "unlogged_loss": float(self._sum), "unlogged_steps": steps}
            state.log_history.append(unlogged)


class ResumableTrainer(Trainer):
    """A Trainer of `network` on rows that their data set hands out a batch at once; those that it evaluates come in
    their order."""

    def __init__(self, *, network: PreTrainedModel, train: Dataset[Any], valid: Dataset[Any], **options: Any) -> None:
        super().__init__(model=network, train_dataset=train, eval_dataset=valid, **options)
        self.network = network
        self._measured_on = valid
        self._losses = LossSinceLogging()
        # Behind all others, of which one may ask for a checkpoint.
        self.add_callback(self._losses)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader[Any]:
        rows: Any = self._measured_on if eval_dataset is None else eval_dataset
        return self.batches(rows, self.args.eval_batch_size, SequentialSampler(rows))

    def get_test_dataloader(self, test_dataset: Any) -> DataLoader[Any]:
        return self.get_eval_dataloader(test_dataset)

    def batches(self, rows: Dataset[Any], size: int, order: Sampler[int]) -> DataLoader[Any]:
        """Batches of `size` rows in `order`."""
        batches: DataLoader[Any] = self.accelerator.prepare(
            DataLoader(
                rows,
                batch_size=size,
                sampler=order,
                collate_fn=self.data_collator,
                pin_memory=self.args.dataloader_pin_memory,
            )
        )
        return batches

    def training_step(self, *arguments: Any, **options: Any) -> torch.Tensor:
        loss: torch.Tensor = super().training_step(*arguments, **options)
        self.count_loss(loss)
        return loss

    def count_loss(self, loss: torch.Tensor) -> None:
        """Log the `loss` () of a step, or of its part where gradients of several batches are added up, in its time."""
        self._losses.add(loss)

    def log(self, logs: dict[str, float], *arguments: Any, **options: Any) -> None:
        """Log `logs`, their loss that of all steps since the last one, whichever process made them."""
        if "loss" in logs:
            logs = logs | {"loss": self._losses.mean(self.state.global_step)}
        super().log(logs, *arguments, **options)

    def learn_from(self, batch: dict[str, torch.Tensor]) -> None:
        """Have the gradients of a batch, outside of training."""
        network: Any = self.network
        network.train()
        with self.compute_loss_context_manager(), self.accelerator.autocast():
            loss: Any = self.compute_loss(network, {name: v.to(self.args.device) for name, v in batch.items()})
        loss.backward()
        float(loss.detach())

    def seconds_a_step(self, steps: int) -> float:
        """How long one of `steps` steps takes, without changing a weight; the first two, in which much is done for the
        first time, do not count."""
        took = []
        network: Any = self.network
        network.to(self.args.device)
        for _, batch in zip(range(steps), self.get_train_dataloader(), strict=False):
            started = time.monotonic()
            self.learn_from(batch)
            took.append(time.monotonic() - started)
            self.network.zero_grad()
        counted = took[2:] or took
        return sum(counted) / len(counted) * self.args.gradient_accumulation_steps


class StepCounter(TrainerCallback):
    """Counts steps on the progress bar, and stops at a signal once a checkpoint is saved."""

    def __init__(self, *, counter: Counter, signals: StopSignals) -> None:
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
            # will be a checkpoint anyway. It comes after an evaluation, which nobody would make later.
            within = state.global_step < state.max_steps and (state.epoch or 0.0) % 1
            control.should_save = control.should_save or bool(within)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._signals.check()
