"""What can be set of a look at training data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from scorer.config.choices import FileLabelColumn, FileLabelSeparator, FileTextColumns, QuietSetting
from scorer.config.fit import FitConfig
from scorer.config.settings import Checked, Setting


@dataclass(frozen=True, kw_only=True)
class CheckConfig(Checked):
    """One look at `data`, a file of texts and labels, before a model is fitted on it."""

    data: Path

    # what is looked at
    valid: Annotated[
        Path | None,
        Setting("Validation file, whose texts must not be in DATA.", metavar="FILE", aliases=("valid_file",)),
    ] = None
    text_column: FileTextColumns = ()
    label_column: FileLabelColumn = None
    label_separator: FileLabelSeparator = None
    limit: Annotated[int | None, Setting("Look only at the first N rows of DATA.", metavar="N", minimum=1)] = None

    # for which model
    base_model: Annotated[
        str | None,
        Setting(
            "Pretrained encoder, whose tokenizer counts: a hub name or a directory; the default is all-MiniLM-L6-v2.",
            metavar="M",
            aliases=("model_name", "model_name_or_path"),
        ),
    ] = None
    max_length: Annotated[int, Setting("Longest input in tokens; what is longer is said to be cut off.", minimum=3)] = (
        FitConfig.max_length
    )

    # what is said
    report: Annotated[Path | None, Setting("Write what was found here as a page (HTML).", metavar="FILE")] = None
    strict: Annotated[bool, Setting("Exit with 65 when there is a warning or an error.")] = False
    quiet: QuietSetting = False
