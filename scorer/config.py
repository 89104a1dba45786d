"""What can be set: one frozen dataclass a job, where every default stands once, beside its explanation.

A field with a `Setting` is also a flag of the command line (`max_length` is `--max-length`), a variable of the
environment (`SCORER_MAX_LENGTH`) and a key of the configuration file, where `aliases` are further names for it.
`scorer.cli.options` makes click options of the fields, `scorer.cli.settings` reads the file; this module knows neither.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from scorer.errors import UsageError

LATEST_MODEL = "models/latest"

Precision = Literal["auto", "fp32", "bf16", "fp16"]
Backend = Literal["auto", "padded", "packed", "openvino"]
LongTextStrategy = Literal["truncate", "head-tail", "window"]
Pooling = Literal["mean", "max"]
FileFormat = Literal["parquet", "csv", "tsv", "jsonl", "arrow"]


@dataclass(frozen=True)
class Setting:
    """How a field presents itself to a person: its help line, short flag, limits and other names."""

    help: str
    short: str | None = None
    metavar: str | None = None
    minimum: float | None = None
    aliases: tuple[str, ...] = ()


def settings_of(config: type) -> Iterator[tuple[Field[Any], Setting, Any]]:
    """The fields of the dataclass `config` that are settings, each with its setting and its type."""
    hints = get_type_hints(config, include_extras=True)
    for field in fields(config):
        for extra in getattr(hints[field.name], "__metadata__", ()):
            if isinstance(extra, Setting):
                yield field, extra, hints[field.name].__origin__


class Checked:
    """A configuration whose numbers are finite and at least their settings' minimum, whoever makes it."""

    def __post_init__(self) -> None:
        for field, setting, _ in settings_of(type(self)):
            value = getattr(self, field.name)
            if setting.minimum is not None and value is not None and not value >= setting.minimum:
                raise UsageError(f"--{field.name.replace('_', '-')} {value}: {setting.minimum:g} is the least")
            if isinstance(value, float) and not math.isfinite(value):
                raise UsageError(f"--{field.name.replace('_', '-')} {value}: a finite number is needed")


Preset = Literal["quick", "default", "best"]

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
    valid_fraction: Annotated[float, Setting("Share of TRAIN held out when there is no --valid.", minimum=0.0)] = 0.1
    text_column: Annotated[
        tuple[str, ...],
        Setting(
            "Column of texts; twice for a sentence pair. Found by its name when not given.",
            metavar="C",
            aliases=("text_columns",),
        ),
    ] = ()
    label_column: Annotated[str | None, Setting("Column of labels. Found by its name when not given.", metavar="C")] = (
        None
    )
    label_separator: Annotated[str | None, Setting("Separates a row's labels in a column of texts.", metavar="SEP")] = (
        None
    )
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
    learning_rate: Annotated[float, Setting("Peak learning rate.", minimum=0.0, aliases=("lr",))] = 1e-4
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
        Setting("Let score abstain below the confidence from which on a share P is right.", metavar="P", minimum=0.0),
    ] = None

    # the run
    precision: Annotated[Precision, Setting("Arithmetic: auto is half precision where the device is fast in it.")] = (
        "auto"
    )
    device: Annotated[str, Setting("auto, cpu, cuda or cuda:N.")] = "auto"
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
    quiet: Annotated[bool, Setting("Say nothing but errors.")] = False


@dataclass(frozen=True, kw_only=True)
class CheckConfig(Checked):
    """One look at `data`, a file of texts and labels, before a model is fitted on it."""

    data: Path

    # what is looked at
    valid: Annotated[
        Path | None,
        Setting("Validation file, whose texts must not be in DATA.", metavar="FILE", aliases=("valid_file",)),
    ] = None
    text_column: Annotated[
        tuple[str, ...],
        Setting(
            "Column of texts; twice for a sentence pair. Found by its name when not given.",
            metavar="C",
            aliases=("text_columns",),
        ),
    ] = ()
    label_column: Annotated[str | None, Setting("Column of labels. Found by its name when not given.", metavar="C")] = (
        None
    )
    label_separator: Annotated[
        str | None, Setting("Between the labels of a row, where a column of text holds several.", metavar="SEP")
    ] = None
    limit: Annotated[int | None, Setting("Look only at the first N rows of DATA.", metavar="N", minimum=1)] = None

    # for which model
    base_model: Annotated[
        str | None,
        Setting(
            "Pretrained encoder, whose tokenizer counts: a hub name or a directory; the default is all-MiniLM-L6-v2.",
            metavar="M",
            aliases=("model_name", "model_name_or_path"),
        ),
    ] = None
    max_length: Annotated[int, Setting("Longest input in tokens; what is longer is said to be cut off.", minimum=3)] = (
        FitConfig.max_length
    )

    # what is said
    report: Annotated[Path | None, Setting("Write what was found here as a page (HTML).", metavar="FILE")] = None
    strict: Annotated[bool, Setting("Exit with 65 when there is a warning or an error.")] = False
    quiet: Annotated[bool, Setting("Say nothing but errors.")] = False


