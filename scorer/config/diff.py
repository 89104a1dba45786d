"""What can be set of the comparison of two models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from scorer.config.choices import (
    COLUMNS,
    DELIMITER,
    ENCODING,
    LABEL_FORM,
    LABEL_NAMES,
    NO_HEADER,
    NULL_LABELS,
    QUOTE,
    REJECTS,
    SHEET,
    BackendSetting,
    BatchTokensSetting,
    DeviceSetting,
    FileFormat,
    LabelForm,
    ModelLabelSeparator,
    PrecisionSetting,
    QuietSetting,
    Quote,
)
from scorer.config.data import Data
from scorer.config.settings import Argument, Checked, Setting


@dataclass(frozen=True, kw_only=True)
class DiffConfig(Checked):
    """One comparison: the rows of `data` through the models `old` and `new`."""

    old: Annotated[str, Argument(affects=("logits", "answers"), known_by="content")]
    new: Annotated[str, Argument(affects=("logits", "answers"), known_by="content")]
    data: Annotated[Data, Argument(affects="output", known_by="content")]

    # what is compared
    delimiter: Annotated[str | None, DELIMITER] = None
    quote: Annotated[Quote, QUOTE] = "double"
    encoding: Annotated[str | None, ENCODING] = None
    sheet: Annotated[str | None, SHEET] = None
    no_header: Annotated[bool, NO_HEADER] = False
    columns: Annotated[str | None, COLUMNS] = None
    rejects: Annotated[Path | None, REJECTS] = None
    text_column: Annotated[
        tuple[str, ...],
        Setting(
            "Column of texts; twice for a pair. The default is each model's own.",
            affects="answers",
            known_by="resolved",
            metavar="C",
            aliases=("text_columns",),
        ),
    ] = ()
    label_column: Annotated[
        tuple[str, ...],
        Setting(
            "Column of labels; several times for columns of 0 and 1. The default is the models' own, if DATA has it.",
            affects="output",
            known_by="resolved",
            metavar="C",
            aliases=("label_columns",),
        ),
    ] = ()
    label_separator: ModelLabelSeparator = None
    label_form: Annotated[LabelForm, LABEL_FORM.affecting("output", known_by="resolved")] = "auto"
    label_names: Annotated[tuple[str, ...], LABEL_NAMES.affecting("output", known_by="resolved")] = ()
    null_labels: Annotated[tuple[str, ...], NULL_LABELS.affecting("output", known_by="resolved")] = ()
    limit: Annotated[
        int | None, Setting("Compare only the first N rows.", affects="output", metavar="N", minimum=1)
    ] = None
    input_format: Annotated[
        FileFormat | None,
        Setting("Format of DATA when its ending does not say.", affects="output", known_by="resolved"),
    ] = None

    # what is refused, what is written
    max_flips: Annotated[
        str | None,
        Setting(
            "Exit with 65 when more rows than N, or P% of all, change their label or abstention.",
            affects="nothing",
            metavar="N|P%",
        ),
    ] = None
    rows: Annotated[
        Path | None, Setting("Write the rows that change here, with both answers.", affects="nothing", metavar="FILE")
    ] = None

    # how it is computed
    precision: PrecisionSetting = "auto"
    device: DeviceSetting = "auto"
    backend: BackendSetting = "auto"
    batch_tokens: BatchTokensSetting = None
    force: Annotated[bool, Setting("Replace an existing file of --rows.", affects="nothing")] = False
    quiet: QuietSetting = False
