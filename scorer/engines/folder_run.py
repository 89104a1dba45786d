"""One run over a folder of parts: what is stale is scored shard by shard, published, and held against the limits.

Owns the order of these steps, so that a kill between any two of them costs nothing that was finished. What reads,
scores and writes rows is imported when there are rows to score.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from scorer.classifier.directory import ModelDirectory
from scorer.classifier.known_executions import KnownExecution
from scorer.config import ScoreConfig
from scorer.engines.assessment import Assessment, Decisive
from scorer.engines.planned_shards import PlannedShard, may_leave_early, shards_of
from scorer.engines.reporting import Unwatched, check_limits, warn_of_drift
from scorer.engines.summary import Tally
from scorer.errors import ModelError, ScorerError
from scorer.records.document import to_document
from scorer.records.part import PartRecord
from scorer.runs.console import Console
from scorer.runs.score_store import merge_scores, score_files
from scorer.runs.signals import StopSignals
from scorer.scoring.folder_output import FolderOutput
from scorer.scoring.limits import Limits
from scorer.tables.layouts import Layout

if TYPE_CHECKING:
    from scorer.scoring.pipeline import Pace
    from scorer.scoring.scorer import Scorer
    from scorer.scoring.tasks import ShardOutcome, ShardTask
    from scorer.stores.parts_folder import FileStamp

_SHOWN = 5


class FolderRun:
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
            for shard in self._output.finished.allowed():
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
        self._output.finished.keep({shard.name for shard in shards if self._is_whole(shard)})
        self._output.plan([shard.parts for shard in shards])
        # What was computed for shards that nobody will publish is known all the same. That of this very work counts
        # when it is done: so a run that goes on sees what the interrupted one saw.
        self._keep_scores(besides={shard.name for shard in shards} | self._output.published)
        finished = set(self._output.finished.names)
        left = [shard for shard in shards if shard.name not in finished]
        spec = ScorerSpec.of(self._config, self._directory, observe=True)
        maker = TaskMaker(self._config, self._output, spec, scorer.engine, labels=len(scorer.labels), cache=self._cache)
        tasks = [maker.task(number, shard, self._directory) for number, shard in enumerate(left)]
        told = _Told(self._console)
        told.of_model(scorer.concerns)
        paces, begun = [], time.monotonic()
        stage = limits.any or self._lays_out_anew(found)
        with self._console.progress("score", len(found.stale), "files") as bar:
            for task, outcome in self._run(tasks):
                shard = left[task.number]
                self._tally.count(outcome)
                told.of_model(outcome.concerns)
                told.of_files(outcome.warnings)
                for place, error in outcome.faults.items():
                    self.pass_over(error)
                    found.failed[shard.stale[place].file.name] = error
                self._finish(shard, task, outcome.records, stage=stage)
                paces.append(outcome.pace)
                bar.update(len(shard.stale))
        told.end(self._config.source)
        return Pace.of(paces, seconds=time.monotonic() - begun)

    def _is_whole(self, shard: PlannedShard) -> bool:
        """Whether a run before this one has finished all parts of the shard, as this run wants them."""
        finished = self._output.finished
        if shard.name not in finished.names or not finished.is_there(shard.name):
            return False
        records = finished.records_of(shard.name)
        lacking = self._config.rejects is None and any(record.rejected for record in records.values())
        return not lacking and records.keys() == {name for name, _ in shard.parts}

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
            output.finished.keep(())
        staged = output.finished.names
        gone = [] if self._config.mirror else found.deleted
        waiting = {name: record for shard in staged for name, record in output.finished.records_of(shard).items()}
        made = (waiting.keys() | output.known.keys()) - found.failed.keys()
        replaced = [name for name, now in found.replaced.items() if now in made]
        aside = {*waiting, *found.deleted, *replaced}
        standing = [name for name in output.known if name not in aside]
        totals = output.totals(standing, waiting.values(), model=self._directory.fingerprint)
        self._tally.settle(totals)
        if limits.any:
            output.finished.hold_back()
        output.refuse_mixture(self.staying(found), Layout.of(self._config))
        if not staged and output.known:
            limits = limits.of_what_stands(self._config.target)
        check_limits(limits, self._tally, self._console)
        warn_of_drift(self._tally, self._console)
        for shard in staged:
            self._publish(shard, self._stamps(found))
        self._tell_deleted(found.deleted)
        if replaced:
            self._console.warn(
                f"{self._config.target}: {_first(sorted(replaced))}: replaced, since the format is another"
            )
        for name in (*replaced, *(found.deleted if self._config.mirror else ())):
            output.drop(name)
            self._dropped = True
        self._drop_left_behind()
        self._write_rejects(found)
        failed = {name: str(error) for name, error in sorted(found.failed.items())}
        whole = not failed and self._config.limit is None
        output.conclude(totals=to_document(totals), failed=failed, deleted=gone, whole=whole)
        self._keep_scores()

    def _write_rejects(self, found: Assessment) -> None:
        """All malformed records of the files that the parts were made of, in the file that was asked for."""
        target = self._config.rejects
        if target is not None:
            # Those that the totals count.
            self._output.folder.write_rejects(target, self._output.with_rejects(besides=found.deleted))
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
        replaced = (name for name, now in found.replaced.items() if now in found.failed)
        return [*([] if self._config.mirror else found.deleted), *found.failed, *replaced]

    def _lays_out_anew(self, found: Assessment) -> bool:
        """Whether a part that stands is laid out otherwise than this run does: then parts wait until all are made, as a
        folder of two layouts is none that anybody could read."""
        layout, deleted = Layout.of(self._config), set(found.deleted if self._config.mirror else ())
        jobs = self._output.jobs
        return any(
            Layout.of_options(jobs[known.job].options) != layout
            for name, known in self._output.known.items()
            if name not in deleted
        )

    def _loaded(self) -> Scorer:
        if self._scorer is None:
            from scorer.scoring.scorer import Scorer, ScorerSpec

            self._directory = self._looked_at()
            spec = ScorerSpec.of(self._config, self._directory, observe=True)
            self._scorer = Scorer.build(spec, self._directory)
            self._known_execution.remember(self._scorer.engine)
        return self._scorer

    def _looked_at(self) -> ModelDirectory:
        """The model with every byte looked at. ModelError where it is not the one that parts were compared with."""
        fresh = self._directory.for_loading()
        if fresh.fingerprint != self._directory.fingerprint:
            raise ModelError(
                f"{self._directory.path}: not the model any more that it was when the run began; run again, or copy "
                "it anew"
            )
        return fresh

    def _finish(self, shard: PlannedShard, task: ShardTask, records: Sequence[PartRecord], *, stage: bool) -> None:
        if not records:
            return
        from scorer.engines.shard_tasks import rejects_of

        jobs = [part.output.job.job for part in task.parts]
        temporary = {part.output.name: part.output.temporary for part in task.parts}
        rejects = {part.output.name: rejects_of(place) for place, part in enumerate(task.parts)}
        self._output.finished.add(shard.name, records, temporary=temporary, rejects=rejects, jobs=jobs, waits=stage)
        if not stage:
            self._publish(shard.name, {one.file.name: one.stamp for one in shard.stale})

    def _publish(self, shard: str, inputs: Mapping[str, FileStamp | None]) -> None:
        self._published |= self._output.finished.records_of(shard).keys()
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
        for name in sorted(set(self._output.folder.shards()) - set(besides)):
            from scorer.scoring.pieces import pieces_in

            folder = str(self._output.folder.shard(name))
            for place in (folder, *pieces_in(folder)):
                merge_scores(score_files(place), self._cache)
            self._output.folder.drop_shard(name)

    def _drop_left_behind(self) -> None:
        """Delete what killed runs of other machines left, or tell of it."""
        stays, dropped = self._output.drop_left_behind(Layout.of(self._config), mirror=self._config.mirror)
        self._dropped = self._dropped or bool(dropped)
        for names, what in ((stays, "--mirror deletes them"), (dropped, "deleted")):
            if names:
                self._console.warn(
                    f"{self._config.target}: {_first(names)}: left by a run that was killed, and no part of it; {what}"
                )

    def _tell_deleted(self, deleted: Sequence[str]) -> None:
        if deleted:
            what = "deleted with it" if self._config.mirror else "kept; --mirror deletes what has no input"
            self._console.warn(f"{self._config.target}: the input of {_first(deleted)} is gone; the part is {what}")


class _Told:
    """What a person was told of outcomes: of the model each thing once, of files the first things and how many more
    there were."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._concerns: set[str] = set()
        self._warnings = 0

    def of_model(self, concerns: Iterable[str]) -> None:
        for line in concerns:
            if line not in self._concerns:
                self._console.warn(line)
        self._concerns.update(concerns)

    def of_files(self, warnings: Sequence[str]) -> None:
        for line in warnings[: max(_SHOWN - self._warnings, 0)]:
            self._console.warn(line)
        self._warnings += len(warnings)

    def end(self, source: str) -> None:
        if self._warnings > _SHOWN:
            self._console.warn(f"{source}: {self._warnings - _SHOWN} more warnings of this kind")


def _first(names: Sequence[str]) -> str:
    """The first of the `names`, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