@dataclass(frozen=True, kw_only=True)
class FrameConfig(Checked):
    """How rows are scored, wherever they come from: `model`, what it reads, what comes out, how it is computed."""

    # what is scored, by what
    model: Annotated[str, Setting("Model directory or hub name.", short="-m", metavar="MODEL")] = LATEST_MODEL
    text_column: Annotated[
        tuple[str, ...],
        Setting(
            "Column of texts; twice for a pair. The default is the model's own.",
            metavar="C",
            aliases=("text_columns",),
        ),
    ] = ()
    max_length: Annotated[
        int | None, Setting("Longest input in tokens; the default is the model's own.", minimum=3)
    ] = None

    # what comes out
    prefix: Annotated[str, Setting("Put before the names of the appended columns.", metavar="P")] = ""
    probabilities: Annotated[bool, Setting("Append a struct with the probability of every label.")] = False
    expected: Annotated[bool, Setting("Append the probability-weighted mean of numeric labels.")] = False
    top_k: Annotated[
        int | None, Setting("Append the K likeliest labels with their probabilities.", metavar="K", minimum=1)
    ] = None
    token_count: Annotated[bool, Setting("Append the number of tokens that the model saw.")] = False

    # how it is computed
    precision: Annotated[Precision, Setting("Arithmetic: auto is half precision where the device is fast in it.")] = (
        "auto"
    )
    device: Annotated[str, Setting("auto, cpu, cuda or cuda:N.")] = "auto"
    backend: Annotated[
        Backend,
        Setting("Forward pass: packed (BERT family), openvino (CPU), padded (any model); auto chooses and says why."),
    ] = "auto"
    batch_tokens: Annotated[
        int | None, Setting("Tokens the device sees at once; the default suits the device.", metavar="N", minimum=1)
    ] = None


@dataclass(frozen=True, kw_only=True)
class ScoreConfig(FrameConfig):
    """One scoring job: `source` streamed through `model` into `target`."""

    source: str
    target: str

    # the files
    limit: Annotated[int | None, Setting("Score only the first N rows.", metavar="N", minimum=1)] = None
    input_format: Annotated[FileFormat | None, Setting("Format of IN when its ending does not say.")] = None
    output_format: Annotated[FileFormat | None, Setting("Format of OUT when its ending does not say.")] = None
    window_rows: Annotated[int, Setting("Most rows read, tokenized and ordered together.", metavar="N", minimum=1)] = (
        65_536
    )

    # what is refused
    max_flagged: Annotated[
        str | None,
        Setting("Publish nothing when more rows than N, or P% of all, have no score.", metavar="N|P%"),
    ] = None
    min_rows: Annotated[
        int | None, Setting("Publish nothing when the input has fewer rows.", metavar="N", minimum=0)
    ] = None
    fail_on_drift: Annotated[
        float | None,
        Setting(
            "Publish nothing when the rows differ from the training data by a stability index (PSI) above X.",
            metavar="X",
            minimum=0.0,
        ),
    ] = None
    rejects: Annotated[
        Path | None, Setting("Set malformed records aside in this file (JSON lines) and go on.", metavar="FILE")
    ] = None

    # what is said of the run
    report: Annotated[
        Path | None, Setting("Write the run's manifest here (JSON), when it fails too.", metavar="FILE")
    ] = None
    textfile: Annotated[
        Path | None, Setting("Write the run's metrics here (Prometheus text), when it fails too.", metavar="FILE")
    ] = None

    # what is kept
    cache: Annotated[
        Path | None, Setting("Keep scores here, so that the next run pays only for new text.", metavar="DIR")
    ] = None
    reuse: Annotated[
        bool, Setting("Score equal texts once and keep scores for a resume; --no-reuse for benchmarks.")
    ] = True
    dry_run: Annotated[bool, Setting("Estimate rows, tokens, time and memory from a sample; write nothing.")] = False
    force: Annotated[bool, Setting("Replace an existing OUT.")] = False
    quiet: Annotated[bool, Setting("Say nothing but errors.")] = False
