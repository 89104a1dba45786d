"""The advise job: a data file in, one recommended fit out, and how everything that was tried did.

Everything cheap (files, columns, labels, candidates) is checked before torch is imported; hence the imports inside
functions.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scorer.advising.arms import Arm, arms_of, command_line, fit_config, longer, recommended, suited
from scorer.advising.halving import Standing, Worth, halve
from scorer.config import AdviseConfig
from scorer.errors import DeviceError, Interrupted, ModelError, ScorerError, UsageError
from scorer.examples.label_form import LabelOptions
from scorer.runs.console import Console
from scorer.runs.signals import StopSignals
from scorer.stores.checks import Inputs, check_files
from scorer.tables.rejects import kept_rejects
from scorer.training.data import TrainingData, load_data

if TYPE_CHECKING:
    from scorer.advising.trials import Looked, Trials
    from scorer.training.verdict import Measured

# On so many rows the standard error of an accuracy of 0.9 is 1.3 points, and each trial takes seconds for them.
_VALID_ROWS = 500


@dataclass(frozen=True)
class Tried:
    """One way, what is known of it, and how it did on the most rows that it was tried on; `figure` names what `value`
    is, `interval` are both ends of its 95 % interval, where there is one. A fit on all rows takes `fit_seconds`."""

    arm: Arm
    looked: Looked
    standing: Standing[Arm]
    figure: str
    value: float
    interval: list[float] | None
    fit_seconds: float

    def as_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return {
            "model": self.arm.name,
            "layers": self.arm.layers,
            "max_length": self.arm.max_length,
            "preset": self.arm.preset,
            "rows": self.standing.rows,
            "round": self.standing.rung,
            self.figure: round(self.value, 4),
            "interval": self.interval,
            "fit_seconds": round(self.fit_seconds, 1),
            "rows_a_second": round(self.looked.rows_a_second, 1),
            "weights_mb": round(self.looked.weights_mb, 1),
            "unknown_share": round(self.looked.unknown_share, 4),
            "unknown_share_extended": round(self.looked.unknown_share_extended, 4),
            "cut_off_share": round(self.looked.cut_off_share, 4),
        }


@dataclass(frozen=True)
class Advice:
    """All that was tried, the best first, and what to type for the `recommended` one. `left_out` are candidates that
    could not be tried, each with the reason."""

    data: str
    rows: int
    valid_rows: int
    device: str
    precision: str
    tried: Sequence[Tried]
    left_out: Sequence[str]
    recommended: Arm
    command: str
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return {
            "data": self.data,
            "rows": self.rows,
            "valid_rows": self.valid_rows,
            "device": self.device,
            "precision": self.precision,
            "tried": [way.as_dict() for way in self.tried],
            "left_out": list(self.left_out),
            "recommended": {"model": self.recommended.name, **self.recommended.options},
            "command": self.command,
            "seconds": round(self.seconds, 1),
        }

    def lines(self) -> list[str]:
        """The same as a table, for people, and the command in the last line."""
        head = ("model", "length", "preset", "rows", self.tried[0].figure, "95 %", "rows/s", "MB", "unknown", "fit")
        rows = [head, *map(_cells, self.tried)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return [*lines, "", *self.left_out, self.command]


def advise(config: AdviseConfig, console: Console) -> Advice:
    """Try ways to fit `config.train`, and say which is best. Nothing is written.

    A candidate that cannot be had, whose fit diverges or that exhausts the memory is left out and told. Raises
    UsageError, DataError, InputMissing, ConfigError, ModelError or DeviceError (no candidate is left), or Interrupted.
    """
    started = time.monotonic()
    if config.minutes <= 0:
        raise UsageError(f"--minutes {config.minutes}: more than 0 are needed")
    LabelOptions.of(fit_config(Arm(None), config))
    arms = arms_of(config)
    try:
        with StopSignals() as signals, signals.at_once():
            check_files({"--rejects": config.rejects}, Inputs(config.train.places), force=True)
            with kept_rejects(config.rejects, tell=console.warn) as rejects:
                data = load_data(fit_config(Arm(None), config), console, rejects)
            return _advise(config, data, arms, console, signals, started)
    except Interrupted as error:
        raise Interrupted(error.signal_number, "interrupted; nothing was written") from error


def _advise(
    config: AdviseConfig,
    data: TrainingData,
    arms: Sequence[Arm],
    console: Console,
    signals: StopSignals,
    started: float,
) -> Advice:
    from scorer.advising.trials import Trials, figure_of, worth
    from scorer.classifier.transformers_parts import quietly
    from scorer.training.arguments import settle_device

    began = time.monotonic()
    with quietly():
        device, precision = settle_device(config, console)
        trials = Trials(config, _few_to_validate(data, config.seed), device, precision, signals)
        left_out = _LeftOut(console, signals)
        looked = _look(trials, arms, left_out)
        found: dict[Arm, Measured] = {}

        def attempt(arm: Arm, rows: int) -> Worth | None:
            try:
                found[arm] = trials.fit(arm, rows)
            except _LEAVES_OUT as error:
                left_out.add(arm, error)
                return None
            figure, value = figure_of(found[arm])
            console.say(f"{_spelt(arm)}: {figure} {value:.4f} after {rows:,} rows")
            return worth(found[arm])

        standings = halve(
            list(looked),
            {arm: look.cost for arm, look in looked.items()},
            attempt,
            seconds=60.0 * config.minutes - (time.monotonic() - began),
            available=len(data.train),
            clock=time.monotonic,
        )
    if not standings:
        raise left_out.reason()
    tried = [_tried(standing, looked, found, rows=len(data.train)) for standing in standings]
    if (doubt := _doubt(tried, trials.data)) is not None:
        console.warn(doubt)
    best = recommended([way.arm for way in tried], tried[0].arm, seconds=tried[0].fit_seconds)
    return Advice(
        data=str(config.train),
        rows=len(data.train) + len(data.valid),
        valid_rows=len(trials.data.valid),
        device=str(device),
        precision=precision,
        tried=tried,
        left_out=left_out.lines,
        recommended=best,
        command=command_line(best, config),
        seconds=time.monotonic() - started,
    )


class _LeftOut:
    """Why some ways could not be tried, a line each, which is told as it comes up."""

    def __init__(self, console: Console, signals: StopSignals) -> None:
        self.lines: list[str] = []
        self._console, self._signals = console, signals
        self._of_memory = True

    def add(self, arm: Arm, error: ScorerError) -> None:
        """`arm` is left out because of `error`. Interrupted where that is what a signal came to within the way."""
        self._signals.check()
        known = arm.name in str(error)
        self.lines.append(f"left out: {error}" if known else f"left out: {_spelt(arm)}: {error}")
        self._console.warn(self.lines[-1])
        self._of_memory = self._of_memory and isinstance(error, DeviceError)
        # What the way had in memory hangs on the error, and in circles; the next one needs the room.
        error.__traceback__ = error.__cause__ = error.__context__ = None
        gc.collect()

    def reason(self) -> ScorerError:
        """What to raise where no way is left."""
        kind = DeviceError if self._of_memory else ModelError
        return kind("no candidate can be tried; name others with --candidates")


# What may be wrong with one way, and not with another.
_LEAVES_OUT = (ModelError, DeviceError)


def _look(trials: Trials, arms: Sequence[Arm], left_out: _LeftOut) -> dict[Arm, Looked]:
    """What is known of each way before it is tried, longer ones among them."""
    looked: dict[Arm, Looked] = {}
    for arm in arms:
        one = arm
        try:
            lengths, positions = trials.lengths(arm)
            short = suited(arm, positions)
            more = longer(short, lengths, positions)
            for one in (short, more) if more is not None else (short,):
                alike = next(
                    (known for known in looked if (known.model, known.layers) == (one.model, one.layers)), None
                )
                known = trials.at_another_length(one, looked[alike], alike) if alike is not None else None
                looked[one] = known or trials.look(one)
        except _LEAVES_OUT as error:
            left_out.add(one, error)
    if not looked:
        raise left_out.reason()
    return looked


def _few_to_validate(data: TrainingData, seed: int) -> TrainingData:
    """`data` with so many validation rows as a trial needs."""
    some = np.sort(np.random.default_rng(seed).permutation(len(data.valid))[:_VALID_ROWS])
    return replace(data, valid=data.valid.take(some), valid_targets=data.valid_targets[some])


def _doubt(tried: Sequence[Tried], data: TrainingData) -> str | None:
    """What to say where the trials tell nothing: the best is no better than always saying the most frequent label."""
    best = tried[0]
    if best.interval is None or best.figure != "accuracy":
        return None
    usual = float(np.bincount(data.valid_targets.astype(np.int64)).max() / len(data.valid_targets))
    if best.interval[0] > usual:
        return None
    return (
        f"{best.standing.rows:,} rows teach nothing yet: {best.figure} {best.value:.2f}, and {usual:.2f} for the most "
        "frequent label alone; the order of the candidates decides, so give more --minutes"
    )


def _tried(standing: Standing[Arm], looked: dict[Arm, Looked], found: dict[Arm, Measured], *, rows: int) -> Tried:
    from scorer.advising.trials import figure_of, interval_of

    arm = standing.way
    figure, value = figure_of(found[arm])
    return Tried(arm, looked[arm], standing, figure, value, interval_of(found[arm]), looked[arm].cost.of(rows))


def _spelt(arm: Arm) -> str:
    preset = "" if arm.preset == "default" else f", --preset {arm.preset}"
    return f"{arm.name}, {arm.max_length} tokens{preset}"


def _cells(way: Tried) -> tuple[str, ...]:
    low, high = way.interval or (None, None)
    unknown = f"{way.looked.unknown_share:.1%}"
    if way.looked.unknown_share_extended < way.looked.unknown_share:
        unknown += f" ({way.looked.unknown_share_extended:.1%})"
    return (
        way.arm.name,
        str(way.arm.max_length),
        way.arm.preset,
        f"{way.standing.rows:,}",
        f"{way.value:.4f}",
        f"{low:.3f} to {high:.3f}" if low is not None else "",
        f"{way.looked.rows_a_second:,.0f}",
        f"{way.looked.weights_mb:,.0f}",
        unknown,
        f"{way.fit_seconds / 60:,.1f} min",
    )
