"""What can be set of an export: a model for another runtime."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from scorer.config.choices import LATEST_MODEL, TEXT_COLUMNS, ModelSetting, QuietSetting
from scorer.config.score import MaxLengthSetting
from scorer.config.settings import Checked, Setting

# Each is a file in scorer/exporting/runtimes.
ExportRuntime = Literal["onnx", "openvino"]


@dataclass(frozen=True, kw_only=True)
class ExportConfig(Checked):
    """One export: `model` as the runtime `to_` reads it, in the folder `output`."""

    output: Annotated[
        Path,
        Setting("Folder to write; it appears whole or not at all.", affects="nothing", short="-o", metavar="DIR"),
    ]
    to_: Annotated[ExportRuntime, Setting("Runtime that shall read it.", affects="output", aliases=("to",))]

    # what is exported
    model: ModelSetting = LATEST_MODEL
    max_length: MaxLengthSetting = None
    int8: Annotated[
        bool,
        Setting("Quantize to 8 bits: about a quarter of the size, and a few other answers.", affects="logits"),
    ] = False

    # what it is compared on, and what is refused
    parity_data: Annotated[
        Path | None,
        Setting(
            "File whose texts (the first 4,096) are compared besides those that are generated.",
            affects="nothing",
            known_by="content",
            metavar="FILE",
        ),
    ] = None
    text_column: Annotated[tuple[str, ...], TEXT_COLUMNS.affecting("nothing")] = ()
    tolerance: Annotated[
        float,
        Setting(
            "Write nothing when a logit differs from ours by more than this share of the largest.",
            affects="nothing",
            metavar="X",
            minimum=0.0,
        ),
    ] = 1e-5
    max_flips: Annotated[
        str,
        Setting(
            "Write nothing when --int8 changes the label or abstention of more rows than N, or P% of all.",
            affects="nothing",
            metavar="N|P%",
        ),
    ] = "1%"
    force: Annotated[bool, Setting("Replace an export that stands there.", affects="nothing")] = False
    quiet: QuietSetting = False
