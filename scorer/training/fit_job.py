"""The fit job: a data file in, a model directory out.

Everything cheap (files, columns, labels, output) is checked before torch and transformers are imported, so that a
mistake on the command line is answered at once; hence the imports inside functions.
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from dataclasses import dataclass
from datetime import datetime
from glob import has_magic
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from scorer.classifier.long_text import LongText
from scorer.classifier.metadata import ADAPTATION_FILE, METADATA_FILE
from scorer.config import LATEST_MODEL, BestMetric, FitConfig, flag_of
from scorer.errors import OutputRefused, UsageError
from scorer.examples.label_form import LabelOptions
from scorer.metrics.judged_rows import FEW_ROWS
from scorer.runs.console import Console
from scorer.stores.checks import Inputs, check_files, check_folder
from scorer.stores.folder import Folder
from scorer.stores.location import Location
from scorer.stores.workspace import Workspace
from scorer.tables.rejects import kept_rejects
from scorer.training.data import TrainingData, load_data
from scorer.training.schedule import refuse_schedule

if TYPE_CHECKING:
    from scorer.training.fitting import Fitted

_LAST_SEED = 2**32 - 1  # of numpy's legacy generator, which transformers seeds


@dataclass(frozen=True)
class FitSummary:
    """What a fit did; `seconds` is wall time, `peak_memory_mb` in MB of the device (CPU: of the process).

    `rejected` malformed records were set aside and are no rows. `metrics` are those of the validation rows,
    `uncalibrated` the same before calibration, `findings` what checks of the data found. `labels` is how those of the
    training rows were read (see `Examples.reading`). `seeds` has an entry a seed where there are several, and says
    which was kept. `stopped_early` says whether `patience` ended the fit, `kept_step` at which step the weights were
    those that were kept, `threads` on how many the CPU computed, which the weights depend on. `accuracy_interval` is
    that of `scorer.metrics.judged_rows.wilson_interval`; None where rows have numbers, of which `metrics` has
    `intervals`.
    """

    model: Path
    report: Path
    device: str
    precision: str
    unread_files: dict[str, Any]
    train_rows: int
    valid_rows: int
    rejected: int
    epochs: float
    steps: int
    seconds: float
    peak_memory_mb: float
    metrics: dict[str, Any]
    uncalibrated: dict[str, float]
    findings: list[dict[str, Any]]
    new_tokens: int
    seeds: list[dict[str, Any]]
    stopped_early: bool
    kept_step: int
    threads: int
    accuracy_interval: list[float] | None
    labels: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return {**dataclasses.asdict(self), "model": str(self.model), "report": str(self.report)}


def fit(config: FitConfig, console: Console) -> FitSummary:
    """Fine-tune a classifier as `config` says and write its model directory.

    Raises UsageError, DataError, InputMissing, OutputRefused, ConfigError, ModelError, DeviceError, StorageError or
    Interrupted (a checkpoint is kept; `resume` goes on from it).
    """
    started = time.monotonic()
    _refuse_values(config)
    if config.output is not None:
        output = Location.of_output(config.output)
    else:
        output = default_output(config.train.places[0], now=datetime.now())
    inputs = Inputs([*config.train.places, config.valid], models=[config.base_model, config.teacher])
    refuse_output(output, inputs, force=config.force, latest=config.latest)
    check_files({"--rejects": config.rejects}, inputs, force=True)
    with kept_rejects(config.rejects, tell=console.warn) as rejects:
        data = load_data(config, console, rejects)
        LongText.of(config).refuse_pair(data.train.columns.texts)
        from scorer.training.fitting import fit_and_write

        fitted = fit_and_write(config, data, output, console, latest=config.latest)
    summary = _summary(fitted, data, seconds=time.monotonic() - started)
    _conclude(summary, fitted, console)
    return summary


def default_output(train: str, *, now: datetime) -> Location:
    """models/NAME-YYYYmmdd-HHMMSS, relative to the working directory; with a number when that stands there already."""
    # Of a pattern what stands before its first wildcard.
    plain = itertools.takewhile(lambda part: not has_magic(part), PurePath(train).parts)
    stem = PurePath(*plain).name.split(".")[0] or "model"
    names = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    places = (Folder.of(LATEST_MODEL).beside(f"{stem}-{now:%Y%m%d-%H%M%S}{name}") for name in names)
    free = (place for place in places if not place.exists and not Folder(Workspace.path_of(place.path)).exists)
    return Location.of_output(next(free).path)


def refuse_output(output: Location, inputs: Inputs, *, force: bool, latest: bool = True) -> None:
    """OutputRefused when something stands at `output`, unless `force` may replace it: a model or an empty folder; or
    where models/latest stands and is no link, if the model is to be the `latest`.
    UsageError when it is a stream or one of the `inputs`, holds one or lies in the base model."""
    place, link = Folder.of(output.said), Folder.of(LATEST_MODEL)
    check_folder(place.path, inputs, replaced=True)
    if latest and link.exists and not link.is_link:
        raise OutputRefused(f"{link}: not a symbolic link, so it cannot be moved to the new model; rename it")
    if place.is_link:
        raise OutputRefused(f"{place}: a symbolic link; name the directory itself")
    place.refuse_existing(force=force)
    if not place.exists:
        return
    ours = place.has(METADATA_FILE) or place.has(ADAPTATION_FILE)
    if not place.is_folder or (place.names() and not ours):
        raise OutputRefused(f"{place}: no model that scorer wrote, so --force does not replace it; remove it yourself")


def _refuse_values(config: FitConfig) -> None:
    """What a field's minimum and its choices cannot say."""
    if not 0.0 < config.held_out < 1.0:
        raise UsageError(f"--valid-fraction {config.held_out}: a share between 0 and 1, without the ends")
    if config.valid is not None and config.valid_fraction is not None:
        raise UsageError("--valid-fraction: nothing is held out where --valid names a file; leave one of the two out")
    if config.abstain is not None and not 0.0 < config.abstain < 1.0:
        raise UsageError(f"--abstain {config.abstain}: a share between 0 and 1, without the ends, such as 0.95")
    LabelOptions.of(config)
    _refuse_of_kind(config)
    refuse_schedule(config)
    if config.label_smoothing >= 1.0:
        raise UsageError(f"--label-smoothing {config.label_smoothing}: a share below 1, such as 0.1")
    if not 0.0 < config.layer_decay <= 1.0:
        raise UsageError(f"--layer-decay {config.layer_decay}: a factor above 0 and at most 1, such as 0.9")
    if config.patience_threshold and config.patience is None:
        raise UsageError("--patience-threshold: has no effect without --patience")
    _refuse_teacher(config)
    if config.exits and config.long_text == "window":
        raise UsageError("--exits: of texts that are read in windows no row leaves early; leave one of the two out")
    if config.seed + config.seeds - 1 > _LAST_SEED:
        raise UsageError(
            f"--seed {config.seed}: with --seeds {config.seeds}, {_LAST_SEED - config.seeds + 1} is the most"
        )
    LongText.of(config)


