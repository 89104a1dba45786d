"""What can be chosen in several jobs, and the settings that these jobs share."""

from __future__ import annotations

from typing import Annotated, Literal

from scorer.config.settings import Setting

LATEST_MODEL = "models/latest"
# The ending of the folder that a job works in, beside its output.
UNFINISHED = ".unfinished"

# A window, which is read, tokenized and ordered together, has at most so many rows, and so many bytes of text.
WINDOW_ROWS = 65_536
WINDOW_TEXT_BYTES = 64 << 20
# A row of a stream waits so long at most for its window to be full.
FLUSH_SECONDS = 1.0
# The bound of --max-flips holds in so many files of all.
FLIP_CONFIDENCE = 0.95

Precision = Literal["auto", "fp32", "bf16", "fp16"]
# Each is a file in scorer/classifier/forward; auto takes the first of the others that can compute a model.
Backend = Literal["auto", "packed", "openvino", "onnx", "padded"]
LongTextStrategy = Literal["truncate", "head-tail", "window"]
Pooling = Literal["mean", "max"]
LabelForm = Literal["auto", "name", "list"]
Quote = Literal["double", "none"]
OnError = Literal["fail", "quarantine"]
Engine = Literal["local", "ray"]
# Of these, json, lines and excel are for reading.
FileFormat = Literal["parquet", "csv", "tsv", "jsonl", "arrow", "json", "lines", "excel"]

# Settings that several jobs have, with one explanation. Where one affects something else, it says so there.
PRECISION = Setting(
    "Arithmetic: auto is half precision where the device is fast in it.", affects="logits", known_by="resolved"
)
DEVICE = Setting("auto, cpu, cuda or cuda:N.", affects="logits", known_by="resolved")
TEXT_COLUMNS = Setting(
    "Column of texts; twice for a sentence pair. Found by its name when not given.",
    affects="output",
    metavar="C",
    aliases=("text_columns",),
)
LABEL_COLUMNS = Setting(
    "Column of labels; several times for columns of 0 and 1 that are called as the labels. Found by its name when not "
    "given.",
    affects="output",
    metavar="C",
    aliases=("label_columns",),
)
LABEL_SEPARATOR = Setting(
    "Between the labels of a row, where a column of texts holds several.", affects="output", metavar="SEP"
)
LABEL_FORM = Setting(
    "What a label is: auto looks at all of them and asks where it is in doubt; name: each is one name, as it stands; "
    "list: a text in brackets is a list of labels.",
    affects="output",
)
LABEL_NAMES = Setting(
    "Labels are vectors of 0 and 1, whose places have these names.", affects="output", metavar="A,B,..."
)
REGRESSION = Setting("Labels are real numbers, such as 3.75, and what a row gets is a number.", affects="output")
NULL_LABELS = Setting(
    "Labels that say that there is none, such as nan,N/A: those rows are left out.",
    affects="output",
    metavar="A,B,...",
)
SKIP_UNLABELLED = Setting("Leave out rows whose label is null or empty, which are refused otherwise.", affects="output")
INPUT_FORMAT = Setting("Format of the data when its ending does not say.", affects="output")
DELIMITER = Setting(
    "Between the fields of CSV or TSV: one character, or tab, pipe, comma, semicolon, space.",
    affects="output",
    metavar="C",
)
QUOTE = Setting("none: a quote in CSV or TSV is a character like any other, and quotes no field.", affects="output")
ENCODING = Setting(
    "Encoding of text files, such as latin-1, windows-1252, gb18030, utf-16; UTF-8 when not given.",
    affects="output",
    metavar="NAME",
)
SHEET = Setting("Sheet of an Excel workbook; the only one with cells when not given.", affects="output", metavar="NAME")
NO_HEADER = Setting("The first line of a CSV or TSV file is data, and names no columns.", affects="output")
# What is malformed is refused or set aside: the rows that are read are the same.
REJECTS = Setting("Set malformed records aside in this file (JSON lines) and go on.", affects="nothing", metavar="FILE")
COLUMNS = Setting(
    "Names of the columns for --no-header, with commas between; c1, c2 ... otherwise.",
    affects="output",
    metavar="A,B,C",
)

PrecisionSetting = Annotated[Precision, PRECISION]
DeviceSetting = Annotated[str, DEVICE]
BackendSetting = Annotated[
    Backend,
    Setting(
        "Forward pass: packed (BERT family), openvino or onnx (CPU), padded (any model); auto chooses and says why.",
        affects="logits",
        known_by="resolved",
    ),
]
BatchTokensSetting = Annotated[
    int | None,
    Setting("Tokens the device sees at once; the default suits the device.", affects="nothing", metavar="N", minimum=1),
]
ModelSetting = Annotated[
    str,
    Setting(
        "Model directory or hub name.", affects=("logits", "answers"), known_by="content", short="-m", metavar="MODEL"
    ),
]
ModelTextColumns = Annotated[
    tuple[str, ...],
    Setting(
        "Column of texts; twice for a pair. The default is the model's own.",
        affects="answers",
        known_by="resolved",
        metavar="C",
        aliases=("text_columns",),
    ),
]
ModelLabelSeparator = Annotated[
    str | None,
    Setting(
        "Between the labels of a row, where a column of texts holds several. The default is the model's own.",
        affects="output",
        known_by="resolved",
        metavar="SEP",
    ),
]
QuietSetting = Annotated[bool, Setting("Say nothing but warnings and errors.", affects="nothing")]
