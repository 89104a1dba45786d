"""The score job whose output is a folder: one part for each input file, and only what is new or changed is scored.

Owns the order of things: which files there are, which parts stand, the shards of what is left, their publication, the
limits, the manifest last. What reads, scores and writes rows is imported when there are rows to score.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from scorer.classifier.directory import ModelDirectory, open_model
from scorer.classifier.known_executions import KnownExecution
from scorer.config import ScoreConfig
from scorer.engines.assessment import Assessment, Decisive, assess
from scorer.engines.manifest_files import check_report_by
from scorer.engines.planned_shards import PlannedShard, may_leave_early, shards_of
from scorer.engines.reporting import Unwatched, check_limits, tell, warn_of_drift
from scorer.engines.summary import ScoreSummary, Tally, summarize
from scorer.errors import DataError, NotPermitted, ScorerError, UsageError
from scorer.records.document import to_document
from scorer.records.part import PartRecord
from scorer.runs.console import Console
from scorer.runs.manifest import Manifest
from scorer.runs.score_store import merge_scores, score_files
from scorer.runs.signals import StopSignals
from scorer.scoring.drift import require_profile
from scorer.scoring.flips.bound import FlipBound
from scorer.scoring.folder_output import FolderOutput
from scorer.scoring.limits import Limits
from scorer.scoring.preparation import dialect_of
from scorer.stores.checks import Inputs, check_folder, check_parts_folder
from scorer.stores.location import Location
from scorer.tables.layouts import Layout
from scorer.tables.part_names import columns_of, is_several, part_files, without_empty

if TYPE_CHECKING:
    from scorer.scoring.pipeline import Pace
    from scorer.scoring.scorer import Scorer
    from scorer.scoring.tasks import ShardOutcome, ShardTask
    from scorer.stores.parts_folder import FileStamp

_SHOWN = 5


def wants_folder(config: ScoreConfig) -> bool:
    """Whether the output is a folder: it ends with /, is one, or files of a folder or pattern go where no data ending
    is."""
    target = Location.of_output(config.target)
    if target.is_stream:
        return False
    if config.target.endswith("/") or target.path.is_dir():
        return True
    return is_several(config.source) and not target.path.exists() and not target.ending


def score_folder(
    config: ScoreConfig, console: Console, signals: StopSignals, *, tally: Tally, manifest: Manifest
) -> ScoreSummary:
    """Score every file of `config.source` into a part of the folder `config.target`.

    As `score_job.score`; where files were passed over (`--on-error quarantine`), at the end DataError, or NotPermitted
    if none of them may be read.
    """
    limits, target = Limits.of(config), Location.of_output(config.target)
    with signals.at_once():
        _refuse(config)
        layout = Layout.of(config)
        files, unread = part_files(config.source, dialect_of(config), output_format=config.output_format)
        folders = sorted({file.path.parent for file in files})
        inputs = Inputs([config.source], models=[config.model], files=folders)
        check_parts_folder(target, inputs)
        if layout is not None:
            layout.refuse_parts([file.name for file in files])
        if config.rejects is not None and config.rejects.resolve().is_relative_to(target.path.resolve()):
            raise UsageError(f"{config.rejects}: would lie among the parts; name a file outside of {target.said}")
        if config.cache is not None:
            check_folder(config.cache, inputs, replaced=False)
        directory = open_model(config.model, by_times=True)
        require_profile(directory, config)
        if config.report_by is not None:
            one = next((file for file in files if not file.is_empty), files[0])
            check_report_by(config, columns_of([one], dialect_of(config)), where=config.source)
    with closing(FolderOutput.open(target)) as output:
        files, tally.unread = without_empty(files, unread, standing=output.known)
        for warning in tally.unread.warnings():
            console.warn(warning)
        run = _Run(config, console, signals, tally, directory, output)
        output.refuse_strangers((file.name for file in files), layout, force=config.force)
        with signals.at_once():
            decisive = run.decisive()
            tally.profile, tally.labels = directory.profile, decisive.labels
            run.take_up()
            found = assess(files, output, decisive, passed_over=run.pass_over)
            output.refuse_mixture(run.staying(found), layout)
        engine = to_document(decisive.engine)
        manifest.facts |= {"output": config.target, "engine": engine, "stale": found.reasons}
        pace = run.score(found, limits) if found.stale else None
        run.conclude(found, limits)
        manifest.facts |= {"parts": run.parts(found)}
        if config.report_html is not None and output.known:
            from scorer.engines.folder_page import page_of_folder

            page = page_of_folder(config, output, found, directory=directory, labels=decisive.labels, tally=tally)
            with signals.at_once():
                page.write(check=signals.check)
    if found.failed:
        raise _failure(config, found)
    parts = run.parts(found)
    summary = summarize(tally, output=config.target, engine=engine, pace=pace)
    summary = replace(summary, finished_before=pace is None and not run.changed, parts=parts)
    tell(summary, console)
    return summary


def preview(config: ScoreConfig, console: Console) -> dict[str, Any]:
    """`--dry-run`: what a run would do, and why. Writes nothing. Errors as of `score_folder`, as far as they show."""
    _refuse(config)
    target, layout = Location.of_output(config.target), Layout.of(config)
    files, unread = part_files(config.source, dialect_of(config), output_format=config.output_format)
    check_parts_folder(target, Inputs([config.source], models=[config.model]))
    if layout is not None:
        layout.refuse_parts([file.name for file in files])
    output = FolderOutput.look(target)
    files, unread = without_empty(files, unread, standing=output.known)
    for warning in unread.warnings():
        console.warn(warning)
    output.refuse_strangers((file.name for file in files), layout, force=config.force)
    with StopSignals() as signals:
        run = _Run(config, console, signals, Tally(), open_model(config.model, by_times=True), output)
        found = assess(files, output, run.decisive(), passed_over=lambda error: console.warn(f"{error}"))
    output.refuse_mixture(run.staying(found), layout)
    return {
        "output": config.target,
        **(vars(layout) if layout is not None else {}),
        "parts": run.parts(found),
        "bytes": sum(one.file.size for one in found.stale),
        "first": {why: [one.file.name for one in found.stale if one.why == why][:_SHOWN] for why in found.reasons},
        "unread_files": unread.as_dict(),
    }


class _Run:
    """One run over the folder that `output` holds."""

    def __init__(
        self,
        config: ScoreConfig,
        console: Console,
        signals: StopSignals,
        tally: Tally,
        directory: ModelDirectory,
        output: FolderOutput,
    ) -> None:
        self._config = config
        self._console = console
        self._signals = signals
        self._tally = tally
        self._directory = directory
        self._output = output
        self._known_execution = KnownExecution(config, directory)
        self._scorer: Scorer | None = None
        self._published: set[str] = set()
        self._dropped = False

    def decisive(self) -> Decisive:
        """What decides the job, without torch where it is known from before how logits are computed."""
        engine, labels = self._known_execution.recall(), self._directory.labels
        if engine is None or labels is None:
            scorer = self._loaded()
            engine, labels = scorer.engine, scorer.labels
        return Decisive(
            config=self._config,
            directory=self._directory,
            engine=engine,
            labels=labels,
            decision=self._directory.decision_for(labels),
        )

    def take_up(self) -> None:
        """Publish what an interrupted run has finished, unless limits are to be looked at first: those of this run, or
        of that one, which may have refused it."""
        if not Limits.of(self._config).any:
            for shard in self._output.allowed():
                self._publish(shard, {})

    def pass_over(self, error: ScorerError) -> None:
        """A file is at fault, as `error` says: the job fails, or goes on without it."""
        if self._config.on_error == "fail":
            raise error
        self._console.warn(f"{error}; passed over")

    def score(self, found: Assessment, limits: Limits) -> Pace:
        """Make what is stale, and publish it: shard by shard, or where there are limits when all is known."""
        from scorer.engines.crews import has_crew
        from scorer.engines.shard_tasks import TaskMaker
        from scorer.scoring.pipeline import Pace
        from scorer.scoring.scorer import ScorerSpec

        scorer = self._loaded()
        # Rows leave the model early where a file is scored alone.
        shards = shards_of(
            found.stale,
            earlier=self._output.planned,
            window_rows=self._config.window_rows,
            apart=may_leave_early if self._config.max_flips is not None else None,
            divided=has_crew(self._config, scorer.engine),
        )
        self._output.keep_finished({shard.name for shard in shards})
        self._output.plan([shard.parts for shard in shards])
        # What was computed for other shards, which nobody will publish, is known all the same.
        self._keep_scores(besides={shard.name for shard in shards})
        left = [shard for shard in shards if shard.name not in self._output.finished()]
        spec = ScorerSpec.of(self._config, self._directory, observe=True)
        maker = TaskMaker(self._config, self._output, spec, scorer.engine, labels=len(scorer.labels), cache=self._cache)
        tasks = [maker.task(number, shard, self._directory) for number, shard in enumerate(left)]
        told = list(scorer.concerns)
        for line in told:
            self._console.warn(line)
        paces, begun = [], time.monotonic()
        with self._console.progress("score", len(found.stale), "files") as bar:
            for task, outcome in self._run(tasks):
                shard = left[task.number]
                self._tally.count(outcome)
                for line in outcome.concerns:
                    if line not in told:
                        told.append(line)
                        self._console.warn(line)
                for place, error in outcome.faults.items():
                    self.pass_over(error)
                    found.failed[shard.stale[place].file.name] = error
                self._finish(shard, task, outcome.records, stage=limits.any)
                paces.append(outcome.pace)
                bar.update(len(shard.stale))
        return Pace.of(paces, seconds=time.monotonic() - begun)

    def _run(self, tasks: list[ShardTask]) -> Iterator[tuple[ShardTask, ShardOutcome]]:
        """Send the tasks through the engine."""
        from scorer.engines import crews, in_process

        with crews.crew_of(self._config, self._loaded().engine) as crew:
            if crew is None:
                watch = Unwatched(self._signals.check)
                yield from in_process.run_shards(tasks, watch=watch, load=lambda _: self._loaded())
                return
            # The workers have models of their own.
            profile, self._scorer = self._loaded().profile, None
            yield from crews.run_shards(tasks, crew, stop=self._signals, profile=profile)

    def conclude(self, found: Assessment, limits: Limits) -> None:
        """Compare all parts with the limits, publish what waits for that, write the manifest."""
        output = self._output
        if not found.stale:
            output.keep_finished(())
        staged = output.finished()
        gone = [] if self._config.mirror else found.deleted
        waiting = {name: record for shard in staged for name, record in output.records_of(shard).items()}
        aside = waiting.keys() | set(found.deleted)
        standing = [name for name in output.known if name not in aside]
        totals = output.totals(standing, waiting.values())
        self._tally.settle(totals)
        if not staged:
            limits = replace(limits, outcome=f"{self._config.target} stands from an earlier run")
        check_limits(limits, self._tally, self._console)
        warn_of_drift(self._tally, self._console)
        for shard in staged:
            self._publish(shard, self._stamps(found))
        self._tell_deleted(found.deleted)
        if self._config.mirror:
            for name in found.deleted:
                output.drop(name)
                self._dropped = True
        self._write_rejects()
        failed = {name: str(error) for name, error in sorted(found.failed.items())}
        whole = not failed and self._config.limit is None
        output.conclude(totals=to_document(totals), failed=failed, deleted=gone, whole=whole)
        self._keep_scores()

    def _write_rejects(self) -> None:
        """All malformed records of the files that the parts were made of, in the file that was asked for."""
        target = self._config.rejects
        if target is not None:
            self._output.folder.write_rejects(target, self._output.with_rejects())
            self._console.warn(f"{target}: {self._tally.rejected:,} malformed records were set aside here")

    @property
    def changed(self) -> bool:
        """Whether this run has published or deleted a part."""
        return bool(self._published) or self._dropped

    def parts(self, found: Assessment) -> dict[str, Any]:
        """How many parts there are, and what this run did with them; scored are those that it published, also where a
        run before it had finished them."""
        return {
            "current": len(set(found.current) - self._published),
            "scored": len(self._published),
            "failed": len(found.failed),
            "input_deleted": len(found.deleted),
            "stale": found.reasons,
        }

    def staying(self, found: Assessment) -> list[str]:
        """The parts that this run leaves as they are, since their files are gone or at fault."""
        return [*([] if self._config.mirror else found.deleted), *found.failed]

    def _loaded(self) -> Scorer:
        if self._scorer is None:
            from scorer.scoring.scorer import Scorer, ScorerSpec

            self._directory = self._directory.for_loading()
            spec = ScorerSpec.of(self._config, self._directory, observe=True)
            self._scorer = Scorer.build(spec, self._directory)
            self._known_execution.remember(self._scorer.engine)
        return self._scorer

    def _finish(self, shard: PlannedShard, task: ShardTask, records: Sequence[PartRecord], *, stage: bool) -> None:
        if not records:
            return
        from scorer.engines.shard_tasks import rejects_of

        jobs = [part.output.job.job for part in task.parts]
        temporary = {part.output.name: part.output.temporary for part in task.parts}
        rejects = {part.output.name: rejects_of(place) for place, part in enumerate(task.parts)}
        self._output.finish(shard.name, records, temporary=temporary, rejects=rejects, jobs=jobs, waits=stage)
        if not stage:
            self._publish(shard.name, {one.file.name: one.stamp for one in shard.stale})

    def _publish(self, shard: str, inputs: Mapping[str, FileStamp | None]) -> None:
        self._published |= self._output.records_of(shard).keys()
        self._output.publish(shard, inputs=inputs)

    def _stamps(self, found: Assessment) -> dict[str, Any]:
        return {one.file.name: one.stamp for one in found.stale}

    @property
    def _cache(self) -> str:
        """Where scores are kept between runs."""
        return str(self._config.cache or self._output.store)

    def _keep_scores(self, *, besides: Collection[str] = ()) -> None:
        """Add what all shards kept, but for those `besides`, to the scores that are known, and delete what they worked
        in."""
        for name in self._output.folder.shards():
            if name not in besides:
                merge_scores(score_files(self._output.folder.shard(name)), self._cache)
                self._output.folder.drop_shard(name)

    def _tell_deleted(self, deleted: Sequence[str]) -> None:
        if deleted:
            more = f" and {len(deleted) - _SHOWN} more" if len(deleted) > _SHOWN else ""
            what = "deleted with it" if self._config.mirror else "kept; --mirror deletes what has no input"
            self._console.warn(
                f"{self._config.target}: the input of {', '.join(deleted[:_SHOWN])}{more} is gone; the part is {what}"
            )


def _failure(config: ScoreConfig, found: Assessment) -> ScorerError:
    forbidden = all(isinstance(error, NotPermitted) for error in found.failed.values())
    name, error = next(iter(sorted(found.failed.items())))
    others = f" and {len(found.failed) - 1} more" if len(found.failed) > 1 else ""
    return (NotPermitted if forbidden else DataError)(
        f"{config.source}: {name}{others} could not be scored, all others are ({error}); "
        f"{'permit it to be read' if forbidden else 'replace it'} and run again"
    )


def _refuse(config: ScoreConfig) -> None:
    """UsageError for what makes no sense of a folder, and for a bound that is none."""
    FlipBound.of(config)
    if Location.of_input(config.source).is_stream:
        raise UsageError(f"{config.target}: a folder, and a stream has no name for a part in it; name a file in it")