def _refuse_teacher(config: FitConfig) -> None:
    """UsageError for a weight or a temperature of no teacher, or such as mean nothing."""
    for name in ("teacher_weight", "teacher_temperature"):
        if config.teacher is None and getattr(config, name) != FitConfig.__dataclass_fields__[name].default:
            raise UsageError(f"{flag_of(name)}: has no effect without --teacher")
    if not 0.0 < config.teacher_weight <= 1.0:
        raise UsageError(f"--teacher-weight {config.teacher_weight}: a share above 0 and at most 1, such as 0.5")
    if not config.teacher_temperature > 0.0:
        raise UsageError(f"--teacher-temperature {config.teacher_temperature}: more than 0 is needed, such as 2")


# What needs labels, or the confidence of one.
_OF_LABELS = ("abstain", "class_weight", "label_smoothing", "focal_gamma", "nominal", "exits")
_METRICS_OF_LABELS: tuple[BestMetric, ...] = ("macro_f1", "accuracy")
_METRICS_OF_NUMBERS: tuple[BestMetric, ...] = ("rmse", "mae", "pearson", "spearman")


def _refuse_of_kind(config: FitConfig) -> None:
    """UsageError for what means nothing where rows have numbers, or where they have labels."""
    defaults = {field.name: field.default for field in dataclasses.fields(FitConfig)}
    asked = [name for name in _OF_LABELS if getattr(config, name) != defaults[name]]
    if config.regression and asked:
        flag = "--" + asked[0].replace("_", "-")
        raise UsageError(f"{flag}: with --regression rows have numbers, and no confidence; leave it out")
    wrong, right, whose = _METRICS_OF_NUMBERS, _METRICS_OF_LABELS, "labels (numbers need --regression)"
    if config.regression:
        wrong, right, whose = right, wrong, "numbers (--regression)"
    if config.best_metric in wrong:
        choices = ", ".join((*right, "loss"))
        raise UsageError(f"--best-metric {config.best_metric}: rows have {whose}; try one of {choices}")


def _summary(fitted: Fitted, data: TrainingData, *, seconds: float) -> FitSummary:
    return FitSummary(
        model=fitted.output.path,
        report=fitted.output.path / "report.html",
        device=fitted.device,
        precision=fitted.precision,
        unread_files=data.train.unread.as_dict(),
        train_rows=len(data.train),
        valid_rows=len(data.valid),
        rejected=data.rejected,
        epochs=fitted.epochs,
        steps=fitted.steps,
        seconds=round(seconds, 1),
        peak_memory_mb=round(fitted.peak_memory / 1e6, 1),
        metrics=fitted.measured.metrics.as_dict(),
        uncalibrated=fitted.measured.uncalibrated(),
        findings=fitted.findings,
        new_tokens=fitted.new_tokens,
        seeds=fitted.seeds,
        stopped_early=fitted.stopped_early,
        kept_step=fitted.kept_step,
        threads=fitted.threads,
        accuracy_interval=fitted.measured.accuracy_interval(),
        labels=data.train.reading(),
    )


def _conclude(summary: FitSummary, fitted: Fitted, console: Console) -> None:
    metrics = summary.metrics
    for line in fitted.measured.lines():
        console.say(line)
    if metrics["rows"] < FEW_ROWS:
        console.warn(
            f"{metrics['rows']} validation rows say little{fitted.measured.uncertainty()}; label more rows, or hold "
            "out more with --valid-fraction"
        )
    if metrics.get("coverage") == 0.0:
        console.warn(
            f"--abstain: no confidence makes sure of that share on {metrics['rows']} validation rows, so every row "
            "will abstain; try a smaller share or more validation rows"
        )
    if "selective_accuracy" in metrics:
        kept, right = metrics["coverage"], metrics["selective_accuracy"]
        console.say(f"abstaining leaves {kept:.1%} of the rows, of which {right:.1%} are right")
    console.say(f"{summary.seconds:.0f} s, peak memory {summary.peak_memory_mb:.0f} MB")
    console.say(f"model {summary.model}, report {summary.report}")
