"""What can be set of the evaluation of a model on labelled data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from scorer.config.choices import LATEST_MODEL, Backend, Precision
from scorer.config.settings import Checked, Setting


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(Checked):
    """One evaluation: `data`, which has labels, through `model`."""

    data: str

    # what is evaluated
    model: Annotated[str, Setting("Model directory or hub name.", short="-m", metavar="MODEL")] = LATEST_MODEL
    text_column: Annotated[
        tuple[str, ...],
        Setting(
            "Column of texts; twice for a pair. The default is the model's own.",
            metavar="C",
            aliases=("text_columns",),
        ),
    ] = ()
    label_column: Annotated[str | None, Setting("Column of labels. The default is the model's own.", metavar="C")] = (
        None
    )
    limit: Annotated[int | None, Setting("Use only the first N rows.", metavar="N", minimum=1)] = None
    folds: Annotated[
        int | None,
        Setting(
            "Fit K models as this one was fitted, each on the rows outside of one fold of DATA, and judge every row by "
            "the model that has not seen it: for DATA that the model was fitted on.",
            metavar="K",
            minimum=2,
        ),
    ] = None

    # what is looked at
    slice: Annotated[
        tuple[str, ...],
        Setting("Column whose values are compared with each other; may be given several times.", metavar="C"),
    ] = ()
    show: Annotated[
        int, Setting("How many of the hardest rows and of the suspected label errors to list.", metavar="N", minimum=0)
    ] = 20

    # what is written
    report: Annotated[Path | None, Setting("Write a page with everything here (HTML).", metavar="FILE")] = None
    rows: Annotated[
        Path | None,
        Setting("Write every row with its score, loss and rank here, suspects and hardest first.", metavar="FILE"),
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
    force: Annotated[bool, Setting("Replace existing files of --report and --rows.")] = False
    quiet: Annotated[bool, Setting("Say nothing but errors.")] = False
