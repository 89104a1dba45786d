"""What can be set of the evaluation of a model on labelled data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from scorer.config.choices import (
    COLUMNS,
    DELIMITER,
    ENCODING,
    INPUT_FORMAT,
    LABEL_FORM,
    LABEL_NAMES,
    LATEST_MODEL,
    NO_HEADER,
    NULL_LABELS,
    QUOTE,
    REJECTS,
    SHEET,
    SKIP_UNLABELLED,
    BackendSetting,
    BatchTokensSetting,
    DeviceSetting,
    FileFormat,
    LabelForm,
    ModelLabelSeparator,
    ModelSetting,
    ModelTextColumns,
    PrecisionSetting,
    QuietSetting,
    Quote,
)
from scorer.config.data import Data
from scorer.config.settings import Argument, Checked, Setting


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(Checked):
    """One evaluation: `data`, which has labels, through `model`."""

    data: Annotated[Data, Argument(affects="output", known_by="content")]

    # what is evaluated
    model: ModelSetting = LATEST_MODEL
    input_format: Annotated[FileFormat | None, INPUT_FORMAT] = None
    delimiter: Annotated[str | None, DELIMITER] = None
    quote: Annotated[Quote, QUOTE] = "double"
    encoding: Annotated[str | None, ENCODING] = None
    sheet: Annotated[str | None, SHEET] = None
    no_header: Annotated[bool, NO_HEADER] = False
    columns: Annotated[str | None, COLUMNS] = None
    rejects: Annotated[Path | None, REJECTS] = None
    text_column: ModelTextColumns = ()
    label_column: Annotated[
        tuple[str, ...],
        Setting(
            "Column of labels; several times for columns of 0 and 1. The default is the model's own.",
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
    skip_unlabelled: Annotated[bool, SKIP_UNLABELLED] = False
    limit: Annotated[int | None, Setting("Use only the first N rows.", affects="output", metavar="N", minimum=1)] = None
    folds: Annotated[
        int | None,
        Setting(
            "Fit K models as this one was fitted, each on the rows outside of one fold of DATA, and judge every row by "
            "the model that has not seen it: for DATA that the model was fitted on.",
            affects=("logits", "answers"),
            metavar="K",
            minimum=2,
        ),
    ] = None

    # what is looked at
    slice: Annotated[
        tuple[str, ...],
        Setting(
            "Column whose values are compared with each other; may be given several times.",
            affects="output",
            metavar="C",
        ),
    ] = ()
    show: Annotated[
        int,
        Setting(
            "How many of the hardest rows and of the suspected label errors to list.",
            affects="output",
            metavar="N",
            minimum=0,
        ),
    ] = 20

    # what is refused, what is written
    min_metric: Annotated[
        tuple[str, ...],
        Setting(
            "Exit with 65 when a metric is less than X, such as macro_f1=0.85; may be given several times.",
            affects="nothing",
            metavar="NAME=X",
        ),
    ] = ()
    max_metric: Annotated[
        tuple[str, ...],
        Setting(
            "Exit with 65 when a metric is more than X, such as ece=0.05; may be given several times.",
            affects="nothing",
            metavar="NAME=X",
        ),
    ] = ()
    report: Annotated[
        Path | None, Setting("Write a page with everything here (HTML).", affects="nothing", metavar="FILE")
    ] = None
    rows: Annotated[
        Path | None,
        Setting(
            "Write every row with its score, loss and rank here, suspects and hardest first.",
            affects="nothing",
            metavar="FILE",
        ),
    ] = None

    # how it is computed
    precision: PrecisionSetting = "auto"
    device: DeviceSetting = "auto"
    backend: BackendSetting = "auto"
    batch_tokens: BatchTokensSetting = None
    force: Annotated[bool, Setting("Replace existing files of --report and --rows.", affects="nothing")] = False
    quiet: QuietSetting = False
