"""What can be set of a fit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from scorer.config.choices import (
    COLUMNS,
    DELIMITER,
    DEVICE,
    ENCODING,
    INPUT_FORMAT,
    LABEL_COLUMNS,
    LABEL_FORM,
    LABEL_NAMES,
    LABEL_SEPARATOR,
    LATEST_MODEL,
    NO_HEADER,
    NULL_LABELS,
    PRECISION,
    QUOTE,
    REGRESSION,
    REJECTS,
    SHEET,
    SKIP_UNLABELLED,
    TEXT_COLUMNS,
    FileFormat,
    LabelForm,
    LongTextStrategy,
    Pooling,
    Precision,
    QuietSetting,
    Quote,
)
from scorer.config.data import Data
from scorer.config.network import (
    FREEZE_LAYERS,
    LAYER_DECAY,
    LAYERS,
    LORA_RANK,
    TEACHER,
    TEACHER_TEMPERATURE,
    TEACHER_WEIGHT,
)
from scorer.config.presets import Preset, in_words
from scorer.config.settings import Argument, Checked, Setting

BestMetric = Literal["accuracy", "macro_f1", "loss", "rmse", "mae", "pearson", "spearman"]

# Share of the training file that is held out where nobody names another, or a validation file.
HELD_OUT = 0.1
# Peak learning rates where nobody names another: of all weights, and of low-rank adapters, which start at nothing.
LEARNING_RATE = 1e-4
ADAPTER_LEARNING_RATE = 1e-3


@dataclass(frozen=True, kw_only=True)
class FitConfig(Checked):
    """One fine-tuning job: `train` (and `valid`) in, a model directory out.

    `preset` records which was asked for; whoever makes a configuration puts its values in, as only they know what else
    was said.
    """

    train: Annotated[Data, Argument(affects="weights", known_by="content", kept_by_model=True)]

    preset: Annotated[
        Preset,
        Setting(
            f"Defaults where nothing else is given. quick: {in_words('quick')}; best: {in_words('best')}.",
            affects="output",
        ),
    ] = "default"

    # what is learned
    valid: Annotated[
        Path | None,
        Setting(
            "Validation file; without it a stratified share of TRAIN is held out.",
            affects="weights",
            known_by="content",
            kept_by_model=True,
            metavar="FILE",
            aliases=("valid_file", "validation_file"),
        ),
    ] = None
    valid_fraction: Annotated[
        float | None,
        Setting(
            f"Share of TRAIN held out where there is no --valid; {HELD_OUT:g} when not given.",
            affects="weights",
            known_by="resolved",
            minimum=0.0,
        ),
    ] = None
    input_format: Annotated[FileFormat | None, INPUT_FORMAT.affecting("weights")] = None
    delimiter: Annotated[str | None, DELIMITER.affecting("weights")] = None
    quote: Annotated[Quote, QUOTE.affecting("weights")] = "double"
    encoding: Annotated[str | None, ENCODING.affecting("weights")] = None
    sheet: Annotated[str | None, SHEET.affecting("weights")] = None
    no_header: Annotated[bool, NO_HEADER.affecting("weights")] = False
    columns: Annotated[str | None, COLUMNS.affecting("weights")] = None
    rejects: Annotated[Path | None, REJECTS] = None
    text_column: Annotated[tuple[str, ...], TEXT_COLUMNS.affecting("weights", kept_by_model=True)] = ()
    label_column: Annotated[tuple[str, ...], LABEL_COLUMNS.affecting("weights", kept_by_model=True)] = ()
    label_separator: Annotated[str | None, LABEL_SEPARATOR.affecting("weights", kept_by_model=True)] = None
    label_form: Annotated[LabelForm, LABEL_FORM.affecting("weights", kept_by_model=True)] = "auto"
    label_names: Annotated[tuple[str, ...], LABEL_NAMES.affecting("weights", kept_by_model=True)] = ()
    regression: Annotated[bool, REGRESSION.affecting("weights")] = False
    null_labels: Annotated[tuple[str, ...], NULL_LABELS.affecting("weights", kept_by_model=True)] = ()
    skip_unlabelled: Annotated[bool, SKIP_UNLABELLED.affecting("weights")] = False
    nominal: Annotated[
        bool,
        Setting(
            "Integer labels only name, as class ids do: no order, no distances between them, no mean.",
            affects="answers",
        ),
    ] = False
    limit: Annotated[
        int | None, Setting("Use only the first N rows of TRAIN.", affects="weights", metavar="N", minimum=1)
    ] = None

    # the model
    base_model: Annotated[
        str | None,
        Setting(
            "Pretrained encoder: a hub name or a directory; the default is all-MiniLM-L6-v2.",
            affects="weights",
            known_by="resolved",
            kept_by_model=True,
            names_model=True,
            metavar="M",
            aliases=("model_name", "model_name_or_path"),
        ),
    ] = None
    layers: Annotated[int | None, LAYERS] = None
    extend_vocabulary: Annotated[
        bool,
        Setting(
            "Give characters that the base model cannot spell, and ten training rows have, tokens of their own.",
            affects="weights",
        ),
    ] = True
    max_length: Annotated[
        int,
        Setting(
            "Most tokens that the model sees at once.",
            affects="weights",
            kept_by_model=True,
            minimum=3,
            aliases=("max_seq_length",),
        ),
    ] = 128
    long_text: Annotated[
        LongTextStrategy,
        Setting(
            "A text of more tokens: cut off its end, keep head and tail, or read all of it in windows.",
            affects="weights",
            kept_by_model=True,
        ),
    ] = "truncate"
    stride: Annotated[
        int | None,
        Setting(
            "Tokens that neighbouring windows share; a quarter of --max-length when not given.",
            affects="weights",
            kept_by_model=True,
            metavar="N",
            minimum=0,
        ),
    ] = None
    pooling: Annotated[
        Pooling | None,
        Setting(
            "How the logits of a text's windows become its own; mean when not given.",
            affects=("weights", "answers"),
            kept_by_model=True,
        ),
    ] = None

    # the loss
    class_weight: Annotated[
        Literal["none", "balanced"],
        Setting("balanced: rare labels weigh more, by the inverse of their frequency.", affects="weights"),
    ] = "none"
    label_smoothing: Annotated[
        float,
        Setting(
            "Share of a target that is spread over all labels.",
            affects="weights",
            minimum=0.0,
            aliases=("label_smoothing_factor",),
        ),
    ] = 0.0
    focal_gamma: Annotated[
        float,
        Setting(
            "Focal loss: rows that are right already count less, the more so the larger.",
            affects="weights",
            minimum=0.0,
        ),
    ] = 0.0

    # a teacher
    teacher: Annotated[str | None, TEACHER] = None
    teacher_weight: Annotated[float, TEACHER_WEIGHT] = 0.5
    teacher_temperature: Annotated[float, TEACHER_TEMPERATURE] = 2.0

    exits: Annotated[
        bool,
        Setting(
            "Train layers to be left early, so that score --max-flips is faster with this model.",
            affects="weights",
        ),
    ] = False

    # what learns, and how much
    layer_decay: Annotated[float, LAYER_DECAY] = 1.0
    freeze_layers: Annotated[int, FREEZE_LAYERS] = 0
    lora_rank: Annotated[int | None, LORA_RANK] = None

    # the schedule
    epochs: Annotated[
        float,
        Setting(
            "Passes over the training data.", affects="weights", minimum=0.0, aliases=("num_train_epochs", "num_epochs")
        ),
    ] = 3.0
    max_steps: Annotated[int | None, Setting("Optimizer steps; overrides --epochs.", affects="weights", minimum=1)] = (
        None
    )
    batch_size: Annotated[
        int,
        Setting(
            "Sequences a training step sees at once.",
            affects="weights",
            minimum=1,
            aliases=("train_batch_size", "per_device_train_batch_size"),
        ),
    ] = 32
    eval_batch_size: Annotated[
        int,
        Setting(
            "Sequences at once in evaluation.", affects="weights", minimum=1, aliases=("per_device_eval_batch_size",)
        ),
    ] = 128
    gradient_accumulation: Annotated[
        int,
        Setting(
            "Batches added up before an optimizer step.",
            affects="weights",
            minimum=1,
            aliases=("gradient_accumulation_steps",),
        ),
    ] = 1
    learning_rate: Annotated[
        float | None,
        Setting(
            f"Peak learning rate; {LEARNING_RATE:g} when not given, {ADAPTER_LEARNING_RATE:g} with --lora-rank.",
            affects="weights",
            known_by="resolved",
            minimum=0.0,
            aliases=("lr",),
        ),
    ] = None
    weight_decay: Annotated[float, Setting("AdamW's weight decay.", affects="weights", minimum=0.0)] = 0.01
    warmup: Annotated[
        float,
        Setting(
            "Warm-up: a share of the steps below 1, a number of steps from 1 on.",
            affects="weights",
            minimum=0.0,
            aliases=("warmup_ratio", "warmup_steps"),
        ),
    ] = 0.1
    schedule: Annotated[
        Literal["linear", "cosine", "polynomial", "constant"],
        Setting(
            "Shape of the learning rate after the warm-up.",
            affects="weights",
            aliases=("lr_scheduler_type", "scheduler"),
        ),
    ] = "linear"
    max_grad_norm: Annotated[
        float,
        Setting(
            "Gradients are clipped to this norm; 0 switches it off.",
            affects="weights",
            minimum=0.0,
            aliases=("gradient_clipping",),
        ),
    ] = 1.0

    # when to stop, and what to keep
    eval_steps: Annotated[
        int | None,
        Setting("Evaluate every N steps; the default is every epoch.", affects="weights", metavar="N", minimum=1),
    ] = None
    best_metric: Annotated[
        BestMetric | None,
        Setting(
            "What the best checkpoint is best in, on the validation rows; the default is macro_f1, of numbers rmse.",
            affects="weights",
            known_by="resolved",
            aliases=("metric_for_best_model",),
        ),
    ] = None
    patience: Annotated[
        int | None,
        Setting(
            "Stop after N evaluations without improvement.",
            affects="weights",
            metavar="N",
            minimum=1,
            aliases=("early_stopping_patience",),
        ),
    ] = None
    patience_threshold: Annotated[
        float,
        Setting(
            "Improvement smaller than this does not count.",
            affects="weights",
            minimum=0.0,
            aliases=("early_stopping_threshold",),
        ),
    ] = 0.0

    # what is answered
    abstain: Annotated[
        float | None,
        Setting(
            "Let score abstain below the confidence from which on a share P is right, in all likelihood.",
            affects="answers",
            metavar="P",
            minimum=0.0,
        ),
    ] = None

    # the run
    precision: Annotated[Precision, PRECISION.affecting("weights")] = "auto"
    device: Annotated[str, DEVICE.affecting("weights", known_by="value")] = "auto"
    seeds: Annotated[
        int,
        Setting(
            "Fit with N seeds, from --seed on, and keep the best on the validation rows.",
            affects="weights",
            metavar="N",
            minimum=1,
        ),
    ] = 1
    seed: Annotated[
        int,
        Setting(
            "Seed of the split, the head and the order; the same seed gives the same weights.",
            affects="weights",
            minimum=0,
        ),
    ] = 42
    output: Annotated[
        Path | None,
        Setting(
            "Model directory to write; models/NAME-DATE when not given.",
            affects="nothing",
            short="-o",
            metavar="DIR",
            aliases=("output_dir",),
        ),
    ] = None
    latest: Annotated[
        bool, Setting(f"Let {LATEST_MODEL} point to the new model; --no-latest leaves it.", affects="nothing")
    ] = True
    resume: Annotated[bool, Setting("Continue from the last checkpoint of an interrupted fit.", affects="nothing")] = (
        False
    )
    strict: Annotated[
        bool, Setting("Refuse validation texts that are also training texts; else a warning.", affects="nothing")
    ] = False
    force: Annotated[bool, Setting("Replace an existing output directory.", affects="nothing")] = False
    quiet: QuietSetting = False

    @property
    def held_out(self) -> float:
        """The share of the rows that is held out where there is no validation file, strictly between 0 and 1."""
        return HELD_OUT if self.valid_fraction is None else self.valid_fraction

    @property
    def chosen_metric(self) -> BestMetric:
        """What the best checkpoint is best in."""
        if self.best_metric is not None:
            return self.best_metric
        return "rmse" if self.regression else "macro_f1"

    @property
    def peak_learning_rate(self) -> float:
        """The learning rate after the warm-up."""
        if self.learning_rate is not None:
            return self.learning_rate
        return LEARNING_RATE if self.lora_rank is None else ADAPTER_LEARNING_RATE
