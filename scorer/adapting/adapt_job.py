"""The adapt job: files of texts in, a base model for `scorer fit` out.

Everything cheap (files, columns, output) is checked before torch and transformers are imported; hence the imports
inside functions.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scorer.adapting.corpus import Corpus
from scorer.config import AdaptConfig
from scorer.errors import UsageError
from scorer.runs.console import Console
from scorer.stores.checks import Inputs, check_files
from scorer.stores.location import Location
from scorer.tables.dialect import Dialect
from scorer.tables.rejects import Rejects, kept_rejects, rejected_by
from scorer.tables.source import Source
from scorer.training.fit_job import default_output, refuse_output
from scorer.training.schedule import refuse_schedule

if TYPE_CHECKING:
    from scorer.adapting.outcome import Adapted

# What only a model from nothing has.
_SHAPE = ("vocab_size", "layers", "hidden", "heads")


@dataclass(frozen=True)
class AdaptSummary:
    """What an adaptation did; `seconds` is wall time, `peak_memory_mb` in MB of the device (CPU: of the process).

    `before` and `after` are of the same hidden tokens of texts held out; `new_head` says that before there was a head
    that nobody had trained. `texts_left_out` are in the file that is measured on, too.
    `planned_steps` are more than `steps` where `minutes` were over. `unknown_share` is that of
    tokens that the vocabulary cannot spell, `threads` on how many the CPU computed.
    """

    model: Path
    report: Path
    base_model: str
    device: str
    precision: str
    texts: int
    texts_measured_on: int
    texts_left_out: int
    passed_over: int
    rejected: int
    tokens: int
    rows: int
    unknown_share: float
    vocabulary: int
    new_tokens: int
    parameters: int
    epochs: float
    steps: int
    planned_steps: int
    kept_step: int
    new_head: bool
    before: dict[str, Any]
    after: dict[str, Any]
    seconds: float
    peak_memory_mb: float
    threads: int

    def as_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return {**dataclasses.asdict(self), "model": str(self.model), "report": str(self.report)}


def adapt(config: AdaptConfig, console: Console) -> AdaptSummary:
    """Adapt a base model to texts as `config` says, or make one, and write its model directory.

    Raises UsageError, DataError, InputMissing, OutputRefused, ConfigError, ModelError, DeviceError, StorageError or
    Interrupted (a checkpoint is kept; `resume` goes on from it).
    """
    started = time.monotonic()
    _refuse_values(config)
    if config.output is not None:
        output = Location.of_output(config.output)
    else:
        output = default_output(config.data.places[0], now=datetime.now())
    inputs = Inputs([*config.data.places, config.valid], models=[config.base_model])
    refuse_output(output, inputs, force=config.force, latest=False)
    check_files({"--rejects": config.rejects}, inputs, force=True)
    with kept_rejects(config.rejects, tell=console.warn) as rejects:
        corpus, valid = _opened(config, console, rejects)
        from scorer.adapting.adapting import adapt_and_write

        adapted = adapt_and_write(config, corpus, valid, output, console)
        rejected = rejected_by(rejects)
    summary = _summary(adapted, corpus, rejected=rejected, seconds=time.monotonic() - started)
    if summary.steps < summary.planned_steps:
        console.warn(f"{config.minutes:g} minutes were over after {summary.steps} of {summary.planned_steps} steps")
    console.say(f"{summary.seconds:.0f} s, peak memory {summary.peak_memory_mb:.0f} MB")
    console.say(
        f"base model {summary.model}, report {summary.report}; next: scorer fit ... --base-model {summary.model}"
    )
    return summary


def _refuse_values(config: AdaptConfig) -> None:
    """What a field's minimum and its choices cannot say."""
    if not 0.0 < config.held_out < 1.0:
        raise UsageError(f"--valid-fraction {config.held_out}: a share between 0 and 1, without the ends")
    if config.valid is not None and config.valid_fraction is not None:
        raise UsageError("--valid-fraction: nothing is held out where --valid names a file; leave one of the two out")
    refuse_schedule(config)
    if config.minutes is not None and config.minutes <= 0:
        raise UsageError(f"--minutes {config.minutes}: more than 0 are needed")
    if config.from_scratch and config.base_model is not None:
        raise UsageError("--base-model: a model --from-scratch has none; leave one of the two out")
    for name in _SHAPE if not config.from_scratch else ():
        if getattr(config, name) is not None:
            raise UsageError(f"--{name.replace('_', '-')}: is of a model --from-scratch; say that, too")


def _opened(config: AdaptConfig, console: Console, rejects: Rejects | None) -> tuple[Corpus, Corpus | None]:
    """The texts to learn from, and those to measure on where there is a file of them."""
    dialect = Dialect.of(config)
    source = Source.open(config.data, dialect=dialect, rejects=rejects)
    if rejects is not None:
        rejects.rows = config.limit
    corpus, valid = Corpus.of(config.data, source, config.text_column, config.limit), None
    if config.valid is not None:
        other = type(config.data)(config.valid)
        valid = Corpus.of(other, Source.open(other, dialect=dialect, rejects=rejects), corpus.columns)
    for found in (corpus, valid):
        for warning in found.source.unread.warnings() if found is not None else ():
            console.warn(warning)
    return corpus, valid


def _summary(adapted: Adapted, corpus: Corpus, *, rejected: int, seconds: float) -> AdaptSummary:
    packed, place = adapted.packed, adapted.output.path
    return AdaptSummary(
        model=place,
        report=place / "report.html",
        base_model=adapted.base_model,
        device=adapted.device,
        precision=adapted.precision,
        texts=packed.texts,
        texts_measured_on=packed.valid_texts,
        texts_left_out=packed.left_out,
        passed_over=corpus.passed_over,
        rejected=rejected,
        tokens=packed.tokens,
        rows=len(packed.train),
        unknown_share=packed.unknown_share,
        vocabulary=adapted.vocabulary,
        new_tokens=adapted.new_tokens,
        parameters=adapted.parameters,
        epochs=adapted.epochs,
        steps=adapted.steps,
        planned_steps=adapted.planned_steps,
        kept_step=adapted.kept_step,
        new_head=adapted.new_head,
        before=adapted.before.as_dict(),
        after=adapted.after.as_dict(),
        seconds=round(seconds, 1),
        peak_memory_mb=round(adapted.peak_memory / 1e6, 1),
        threads=adapted.threads,
    )
