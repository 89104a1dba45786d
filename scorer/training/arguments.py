"""Our configuration in the Trainer's terms: its arguments, and the device."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from transformers import TrainingArguments

from scorer.classifier.device import (
    ChosenDevice,
    choose_device,
    choose_precision,
    has_bf16,
    use_kernels_without_plans,
)
from scorer.config import FitConfig, Precision
from scorer.errors import ConfigError, UsageError
from scorer.runs.console import Console
from scorer.stores.folder import Folder
from scorer.training.schedule import Schedule

# Of these metrics less is better.
_LESS_IS_BETTER = ("loss", "rmse", "mae")


class OneDevice(TrainingArguments):
    """TrainingArguments of a fit on one device, of which a step at least has the full learning rate.

    The Trainer splits every batch over all GPUs that it is told of (DataParallel), which is slower than one alone. And
    it warms up in all steps where there are few: the rate of the first is 0, and a training of one learns nothing.
    """

    @property
    def n_gpu(self) -> int:
        return min(int(super().n_gpu), 1)

    def get_warmup_steps(self, num_training_steps: int) -> int:
        return min(int(super().get_warmup_steps(num_training_steps)), max(num_training_steps - 1, 0))


class Arithmetic(Protocol):
    """Where a configuration wants to be computed, and in which precision."""

    @property
    def device(self) -> str: ...
    @property
    def precision(self) -> Precision: ...


def training_arguments(
    config: FitConfig, *, checkpoints: Folder, device: torch.device, precision: str, evaluation_rows: int | None = None
) -> TrainingArguments:
    """TrainingArguments for `config`, silent, writing checkpoints to `checkpoints`, on one `device`; so many
    `evaluation_rows` at once replace those of `config`."""
    return scheduled_arguments(
        config,
        checkpoints=checkpoints,
        device=device,
        precision=precision,
        per_device_eval_batch_size=evaluation_rows or config.eval_batch_size,
        metric_for_best_model=best_figure(config),
        greater_is_better=is_more_better(config),
    )


def scheduled_arguments(
    config: Schedule, *, checkpoints: Folder, device: torch.device, precision: str, **others: Any
) -> TrainingArguments:
    """The arguments of any training that goes as `config` says; those that are its own are the `others`."""
    strategy = "epoch" if config.eval_steps is None else "steps"
    return OneDevice(
        output_dir=checkpoints.resolved,
        per_device_train_batch_size=config.batch_size,
        gradient_accumulation_steps=config.gradient_accumulation,
        num_train_epochs=config.epochs,
        max_steps=config.max_steps if config.max_steps is not None else -1,
        learning_rate=config.peak_learning_rate,
        weight_decay=config.weight_decay,
        warmup_steps=config.warmup,
        lr_scheduler_type=_schedule(config),
        max_grad_norm=config.max_grad_norm,
        optim="adamw_torch_fused",
        eval_strategy=strategy,
        eval_steps=config.eval_steps,
        save_strategy=strategy,
        save_steps=config.eval_steps or 500,
        save_total_limit=2,
        load_best_model_at_end=True,
        restore_callback_states_from_checkpoint=True,
        logging_strategy=strategy,
        logging_steps=config.eval_steps or 500,
        logging_nan_inf_filter=False,
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        use_cpu=device.type == "cpu",
        dataloader_pin_memory=device.type == "cuda",
        seed=config.seed,
        report_to="none",
        disable_tqdm=True,
        **others,
    )


def best_figure(config: FitConfig) -> str:
    """What the figure that `--best-metric` means is called among those of the validation rows.

    The Trainer's own "loss" is a mean over batches, ours over rows; the root of a squared error has the same order.
    """
    if config.chosen_metric != "loss":
        return config.chosen_metric
    return "rmse" if config.regression else "nll"


def is_more_better(config: FitConfig) -> bool:
    """Whether a larger one of that figure is a better one."""
    return config.chosen_metric not in _LESS_IS_BETTER


def _schedule(config: Schedule) -> str:
    return "constant_with_warmup" if config.schedule == "constant" else config.schedule


def device_and_precision(config: Arithmetic) -> tuple[ChosenDevice, str]:
    """The device of a fit, and `fp32`, or `bf16` or `fp16` for autocast.

    `auto` on a GPU is bf16 where the GPU has it, since it needs no loss scaling, else fp16. Raises ConfigError for fp16
    on a CPU, UsageError for any but the first GPU, DeviceError as `choose_device` does.
    """
    # The Trainer takes the first GPU that it sees, whatever it is told.
    chosen = choose_device(config.device, index=0)
    device = chosen.device
    if device.index:
        raise UsageError(
            f"--device {config.device}: a fit uses the first visible GPU; set CUDA_VISIBLE_DEVICES instead"
        )
    if config.precision == "auto" and device.type == "cuda":
        return chosen, "bf16" if has_bf16(device) else "fp16"
    precision = choose_precision(config.precision, device)
    if precision == "fp16" and device.type == "cpu":
        raise ConfigError("--precision fp16: training in fp16 needs a GPU; try bf16, fp32 or auto")
    return chosen, precision


def settle_device(config: Arithmetic, console: Console) -> tuple[torch.device, str]:
    """The device and the precision of a fit; `console` is told of a GPU that cannot be used."""
    chosen, precision = device_and_precision(config)
    if chosen.concern is not None:
        console.warn(chosen.concern)
    use_kernels_without_plans(chosen.device)
    return chosen.device, precision
