"""What can be set of the comparison of two models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from scorer.config.choices import (
    BackendSetting,
    BatchTokensSetting,
    DeviceSetting,
    FileFormat,
    ModelLabelSeparator,
    PrecisionSetting,
    QuietSetting,
)
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
    label_separator: ModelLabelSeparator = None
    limit: Annotated[int | None, Setting("Compare only the first N rows.", metavar="N", minimum=1)] = None
    input_format: Annotated[FileFormat | None, Setting("Format of DATA when its ending does not say.")] = None

    # what is refused, what is written
    max_flips: Annotated[
        str | None,
        Setting("Exit with 65 when more rows than N, or P% of all, change their label or abstention.", metavar="N|P%"),
    ] = None
    rows: Annotated[Path | None, Setting("Write the rows that change here, with both answers.", metavar="FILE")] = None

    # how it is computed
    precision: PrecisionSetting = "auto"
    device: DeviceSetting = "auto"
    backend: BackendSetting = "auto"
    batch_tokens: BatchTokensSetting = None
    force: Annotated[bool, Setting("Replace an existing file of --rows.")] = False
    quiet: QuietSetting = False
