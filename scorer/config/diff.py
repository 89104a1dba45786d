"""What can be set of the comparison of two models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from scorer.config.choices import Backend, FileFormat, Precision
from scorer.config.settings import Checked, Setting


@dataclass(frozen=True, kw_only=True)
class DiffConfig(Checked):
    """One comparison: the rows of `data` through the models `old` and `new`."""

    old: str
    new: str
    data: str

    # what is compared
    text_column: Annotated[
        tuple[str, ...],
        Setting(
            "Column of texts; twice for a pair. The default is each model's own.",
            metavar="C",
            aliases=("text_columns",),
        ),
    ] = ()
    label_column: Annotated[
        str | None, Setting("Column of labels. The default is the models' own, if DATA has it.", metavar="C")
    ] = None
    limit: Annotated[int | None, Setting("Compare only the first N rows.", metavar="N", minimum=1)] = None
    input_format: Annotated[FileFormat | None, Setting("Format of DATA when its ending does not say.")] = None

    # what is refused, what is written
    max_flips: Annotated[
        str | None,
        Setting("Exit with 65 when more rows than N, or P% of all, change their label.", metavar="N|P%"),
    ] = None
    rows: Annotated[
        Path | None, Setting("Write the rows whose label changes here, with both answers.", metavar="FILE")
    ] = None

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
    force: Annotated[bool, Setting("Replace an existing file of --rows.")] = False
    quiet: Annotated[bool, Setting("Say nothing but errors.")] = False
