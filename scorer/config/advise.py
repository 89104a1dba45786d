"""What can be set of an advice: which base model, which length, which preset for a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

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
    Precision,
    QuietSetting,
    Quote,
)
from scorer.config.data import Data
from scorer.config.fit import FitConfig
from scorer.config.settings import Argument, Checked, Setting


@dataclass(frozen=True, kw_only=True)
class AdviseConfig(Checked):
    """One advice on how to fit `train`."""

    train: Annotated[Data, Argument(affects="output", known_by="content")]

    # what is read
    input_format: Annotated[FileFormat | None, INPUT_FORMAT] = None
    delimiter: Annotated[str | None, DELIMITER] = None
    quote: Annotated[Quote, QUOTE] = "double"
    encoding: Annotated[str | None, ENCODING] = None
    sheet: Annotated[str | None, SHEET] = None
    no_header: Annotated[bool, NO_HEADER] = False
    columns: Annotated[str | None, COLUMNS] = None
    rejects: Annotated[Path | None, REJECTS] = None
    text_column: Annotated[tuple[str, ...], TEXT_COLUMNS] = ()
    label_column: Annotated[tuple[str, ...], LABEL_COLUMNS] = ()
    label_separator: Annotated[str | None, LABEL_SEPARATOR] = None
    label_form: Annotated[LabelForm, LABEL_FORM] = "auto"
    label_names: Annotated[tuple[str, ...], LABEL_NAMES] = ()
    regression: Annotated[bool, REGRESSION] = False
    null_labels: Annotated[tuple[str, ...], NULL_LABELS] = ()
    skip_unlabelled: Annotated[bool, SKIP_UNLABELLED] = False
    limit: Annotated[
        int | None, Setting("Use only the first N rows of TRAIN.", affects="output", metavar="N", minimum=1)
    ] = None

    # what is tried
    candidates: Annotated[
        tuple[str, ...],
        Setting(
            "Base models to try, with commas between: directories or hub names; M@N is the lowest N layers of M, and "
            "`default` all-MiniLM-L6-v2. Without it: that, its lowest 3 layers, and what `adapt` wrote beside "
            "models/latest.",
            affects="output",
            metavar="M,M,...",
        ),
    ] = ()
    minutes: Annotated[float, Setting("Time to try them.", affects="output", metavar="N", minimum=0.0)] = 3.0

    # the run
    precision: Annotated[Precision, PRECISION.affecting("output")] = "auto"
    device: Annotated[str, DEVICE.affecting("output", known_by="value")] = "auto"
    seed: Annotated[int, Setting("Seed of the sample, the heads and the order.", affects="output", minimum=0)] = (
        FitConfig.seed
    )
    quiet: QuietSetting = False
