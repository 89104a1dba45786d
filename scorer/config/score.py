"""What can be set of scoring: of tables in memory, of single texts, and of files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from scorer.config.choices import (
    COLUMNS,
    DELIMITER,
    ENCODING,
    FLIP_CONFIDENCE,
    FLUSH_SECONDS,
    LATEST_MODEL,
    NO_HEADER,
    QUOTE,
    SHEET,
    WINDOW_ROWS,
    BackendSetting,
    BatchTokensSetting,
    DeviceSetting,
    Engine,
    FileFormat,
    ModelSetting,
    ModelTextColumns,
    OnError,
    PrecisionSetting,
    QuietSetting,
    Quote,
)
from scorer.config.settings import Argument, Checked, Setting

MaxLengthSetting = Annotated[
    int | None,
    Setting(
        "Longest input in tokens; the default is the model's own.", affects="logits", known_by="resolved", minimum=3
    ),
]
ProbabilitiesSetting = Annotated[
    bool, Setting("Append a struct with the probability of every label.", affects="output")
]
ExpectedSetting = Annotated[bool, Setting("Append the probability-weighted mean of numeric labels.", affects="output")]
TopKSetting = Annotated[
    int | None,
    Setting("Append the K likeliest labels with their probabilities.", affects="output", metavar="K", minimum=1),
]
TokenCountSetting = Annotated[bool, Setting("Append the number of tokens that the model saw.", affects="output")]


@dataclass(frozen=True, kw_only=True)
class FrameConfig(Checked):
    """How rows are scored, wherever they come from: `model`, what it reads, what comes out, how it is computed."""

    # what is scored, by what
    model: ModelSetting = LATEST_MODEL
    text_column: ModelTextColumns = ()
    max_length: MaxLengthSetting = None

    # what comes out
    prefix: Annotated[str, Setting("Put before the names of the appended columns.", affects="output", metavar="P")] = ""
    probabilities: ProbabilitiesSetting = False
    expected: ExpectedSetting = False
    top_k: TopKSetting = None
    token_count: TokenCountSetting = False

    # how it is computed
    precision: PrecisionSetting = "auto"
    device: DeviceSetting = "auto"
    backend: BackendSetting = "auto"
    batch_tokens: BatchTokensSetting = None


@dataclass(frozen=True, kw_only=True)
class PredictConfig(FrameConfig):
    """How single texts are scored."""

    pairs: Annotated[
        bool, Setting("A TEXT is two texts with a tab between them, as for NLI.", affects=("logits", "answers"))
    ] = False


@dataclass(frozen=True, kw_only=True)
class ScoreConfig(FrameConfig):
    """One scoring job: `source` streamed through `model` into `target`."""

    source: Annotated[str, Argument(affects="output", known_by="content")]
    target: Annotated[str, Argument(affects="nothing")]

    # the files
    limit: Annotated[
        int | None,
        Setting(
            "Score only the first N rows; into a folder, those of each file.", affects="output", metavar="N", minimum=1
        ),
    ] = None
    input_format: Annotated[
        FileFormat | None, Setting("Format of IN when its ending does not say.", affects="output", known_by="resolved")
    ] = None
    delimiter: Annotated[str | None, DELIMITER] = None
    quote: Annotated[Quote, QUOTE] = "double"
    encoding: Annotated[str | None, ENCODING] = None
    sheet: Annotated[str | None, SHEET] = None
    no_header: Annotated[bool, NO_HEADER] = False
    columns: Annotated[str | None, COLUMNS] = None
    types: Annotated[
        str | None,
        Setting(
            "Types of CSV or TSV columns, such as id=int64,price=double: int64, double, bool or string. Those of a "
            "file are found by looking when not given, those of a stream are text.",
            affects="output",
            metavar="C=T,...",
        ),
    ] = None
    output_format: Annotated[
        FileFormat | None, Setting("Format of OUT when its ending does not say.", affects="output", known_by="resolved")
    ] = None
    rows_per_file: Annotated[
        int | None,
        Setting("In a folder OUT, at most N rows in a file.", affects="output", metavar="N", minimum=1),
    ] = None
    partition_by: Annotated[
        tuple[str, ...],
        Setting(
            "In a folder OUT, a folder C=VALUE for each value of this column, input's or new; once for each column.",
            affects="output",
            metavar="C",
        ),
    ] = ()
    window_rows: Annotated[
        int, Setting("Most rows read, tokenized and ordered together.", affects="nothing", metavar="N", minimum=1)
    ] = WINDOW_ROWS
    flush_seconds: Annotated[
        float,
        Setting(
            "From a stream into a stream, send rows on after S seconds though their window is not full.",
            affects="nothing",
            metavar="S",
            minimum=0.0,
        ),
    ] = FLUSH_SECONDS

    # what is refused
    max_flagged: Annotated[
        str | None,
        Setting(
            "Publish nothing when more rows than N, or P% of all, have no score.", affects="nothing", metavar="N|P%"
        ),
    ] = None
    min_rows: Annotated[
        int | None, Setting("Publish nothing when the input has fewer rows.", affects="nothing", metavar="N", minimum=0)
    ] = None
    fail_on_drift: Annotated[
        float | None,
        Setting(
            "Publish nothing when the rows differ from the training data by a stability index (PSI) above X.",
            affects="nothing",
            metavar="X",
            minimum=0.0,
        ),
    ] = None
    rejects: Annotated[
        Path | None,
        Setting(
            "Set malformed records aside in this file (JSON lines) and go on.",
            affects="output",
            known_by="resolved",
            metavar="FILE",
        ),
    ] = None

    on_error: Annotated[
        OnError,
        Setting(
            "A file of several that cannot be read: fail, or quarantine it, score the others and end with 65.",
            affects="nothing",
        ),
    ] = "fail"
    mirror: Annotated[bool, Setting("In a folder OUT, delete parts whose input is gone.", affects="nothing")] = False

    # what is said of the run
    report: Annotated[
        Path | None,
        Setting("Write the run's manifest here (JSON), when it fails too.", affects="nothing", metavar="FILE"),
    ] = None
    textfile: Annotated[
        Path | None,
        Setting(
            "Write the run's metrics here (Prometheus text), when it fails too.", affects="nothing", metavar="FILE"
        ),
    ] = None

    report_html: Annotated[
        Path | None,
        Setting(
            "Write a page here about what came out: labels, confidence, drift, examples. It shows texts of rows.",
            affects="nothing",
            metavar="FILE",
        ),
    ] = None
    report_by: Annotated[
        str | None,
        Setting(
            "On that page, show labels by this column: dates over time, else by value. The default is the first column "
            "of dates, or the files of a folder.",
            affects="nothing",
            metavar="C",
        ),
    ] = None

    # who computes
    workers: Annotated[
        int | None,
        Setting(
            "Processes that score the parts of a folder OUT, or row groups of a large Parquet file; one for each GPU "
            "if not given, else 1.",
            affects="nothing",
            metavar="N",
            minimum=1,
        ),
    ] = None
    engine: Annotated[
        Engine,
        Setting(
            "Where the workers are: on this machine, or on the nodes of a Ray cluster (pip install 'scorer[ray]').",
            affects="nothing",
        ),
    ] = "local"
    address: Annotated[
        str | None,
        Setting(
            "The Ray cluster, such as auto or ray://head:10001; the default is one of this machine alone.",
            affects="nothing",
            metavar="A",
        ),
    ] = None

    # how much may differ from the whole model
    max_flips: Annotated[
        str | None,
        Setting(
            "Faster: at most P% of the rows get another answer than the whole model gives, as a random sample of the "
            "file certifies.",
            affects="answers",
            metavar="P%",
        ),
    ] = None
    flip_confidence: Annotated[
        float,
        Setting("How sure the bound of --max-flips is to hold.", affects="answers", metavar="C", minimum=0.5),
    ] = FLIP_CONFIDENCE
    decided_by: Annotated[
        bool, Setting("Append what decided each row: full, or the layer behind which it left.", affects="output")
    ] = False

    # what is kept
    cache: Annotated[
        Path | None,
        Setting("Keep scores here, so that the next run pays only for new text.", affects="nothing", metavar="DIR"),
    ] = None
    reuse: Annotated[
        bool,
        Setting(
            "Score equal texts once, keep scores for a resume, use --cache; --no-reuse for benchmarks.",
            affects="nothing",
        ),
    ] = True
    dry_run: Annotated[
        bool, Setting("Estimate rows, tokens, time and memory from a sample; write nothing.", affects="nothing")
    ] = False
    force: Annotated[bool, Setting("Replace an existing OUT.", affects="nothing")] = False
    quiet: QuietSetting = False
