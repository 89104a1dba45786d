"""What several jobs let choose: between what, and the settings that they share. Knows no job."""

from __future__ import annotations

from typing import Annotated, Literal

from scorer.config.settings import Setting

LATEST_MODEL = "models/latest"
# The ending of the folder that a job works in, beside its output.
UNFINISHED = ".unfinished"

# A window, which is read, tokenized and ordered together, has at most so many rows, and so many bytes of text.
WINDOW_ROWS = 65_536
WINDOW_TEXT_BYTES = 64 << 20

Precision = Literal["auto", "fp32", "bf16", "fp16"]
Backend = Literal["auto", "padded", "packed", "openvino"]
LongTextStrategy = Literal["truncate", "head-tail", "window"]
Pooling = Literal["mean", "max"]
FileFormat = Literal["parquet", "csv", "tsv", "jsonl", "arrow"]

# Settings that several jobs have, with one explanation.
PrecisionSetting = Annotated[Precision, Setting("Arithmetic: auto is half precision where the device is fast in it.")]
DeviceSetting = Annotated[str, Setting("auto, cpu, cuda or cuda:N.")]
BackendSetting = Annotated[
    Backend,
    Setting("Forward pass: packed (BERT family), openvino (CPU), padded (any model); auto chooses and says why."),
]
BatchTokensSetting = Annotated[
    int | None, Setting("Tokens the device sees at once; the default suits the device.", metavar="N", minimum=1)
]
ModelSetting = Annotated[str, Setting("Model directory or hub name.", short="-m", metavar="MODEL")]
ModelTextColumns = Annotated[
    tuple[str, ...],
    Setting(
        "Column of texts; twice for a pair. The default is the model's own.",
        metavar="C",
        aliases=("text_columns",),
    ),
]
FileTextColumns = Annotated[
    tuple[str, ...],
    Setting(
        "Column of texts; twice for a sentence pair. Found by its name when not given.",
        metavar="C",
        aliases=("text_columns",),
    ),
]
FileLabelColumn = Annotated[str | None, Setting("Column of labels. Found by its name when not given.", metavar="C")]
FileLabelSeparator = Annotated[
    str | None, Setting("Between the labels of a row, where a column of texts holds several.", metavar="SEP")
]
ModelLabelSeparator = Annotated[
    str | None,
    Setting(
        "Between the labels of a row, where a column of texts holds several. The default is the model's own.",
        metavar="SEP",
    ),
]
QuietSetting = Annotated[bool, Setting("Say nothing but warnings and errors.")]
