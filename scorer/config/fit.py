"""What can be set of a fit, and the named sets of its defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from scorer.config.choices import (
    DeviceSetting,
    FileLabelColumn,
    FileLabelSeparator,
    FileTextColumns,
    LongTextStrategy,
    Pooling,
    PrecisionSetting,
    QuietSetting,
)
from scorer.config.settings import Checked, Setting

Preset = Literal["quick", "default", "best"]

# Share of the training file that is held out where nobody names another, or a validation file.
HELD_OUT = 0.1
# Peak learning rates where nobody names another: of all weights, and of low-rank adapters, which start at nothing.
LEARNING_RATE = 1e-4
ADAPTER_LEARNING_RATE = 1e-3

# Named sets of defaults: whatever a flag, the environment or a configuration file says of these settings wins.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "quick": {"epochs": 1.0, "max_length": 64},
    "default": {},
    "best": {"seeds": 3},
}


def _in_words(preset: str) -> str:
    return " ".join(f"--{field.replace('_', '-')} {value}" for field, value in PRESETS[preset].items())


@dataclass(frozen=True, kw_only=True)
class FitConfig(Checked):
    """One fine-tuning job: `train` (and `valid`) in, a model directory out.

    `preset` records which was asked for; whoever makes a configuration puts its values in, as only they know what else
    was said.
    """

    train: Path

    preset: Annotated[
        Preset,
        Setting(f"Defaults where nothing else is given. quick: {_in_words('quick')}; best: {_in_words('best')}."),
    ] = "default"

    # what is learned
    valid: Annotated[
        Path | None,
        Setting(
            "Validation file; without it a stratified share of TRAIN is held out.",
            metavar="FILE",
            aliases=("valid_file", "validation_file"),
        ),
    ] = None
    valid_fraction: Annotated[
        float | None,
        Setting(f"Share of TRAIN held out where there is no --valid; {HELD_OUT:g} when not given.", minimum=0.0),
    ] = None
    text_column: FileTextColumns = ()
    label_column: FileLabelColumn = None
    label_separator: FileLabelSeparator = None
    nominal: Annotated[
        bool, Setting("Integer labels only name, as class ids do: no order, no distances between them, no mean.")
    ] = False
    limit: Annotated[int | None, Setting("Use only the first N rows of TRAIN.", metavar="N", minimum=1)] = None

    # the model
    base_model: Annotated[
        str | None,
        Setting(
            "Pretrained encoder: a hub name or a directory; the default is all-MiniLM-L6-v2.",
            metavar="M",
            aliases=("model_name", "model_name_or_path"),
        ),
    ] = None
    extend_vocabulary: Annotated[
        bool,
        Setting("Give characters that the base model cannot spell, and ten training rows have, tokens of their own."),
    ] = True
    max_length: Annotated[
        int, Setting("Most tokens that the model sees at once.", minimum=3, aliases=("max_seq_length",))
    ] = 128
    long_text: Annotated[
        LongTextStrategy,
        Setting("A text of more tokens: cut off its end, keep head and tail, or read all of it in windows."),
    ] = "truncate"
    stride: Annotated[
        int | None,
        Setting(
            "Tokens that neighbouring windows share; a quarter of --max-length when not given.", metavar="N", minimum=0
        ),
    ] = None
    pooling: Annotated[
        Pooling | None, Setting("How the logits of a text's windows become its own; mean when not given.")
    ] = None

    # the loss
    class_weight: Annotated[
        Literal["none", "balanced"],
        Setting("balanced: rare labels weigh more, by the inverse of their frequency."),
    ] = "none"
    label_smoothing: Annotated[
        float,
        Setting("Share of a target that is spread over all labels.", minimum=0.0, aliases=("label_smoothing_factor",)),
    ] = 0.0
    focal_gamma: Annotated[
        float, Setting("Focal loss: rows that are right already count less, the more so the larger.", minimum=0.0)
    ] = 0.0

    # what learns, and how much
    layer_decay: Annotated[
        float, Setting("Learning rate of a layer over that of the one above; the head has the full rate.", minimum=0.0)
    ] = 1.0
    freeze_layers: Annotated[
        int, Setting("Do not train the embeddings and the lowest N layers; 0 trains all.", metavar="N", minimum=0)
    ] = 0
    lora_rank: Annotated[
        int | None,
        Setting("Train low-rank adapters of rank R and the head alone (extra lora).", metavar="R", minimum=1),
    ] = None

    # the schedule
    epochs: Annotated[
        float, Setting("Passes over the training data.", minimum=0.0, aliases=("num_train_epochs", "num_epochs"))
    ] = 3.0
    max_steps: Annotated[int | None, Setting("Optimizer steps; overrides --epochs.", minimum=1)] = None
    batch_size: Annotated[
        int,
        Setting(
            "Sequences a training step sees at once.",
            minimum=1,
            aliases=("train_batch_size", "per_device_train_batch_size"),
        ),
    ] = 32
    eval_batch_size: Annotated[
        int, Setting("Sequences at once in evaluation.", minimum=1, aliases=("per_device_eval_batch_size",))
    ] = 128
    gradient_accumulation: Annotated[
        int, Setting("Batches added up before an optimizer step.", minimum=1, aliases=("gradient_accumulation_steps",))
    ] = 1
    learning_rate: Annotated[
        float | None,
        Setting(
            f"Peak learning rate; {LEARNING_RATE:g} when not given, {ADAPTER_LEARNING_RATE:g} with --lora-rank.",
            minimum=0.0,
            aliases=("lr",),
        ),
    ] = None
    weight_decay: Annotated[float, Setting("AdamW's weight decay.", minimum=0.0)] = 0.01
    warmup: Annotated[
        float,
        Setting(
            "Warm-up: a share of the steps below 1, a number of steps from 1 on.",
            minimum=0.0,
            aliases=("warmup_ratio", "warmup_steps"),
        ),
    ] = 0.1
    schedule: Annotated[
        Literal["linear", "cosine", "polynomial", "constant"],
        Setting("Shape of the learning rate after the warm-up.", aliases=("lr_scheduler_type", "scheduler")),
    ] = "linear"
    max_grad_norm: Annotated[
        float,
        Setting("Gradients are clipped to this norm; 0 switches it off.", minimum=0.0, aliases=("gradient_clipping",)),
    ] = 1.0

    # when to stop, and what to keep
    eval_steps: Annotated[
        int | None, Setting("Evaluate every N steps; the default is every epoch.", metavar="N", minimum=1)
    ] = None
    best_metric: Annotated[
        Literal["macro_f1", "accuracy", "loss"],
        Setting("What the best checkpoint is best in, on the validation rows.", aliases=("metric_for_best_model",)),
    ] = "macro_f1"
    patience: Annotated[
        int | None,
        Setting(
            "Stop after N evaluations without improvement.",
            metavar="N",
            minimum=1,
            aliases=("early_stopping_patience",),
        ),
    ] = None
    patience_threshold: Annotated[
        float,
        Setting("Improvement smaller than this does not count.", minimum=0.0, aliases=("early_stopping_threshold",)),
    ] = 0.0

    # what is answered
    abstain: Annotated[
        float | None,
        Setting(
            "Let score abstain below the confidence from which on a share P is right, in all likelihood.",
            metavar="P",
            minimum=0.0,
        ),
    ] = None

    # the run
    precision: PrecisionSetting = "auto"
    device: DeviceSetting = "auto"
    seeds: Annotated[
        int,
        Setting("Fit with N seeds, from --seed on, and keep the best on the validation rows.", metavar="N", minimum=1),
    ] = 1
    seed: Annotated[
        int, Setting("Seed of the split, the head and the order; the same seed gives the same weights.", minimum=0)
    ] = 42
    output: Annotated[
        Path | None,
        Setting(
            "Model directory to write; models/NAME-DATE when not given.",
            short="-o",
            metavar="DIR",
            aliases=("output_dir",),
        ),
    ] = None
    resume: Annotated[bool, Setting("Continue from the last checkpoint of an interrupted fit.")] = False
    strict: Annotated[bool, Setting("Refuse validation texts that are also training texts; else a warning.")] = False
    force: Annotated[bool, Setting("Replace an existing output directory.")] = False
    quiet: QuietSetting = False

    @property
    def held_out(self) -> float:
        """The share of the rows that is held out where there is no validation file, strictly between 0 and 1."""
        return HELD_OUT if self.valid_fraction is None else self.valid_fraction

    @property
    def peak_learning_rate(self) -> float:
        """The learning rate after the warm-up."""
        if self.learning_rate is not None:
            return self.learning_rate
        return LEARNING_RATE if self.lora_rank is None else ADAPTER_LEARNING_RATE
