"""What can be set of an adaptation to texts without labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from scorer.config.choices import (
    COLUMNS,
    DELIMITER,
    DEVICE,
    ENCODING,
    INPUT_FORMAT,
    NO_HEADER,
    PRECISION,
    QUOTE,
    REJECTS,
    SHEET,
    TEXT_COLUMNS,
    FileFormat,
    Precision,
    QuietSetting,
    Quote,
)
from scorer.config.data import Data
from scorer.config.fit import FitConfig
from scorer.config.settings import Argument, Checked, Setting, settings_of

# What an adaptation shares with a fit is explained there.
_OF_FIT: Final = {field.name: setting for field, setting, _ in settings_of(FitConfig)}
_BASE_MODEL: Final = _OF_FIT["base_model"]
_BATCH_SIZE: Final = _OF_FIT["batch_size"]
_EVAL_BATCH_SIZE: Final = _OF_FIT["eval_batch_size"]
_GRADIENT_ACCUMULATION: Final = _OF_FIT["gradient_accumulation"]
_WEIGHT_DECAY: Final = _OF_FIT["weight_decay"]
_WARMUP: Final = _OF_FIT["warmup"]
_SCHEDULE: Final = _OF_FIT["schedule"]
_MAX_GRAD_NORM: Final = _OF_FIT["max_grad_norm"]

# Share of the texts that is held out where nobody names another, or a file of them.
HELD_OUT_TEXTS: Final = 0.05
# Peak learning rates where nobody names another: of a model that knows a language, and of one that knows nothing yet.
ADAPTING_RATE: Final = 1e-4
SCRATCH_RATE: Final = 1e-3
# The model that --from-scratch makes where nobody says otherwise.
VOCABULARY: Final = 8_000
LAYERS: Final = 4
HIDDEN: Final = 256
HEADS: Final = 4


@dataclass(frozen=True, kw_only=True)
class AdaptConfig(Checked):
    """One adaptation: texts without labels in, a base model for `scorer fit` out."""

    data: Annotated[Data, Argument(affects="weights", known_by="content", kept_by_model=True)]

    # what is read
    valid: Annotated[
        Path | None,
        Setting(
            "File of texts to measure on; without it a share of TEXTS is held out.",
            affects="weights",
            known_by="content",
            kept_by_model=True,
            metavar="FILE",
        ),
    ] = None
    valid_fraction: Annotated[
        float | None,
        Setting(
            f"Share of TEXTS held out where there is no --valid; {HELD_OUT_TEXTS:g} when not given.",
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
    limit: Annotated[
        int | None, Setting("Use only the first N rows of TEXTS.", affects="weights", metavar="N", minimum=1)
    ] = None

    # the model
    base_model: Annotated[str | None, _BASE_MODEL] = None
    extend_vocabulary: Annotated[
        bool,
        Setting(
            "Give characters that the base model cannot spell, and ten texts have, tokens of their own.",
            affects="weights",
        ),
    ] = True
    max_length: Annotated[
        int,
        Setting(
            "Tokens of a block of text, which the model sees at once.",
            affects="weights",
            kept_by_model=True,
            minimum=8,
            aliases=("max_seq_length",),
        ),
    ] = FitConfig.max_length
    from_scratch: Annotated[
        bool,
        Setting("Make a tokenizer and a small BERT from nothing but TEXTS, of any language.", affects="weights"),
    ] = False
    vocab_size: Annotated[
        int | None,
        Setting(
            f"Tokens of the tokenizer --from-scratch makes, at most; {VOCABULARY:,} when not given.",
            affects="weights",
            known_by="resolved",
            metavar="N",
            minimum=8,
        ),
    ] = None
    layers: Annotated[
        int | None,
        Setting(
            f"Layers of the model --from-scratch makes; {LAYERS} when not given.",
            affects="weights",
            known_by="resolved",
            metavar="N",
            minimum=1,
        ),
    ] = None
    hidden: Annotated[
        int | None,
        Setting(
            f"Width of its layers; {HIDDEN} when not given.",
            affects="weights",
            known_by="resolved",
            metavar="N",
            minimum=8,
        ),
    ] = None
    heads: Annotated[
        int | None,
        Setting(
            f"Heads of its attention; {HEADS} when not given.",
            affects="weights",
            known_by="resolved",
            metavar="N",
            minimum=1,
        ),
    ] = None

    # what is learned
    whole_words: Annotated[bool, Setting("Hide whole words, and not single tokens of them.", affects="weights")] = False
    nsp: Annotated[
        bool,
        Setting(
            "Learn, too, whether one part of a document follows another: each text is a document of several sentences.",
            affects="weights",
        ),
    ] = False

    # the schedule
    epochs: Annotated[float, Setting("Passes over the texts.", affects="weights", minimum=0.0)] = 1.0
    max_steps: Annotated[int | None, Setting("Optimizer steps; overrides --epochs.", affects="weights", minimum=1)] = (
        None
    )
    minutes: Annotated[
        float | None,
        Setting(
            "Time of the training at most; as many steps as that allows, by a measurement at its beginning.",
            affects="weights",
            metavar="N",
            minimum=0.0,
        ),
    ] = None
    batch_size: Annotated[int, _BATCH_SIZE] = FitConfig.batch_size
    eval_batch_size: Annotated[int, _EVAL_BATCH_SIZE] = 32
    gradient_accumulation: Annotated[int, _GRADIENT_ACCUMULATION] = FitConfig.gradient_accumulation
    learning_rate: Annotated[
        float | None,
        Setting(
            f"Peak learning rate; {ADAPTING_RATE:g} when not given, {SCRATCH_RATE:g} with --from-scratch.",
            affects="weights",
            known_by="resolved",
            minimum=0.0,
            aliases=("lr",),
        ),
    ] = None
    weight_decay: Annotated[float, _WEIGHT_DECAY] = FitConfig.weight_decay
    warmup: Annotated[float, _WARMUP] = FitConfig.warmup
    schedule: Annotated[Literal["linear", "cosine", "polynomial", "constant"], _SCHEDULE] = FitConfig.schedule
    max_grad_norm: Annotated[float, _MAX_GRAD_NORM] = FitConfig.max_grad_norm
    eval_steps: Annotated[
        int | None,
        Setting(
            "Measure, and keep a checkpoint, every N steps; a tenth of them when not given, 1,000 at most.",
            affects="weights",
            metavar="N",
            minimum=1,
        ),
    ] = None

    # the run
    precision: Annotated[Precision, PRECISION.affecting("weights")] = "auto"
    device: Annotated[str, DEVICE.affecting("weights", known_by="value")] = "auto"
    seed: Annotated[
        int,
        Setting(
            "Seed of what is held out, hidden and drawn; the same seed gives the same weights.",
            affects="weights",
            minimum=0,
        ),
    ] = FitConfig.seed
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
    resume: Annotated[bool, Setting("Continue from the last checkpoint of an interrupted run.", affects="nothing")] = (
        False
    )
    force: Annotated[bool, Setting("Replace an existing output directory.", affects="nothing")] = False
    quiet: QuietSetting = False

    @property
    def held_out(self) -> float:
        """The share of the texts that is held out where there is no file of them."""
        return HELD_OUT_TEXTS if self.valid_fraction is None else self.valid_fraction

    @property
    def peak_learning_rate(self) -> float:
        """The learning rate after the warm-up."""
        if self.learning_rate is not None:
            return self.learning_rate
        return SCRATCH_RATE if self.from_scratch else ADAPTING_RATE

    @property
    def shape(self) -> dict[str, int]:
        """The size of the model that is made from nothing, by the names of the settings."""
        asked = {"vocab_size": self.vocab_size, "layers": self.layers, "hidden": self.hidden, "heads": self.heads}
        usual = {"vocab_size": VOCABULARY, "layers": LAYERS, "hidden": HIDDEN, "heads": HEADS}
        return {name: usual[name] if value is None else value for name, value in asked.items()}
