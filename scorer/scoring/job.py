"""The score job: a file in, the same file with scores out, complete or not at all.

Owns the order of things: every cheap check first, then the model, then the stream, then the publication. The model and
the stream need torch, which takes seconds to import; hence the import inside the function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from scorer.config import ScoreConfig
from scorer.runs.console import Console
from scorer.runs.manifest import Manifest
from scorer.runs.signals import StopSignals
from scorer.scoring.drift import MUCH
from scorer.scoring.limits import Limits
from scorer.scoring.output import FileOutput, Output, StreamOutput
from scorer.scoring.preparation import STREAM, Checked, check
from scorer.scoring.record import recorded
from scorer.scoring.summary import ScoreSummary, Tally, summarize
from scorer.tables.rejects import Rejects


def score(config: ScoreConfig, console: Console, *, arguments: Sequence[str] = ()) -> ScoreSummary:
    """Score `config.source` into `config.target`; `arguments`, those of the command line, go into the manifest.

    Whatever goes wrong is raised as a ScorerError; then the target is as it was before, and the same call goes on from
    the scores that were committed.
    """
    with StopSignals() as signals, recorded(config, console, arguments=arguments) as manifest:
        tally = Tally()
        try:
            return _score(config, console, signals, tally=tally, manifest=manifest)
        finally:
            manifest.facts |= {"rows_read": tally.rows_read} | tally.facts


def _score(
    config: ScoreConfig, console: Console, signals: StopSignals, *, tally: Tally, manifest: Manifest
) -> ScoreSummary:
    limits = Limits.of(config)
    with signals.at_once():
        checked = check(config)
    # The output is held before rows are looked at: a second run should not scan a large file to be told to wait.
    with _kept_rejects(checked.rejects) as keep_rejects, closing(_open_output(checked)) as output:
        with signals.at_once():
            prepared = checked.read()
        for warning in (*prepared.source.unread.warnings(), *prepared.reader.warnings):
            console.warn(warning)
        tally.rejected, tally.unread = prepared.rejected, prepared.source.unread
        from scorer.scoring.streaming import Streaming

        streaming = Streaming(prepared, output)
        manifest.facts |= {"output": config.target, "job": streaming.job, "engine": streaming.engine}
        if (written := output.finished(streaming.job)) is not None:
            console.detail(f"{config.target} is complete already")
            tally.recall(written)
            keep_rejects()
            _check_limits(replace(limits, outcome=f"{config.target} stands from an earlier run"), tally)
            return summarize(tally, output=config.target, engine=streaming.engine)
        console.detail("  ".join(f"{name} {value}" for name, value in streaming.engine.items()))
        pace = streaming.run(tally, console, signals)
        manifest.facts |= {"stream_seconds": round(pace.seconds, 3), "stage_seconds": pace.stage_seconds}
        prepared.reader.check_unchanged()
        tally.check()
        _check_limits(limits, tally)
        _warn_of_drift(tally, console)
        # Before the output: whoever finds that finds what is not in it, too.
        keep_rejects()
        output.publish(streaming.job | tally.lineage)
    return summarize(tally, output=config.target, engine=streaming.engine, pace=pace)


def _check_limits(limits: Limits, tally: Tally) -> None:
    limits.check(rows=tally.rows, flagged=tally.flagged, rejected=tally.rejected, drift=tally.drift)


def _warn_of_drift(tally: Tally, console: Console) -> None:
    much = tally.drift.beyond(MUCH) if tally.drift else {}
    if much:
        found = ", ".join(f"{name} {psi:.2f}" for name, psi in much.items())
        console.warn(
            f"the rows differ from the model's training data (stability index: {found}; above {MUCH:g} is much); "
            "look at them before you trust the scores"
        )


@contextmanager
def _kept_rejects(rejects: Rejects | None) -> Iterator[Callable[[], None]]:
    """What makes the malformed records' file appear; what was not kept when the block ends is discarded."""
    if rejects is None:
        yield lambda: None
        return
    try:
        yield rejects.commit
    finally:
        rejects.discard()


def _open_output(checked: Checked) -> Output:
    if checked.config.target == STREAM:
        return StreamOutput(checked.output_format)
    return FileOutput(Path(checked.config.target), checked.output_format, force=checked.config.force)
