"""The Trainer of an adaptation: hidden tokens are filled in, and how well is measured on texts that are held out."""

# ruff: noqa: ARG002 (the Trainer hands every argument to every event)

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from transformers import PrinterCallback, TrainerControl, TrainerState, TrainingArguments

from scorer.adapting.masked_model import MaskedModel, predictions
from scorer.adapting.packing import Rows
from scorer.adapting.rows import Batch, Visits
from scorer.metrics.masked import MaskedFigures
from scorer.reports.fit_page import Evaluation
from scorer.runs.console import Console, Counter
from scorer.runs.signals import StopSignals
from scorer.training.resumable import ResumableTrainer, StepCounter
from scorer.training.trainer import Diverged


class AdaptTrainer(ResumableTrainer):
    """A Trainer whose loss is that of the hidden tokens, and of pairs that of telling what follows what besides."""

    def __init__(self, *, base: MaskedModel, train: Rows, valid: Rows, **options: Any) -> None:
        super().__init__(
            network=base.model,
            train=train,
            valid=valid,
            processing_class=base.tokenizer,
            data_collator=_as_it_is,
            **options,
        )
        self._rows, self._held_out = train, valid
        # The loss is a batch's share of the mean over the step: see `_share`.
        self.model_accepts_loss_kwargs = False
        self._step: list[Batch] = []
        # It prints to stdout, which is for data alone.
        self.remove_callback(PrinterCallback)

    def get_train_dataloader(self) -> DataLoader[Any]:
        return self.batches(self._rows, self.args.train_batch_size, Visits(len(self._rows), seed=self.args.seed))

    def get_batch_samples(self, *arguments: Any, **options: Any) -> Any:
        """The batches whose gradients are added up to the next step, and what the Trainer counts of them."""
        found = super().get_batch_samples(*arguments, **options)
        self._step = found[0]
        return found

    def compute_loss(self, model: Any, inputs: Batch, *_: Any, **__: Any) -> torch.Tensor:
        tokens, follows = predictions(model, self.network, inputs)
        loss = self._share(tokens, inputs, "targets")
        if follows is not None:
            loss = loss + self._share(follows, inputs, "next_sentence_label")
        return loss

    def _share(self, logits: torch.Tensor, inputs: Batch, name: str) -> torch.Tensor:
        """What the answers to `inputs[name]` (m,) add to the mean loss of all such answers of a step, times the batches
        of the step, by which the Trainer divides. A batch alone has their mean."""
        answers = inputs[name]
        if not len(answers):  # of texts that the vocabulary does not spell nothing is hidden
            return logits.float().sum()
        of_step = [len(batch[name]) for batch in self._step] or [len(answers)]
        return cross_entropy(logits.float(), answers) * (len(answers) * len(of_step) / sum(of_step))

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Measure on the texts that are held out; what the Trainer logs of it. Diverged when the loss is no number."""
        figures = self.measure()
        if not math.isfinite(figures.loss):
            raise Diverged("training diverged: the loss is not finite; try a smaller --learning-rate")
        found = {f"eval_{name}": float(value) for name, value in figures.as_dict().items()}
        self.log(dict(found))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, found)
        return found

    @torch.inference_mode()
    def measure(self) -> MaskedFigures:
        """How well the network fills in the tokens that are hidden of the texts held out: the same ones every time."""
        network: Any = self.network
        model = network.to(self.args.device).eval()
        loss, right, tokens, told, pairs = 0.0, 0, 0, 0, 0
        for batch in self.get_eval_dataloader():
            there = {name: values.to(self.args.device) for name, values in batch.items()}
            with self.compute_loss_context_manager(), self.accelerator.autocast():
                logits, follows = predictions(model, self.network, there)
            targets = there["targets"]
            loss += float(cross_entropy(logits.float(), targets, reduction="sum").double())
            right += int((logits.argmax(-1) == targets).sum())
            tokens += len(targets)
            if follows is not None:
                told += int((follows.argmax(-1) == there["next_sentence_label"]).sum())
                pairs += len(follows)
        return MaskedFigures(tokens, loss / tokens, right / tokens, told / pairs if pairs else None)

    def history(self) -> list[Evaluation]:
        """The learning curve so far, that of the interrupted run before a resume included."""
        losses = {int(entry["step"]): entry["loss"] for entry in self.state.log_history if "loss" in entry}
        return [
            Evaluation(
                entry["epoch"],
                int(entry["step"]),
                losses.get(int(entry["step"])),
                entry["eval_loss"],
                {"accuracy": entry["eval_accuracy"]},
            )
            for entry in self.state.log_history
            if "eval_loss" in entry
        ]


def _as_it_is(batch: Batch) -> Batch:
    """The rows hand out whole batches."""
    return batch


class AdaptNarrator(StepCounter):
    """Says a line a measurement besides, and ends the training when its `minutes` are over."""

    def __init__(self, *, console: Console, counter: Counter, signals: StopSignals, minutes: float | None) -> None:
        super().__init__(counter=counter, signals=signals)
        self._console = console
        self._seconds = None if minutes is None else 60.0 * minutes

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        super().on_train_begin(args, state, control, **kwargs)
        self._began = time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        super().on_step_end(args, state, control, **kwargs)
        if self._seconds is not None and time.monotonic() - self._began > self._seconds:
            control.should_log = control.should_evaluate = control.should_save = control.should_training_stop = True

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        found: Mapping[str, float] = kwargs["metrics"]
        logged = [
            f"train loss {entry['loss']:.4f}, "
            for entry in state.log_history
            if entry.get("step") == state.global_step and "loss" in entry
        ]
        figures = MaskedFigures(
            tokens=int(found["eval_tokens"]),
            loss=found["eval_loss"],
            accuracy=found["eval_accuracy"],
            next_accuracy=found.get("eval_next_accuracy"),
        )
        self._console.say(
            f"epoch {state.epoch:.4g}, step {state.global_step} of {state.max_steps}: "
            f"{''.join(logged)}{figures.describe()}"
        )
