"""The score job: a file in, the same file with scores out, complete or not at all.

Owns the order of things: every cheap check first, then the model, then the stream, then the publication. The model and
the stream need torch, which takes seconds to import; hence the import inside the function.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from scorer.config import ScoreConfig
from scorer.runs.console import Console
from scorer.runs.signals import StopSignals
from scorer.scoring.output import FileOutput, Output, StreamOutput
from scorer.scoring.preparation import STREAM, Preparation, prepare
from scorer.scoring.summary import ScoreSummary, Tally, summarize


def score(config: ScoreConfig, console: Console) -> ScoreSummary:
    """Score `config.source` into `config.target`.

    Whatever goes wrong is raised as a ScorerError; then the target is as it was before, and the same call goes on from
    the scores that were committed.
    """
    tally = Tally()
    with StopSignals() as signals:
        prepared = prepare(config)
        with closing(_open_output(prepared)) as output:
            from scorer.scoring.streaming import Streaming

            streaming = Streaming(prepared, output)
            if output.is_done(streaming.job):
                console.detail(f"{config.target} is complete already")
                return ScoreSummary(output=config.target, finished_before=True)
            console.detail("  ".join(f"{name} {value}" for name, value in streaming.engine.items()))
            pace = streaming.run(tally, console, signals)
            prepared.reader.check_unchanged()
            tally.check()
            output.publish(streaming.job | {"counts": tally.counts})
    return summarize(tally, output=config.target, engine=streaming.engine, pace=pace)


def _open_output(prepared: Preparation) -> Output:
    if prepared.config.target == STREAM:
        return StreamOutput(prepared.output_format)
    return FileOutput(Path(prepared.config.target), prepared.output_format, force=prepared.config.force)
