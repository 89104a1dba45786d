"""What can be set of a look at training data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from scorer.config.choices import (
    COLUMNS,
    DELIMITER,
    ENCODING,
    INPUT_FORMAT,
    LABEL_COLUMNS,
    LABEL_FORM,
    LABEL_NAMES,
    LABEL_SEPARATOR,
    NO_HEADER,
    NULL_LABELS,
    QUOTE,
    REGRESSION,
    REJECTS,
    SHEET,
    SKIP_UNLABELLED,
    TEXT_COLUMNS,
    FileFormat,
    LabelForm,
    QuietSetting,
    Quote,
)
from scorer.config.data import Data
from scorer.config.fit import FitConfig
from scorer.config.settings import Argument, Checked, Setting


@dataclass(frozen=True, kw_only=True)
class CheckConfig(Checked):
    """One look at `data`, a file of texts and labels, before a model is fitted on it."""

    data: Annotated[Data, Argument(affects="output", known_by="content")]

    # what is looked at
    valid: Annotated[
        Path | None,
        Setting(
            "Validation file, whose texts must not be in DATA.",
            affects="output",
            known_by="content",
            metavar="FILE",
            aliases=("valid_file",),
        ),
    ] = None
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
        int | None, Setting("Look only at the first N rows of DATA.", affects="output", metavar="N", minimum=1)
    ] = None

    # for which model
    base_model: Annotated[
        str | None,
        Setting(
            "Pretrained encoder, whose tokenizer counts: a hub name or a directory; the default is all-MiniLM-L6-v2.",
            affects="output",
            known_by="resolved",
            names_model=True,
            metavar="M",
            aliases=("model_name", "model_name_or_path"),
        ),
    ] = None
    max_length: Annotated[
        int, Setting("Longest input in tokens; what is longer is said to be cut off.", affects="output", minimum=3)
    ] = FitConfig.max_length

    # what is said
    report: Annotated[
        Path | None, Setting("Write what was found here as a page (HTML).", affects="nothing", metavar="FILE")
    ] = None
    strict: Annotated[
        bool, Setting("Exit with 65 for a warning, too, and not only for an error.", affects="nothing")
    ] = False
    quiet: QuietSetting = False
