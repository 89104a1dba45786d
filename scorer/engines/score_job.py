"""The score job: a file in, the same file with scores out, complete or not at all.

Owns the order of things: every cheap check first, then whether the job is finished already, then rows and model, then
the one part that a file is, then the publication. What reads, scores and writes rows is imported when there are rows
to score: the engine that runs the part, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scorer.classifier.execution import Execution
from scorer.classifier.known_executions import KnownExecution
from scorer.config import ScoreConfig
from scorer.engines.folder_job import score_folder, wants_folder
from scorer.engines.manifest_files import check_report_by, check_report_type, kept_manifest
from scorer.engines.reporting import Watching, check_limits, tell, warn_of_drift
from scorer.engines.summary import ScoreSummary, Tally, summarize
from scorer.errors import UsageError
from scorer.records.document import to_document
from scorer.records.lineage import Lineage
from scorer.records.part import PartRecord, Totals
from scorer.runs.console import Console
from scorer.runs.manifest import Manifest
from scorer.runs.signals import StopSignals
from scorer.scoring.flips.bound import FlipBound
from scorer.scoring.limits import Limits
from scorer.scoring.outputs import OutputSet, open_output
from scorer.scoring.preparation import CheckedJob, check, describe_job, logit_fingerprint
from scorer.stores.location import Location
from scorer.tables.rejects import Rejects

if TYPE_CHECKING:
    from scorer.scoring.pipeline import Pace
    from scorer.scoring.scorer import Scorer
    from scorer.scoring.tasks import PartRows, ShardOutcome, ShardTask


def score(config: ScoreConfig, console: Console, *, arguments: Sequence[str] = ()) -> ScoreSummary:
    """Score `config.source` into `config.target`; `arguments`, those of the command line, go into the manifest.

    Whatever goes wrong is raised as a ScorerError; then the target is as it was before, and the same call goes on from
    the scores that were committed.
    """
    with StopSignals() as signals, kept_manifest(config, console, arguments=arguments) as manifest:
        tally = Tally()
        job = score_folder if wants_folder(config) else _score
        try:
            summary = job(config, console, signals, tally=tally, manifest=manifest)
        finally:
            manifest.facts |= {"rows_read": tally.rows_read} | tally.facts
    if config.report_html is not None:
        console.detail(f"shown in {config.report_html}")
    return summary


def _score(
    config: ScoreConfig, console: Console, signals: StopSignals, *, tally: Tally, manifest: Manifest
) -> ScoreSummary:
    limits = Limits.of(config)
    _refuse(config)
    with signals.at_once():
        checked = check(config)
        check_report_by(config, checked.source.names, where=config.source)
    tally.unread = checked.source.unread
    for warning in tally.unread.warnings():
        console.warn(warning)
    # The output is held before rows are looked at: a second run should not scan a large file to be told to wait.
    with _kept_rejects(checked.rejects) as keep_rejects, closing(_hold(checked)) as output:
        with signals.at_once():
            known_execution = KnownExecution(config, checked.directory)
            known = _known(checked, known_execution.recall())
            if known is not None:
                manifest.facts |= known.facts
                if (written := output.finished(known.job)) is not None:
                    summary = _as_it_stands(written, known, limits, tally=tally, console=console)
                    _write_page(checked, written, tally, signals)
                    return summary
            prepared = checked.read()
            check_report_type(config, prepared.reader.schema, where=config.source)
        warned = prepared.reader.warnings
        for warning in warned:
            console.warn(warning)
        tally.rejected = prepared.rejected
        tally.blank_lines = prepared.reader.blank_lines
        from scorer.scoring.scorer import Scorer, ScorerSpec
        from scorer.scoring.tasks import PartRows, ShardTask

        spec = ScorerSpec.of(config, prepared.directory, observe=True)
        scorer = Scorer.build(spec, prepared.directory)
        known_execution.remember(scorer.engine)
        tally.profile, tally.labels = scorer.profile, scorer.labels
        job = describe_job(prepared, scorer.engine, labels=scorer.labels, decision=scorer.decision)
        described = _Described(config.target, job, scorer.engine)
        manifest.facts |= described.facts
        if (written := output.finished(job)) is not None:
            keep_rejects()
            summary = _as_it_stands(written, described, limits, tally=tally, console=console)
            _write_page(checked, written, tally, signals)
            return summary
        engine = to_document(scorer.engine)
        console.detail("  ".join(f"{name} {value}" for name, value in engine.items()))
        rows = PartRows.of(prepared, device=scorer.engine.device)
        fingerprint = logit_fingerprint(config, prepared.directory, scorer.engine)
        task = ShardTask.of(rows, prepared, job=job, folder=output.folder, scorer=spec, fingerprint=fingerprint)
        receipt, pace = _run(
            task, rows, scorer, config=config, total=prepared.rows, tally=tally, console=console, signals=signals
        )
        # Of rows that arrived meanwhile, more may be known by now.
        for warning in prepared.reader.warnings if prepared.reader.warnings != warned else ():
            console.warn(warning)
        manifest.facts |= {"stream_seconds": round(pace.seconds, 3), "stage_seconds": pace.stage_seconds}
        tally.settle(Totals.of([receipt]))
        check_limits(limits, tally, console)
        warn_of_drift(tally, console)
        # Before the output: whoever finds that finds what is not in it, too.
        keep_rejects()
        output.publish()
        _write_page(checked, job, tally, signals)
    summary = summarize(tally, output=config.target, engine=engine, pace=pace)
    tell(summary, console)
    return summary


def _write_page(checked: CheckedJob, job: Lineage, tally: Tally, signals: StopSignals) -> None:
    """The page about the output, which stands, if one was asked for."""
    if checked.config.report_html is None:
        return
    from scorer.engines.outcome_page import OutcomePage, Published

    labels = tally.labels or checked.directory.labels
    assert labels is not None, "a job is known by its labels; this is a bug"
    page = OutcomePage(
        config=checked.config,
        files=[Published("", checked.target, checked.output_format, job.job)],
        folder=None,
        job=job.job,
        directory=checked.directory,
        labels=labels,
        tally=tally,
        input={"fingerprint of the input": job.input},
    )
    with signals.at_once():
        page.write(check=signals.check)


def _refuse(config: ScoreConfig) -> None:
    """UsageError for what makes no sense of a stream, and for a bound that is none."""
    FlipBound.of(config)
    places = Location.of_input(config.source), Location.of_output(config.target)
    if any(place.is_stream for place in places) and (config.engine != "local" or (config.workers or 1) > 1):
        raise UsageError("--engine, --workers: a stream is scored by one process; name files")


@dataclass(frozen=True)
class _Described:
    """A job whose output is `target`: everything that decides it, and how its logits are computed."""

    target: str
    job: Lineage
    engine: Execution

    @property
    def facts(self) -> dict[str, Any]:
        """What the manifest says of it."""
        return {"output": self.target, "job": self.job.as_document(), "engine": to_document(self.engine)}


def _known(checked: CheckedJob, engine: Execution | None) -> _Described | None:
    """The job as far as it can be told at once, without torch, weights and rows; None where only they tell.

    Rows tell how many malformed records there are, weights what their labels are called where config.json does not, and
    torch what `auto` comes to where no `engine` is known from before.
    """
    config, directory = checked.config, checked.directory
    labels = directory.labels
    if engine is None or labels is None or config.rejects is not None:
        return None
    if not checked.target.exists:
        return None
    decision = directory.decision_for(labels)
    return _Described(config.target, describe_job(checked, engine, labels=labels, decision=decision), engine)


def _as_it_stands(
    written: Lineage, known: _Described, limits: Limits, *, tally: Tally, console: Console
) -> ScoreSummary:
    """What an earlier run has `written` of this very job is compared with the limits of this one."""
    console.detail(f"{known.target} is complete already")
    tally.recall(written)
    check_limits(limits.of_what_stands(known.target), tally, console)
    return summarize(tally, output=known.target, engine=to_document(known.engine))


def _run(
    task: ShardTask,
    rows: PartRows,
    scorer: Scorer,
    *,
    config: ScoreConfig,
    total: int | None,
    tally: Tally,
    console: Console,
    signals: StopSignals,
) -> tuple[PartRecord, Pace]:
    """Send the `task`, whose `rows` are open, through the engine that `config` asks for; there are so many in `total`,
    if anybody knows."""
    from scorer.engines import crews, in_process
    from scorer.scoring.pipeline import Pace

    told = scorer.concerns
    for line in told:
        console.warn(line)
    with console.progress("score", total, "rows") as bar:
        if not _wants_crew(config, task):
            watch = Watching(tally, signals, bar.update)
            try:
                ((_, outcome),) = in_process.run_shards(
                    [task], watch=watch, load=lambda _: scorer, opened={task.number: {0: rows}}
                )
            finally:
                tally.back_offs = scorer.back_offs
            pace = outcome.pace
        else:

            def count(piece: ShardOutcome) -> None:
                tally.count(piece)
                bar.update(sum(record.rows for record in piece.records))

            begun = time.monotonic()
            with crews.crew_of(config, scorer.engine) as crew:
                assert crew is not None, "workers were asked for; this is a bug"
                ((_, outcome),) = crews.run_shards([task], crew, stop=signals, profile=scorer.profile, told=count)
            pace = Pace.of([outcome.pace], seconds=time.monotonic() - begun)
    for line in dict.fromkeys((*scorer.concerns, *outcome.concerns)):
        if line not in told:
            console.warn(line)
    (receipt,) = outcome.records
    return receipt, pace


def _wants_crew(config: ScoreConfig, task: ShardTask) -> bool:
    """Whether others are to score the file: because a cluster was asked for, or because there are several pieces of it
    for several workers."""
    from scorer.scoring.pieces import divisions

    if config.engine == "local" and (config.workers or 1) == 1:
        return False
    return config.engine != "local" or bool(divisions(task))


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


def _hold(checked: CheckedJob) -> OutputSet:
    return open_output(checked.target, checked.output_format, force=checked.config.force)
