"""What a shard of a folder needs to be scored anywhere: its task, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from scorer.classifier.directory import ModelDirectory
from scorer.classifier.execution import Execution
from scorer.config import ScoreConfig
from scorer.engines.assessment import Stale
from scorer.engines.planned_shards import PlannedShard
from scorer.records.lineage import Lineage
from scorer.records.shard import InputFile, Shard
from scorer.scoring.columns import appended_names
from scorer.scoring.flips.bound import FlipBound
from scorer.scoring.folder_output import FolderOutput
from scorer.scoring.outputs import PartOutput
from scorer.scoring.preparation import dialect_of, logit_fingerprint
from scorer.scoring.scorer import ScorerSpec
from scorer.scoring.tasks import Part, PartInput, ShardTask
from scorer.scoring.windows import first_rows, window_rows
from scorer.stores.fingerprints import combined
from scorer.stores.location import Location
from scorer.tables.formats.registry import format_named
from scorer.tables.layouts import Layout


def rejects_of(place: int) -> str:
    """What the malformed records of the part at this place in its shard are called in the shard's folder."""
    return f"rejects-{place}"


@dataclass(frozen=True)
class TaskMaker:
    """Makes the tasks of one run: `scorer` is what scores them with `engine` and so many `labels`, `cache` the folder
    of the scores that are known."""

    config: ScoreConfig
    output: FolderOutput
    scorer: ScorerSpec
    engine: Execution
    labels: int
    cache: str

    def task(self, number: int, shard: PlannedShard, directory: ModelDirectory) -> ShardTask:
        """The task of a `shard`, for the model in `directory`."""
        folder = str(self.output.folder.shard(shard.name))
        return ShardTask(
            number=number,
            parts=tuple(self._part(place, one, folder) for place, one in enumerate(shard.stale)),
            folder=folder,
            # The folder is named after the work.
            work={} if self.config.reuse else None,
            scorer=self.scorer,
            reuse=self.config.reuse,
            known=self.cache,
            fingerprint=logit_fingerprint(self.config, directory, self.engine),
            flips=FlipBound.of(self.config),
            together=not shard.apart,
            passes_over=self.config.on_error == "quarantine",
        )

    def _part(self, place: int, one: Stale, folder: str) -> Part:
        config, file = self.config, one.file
        shard = Shard(files=(InputFile(location=str(file.path), identity=one.identity, size=one.size),))
        return Part(
            input=PartInput(
                shard=shard,
                format=file.format,
                dialect=dialect_of(config),
                text_columns=one.text_columns,
                # Lines that come out as they are have their columns in them.
                appended=appended_names(config) if file.output_format == "jsonl" and not config.partition_by else None,
                window_rows=window_rows(config.window_rows, labels=self.labels),
                first_rows=first_rows(self.engine.device),
                limit=config.limit,
                lenient=config.rejects is not None,
                spelt=format_named(file.output_format).text,
                rejects=f"{folder}/{rejects_of(place)}" if config.rejects is not None else None,
            ),
            output=PartOutput(
                target=Location.of_path(self.output.folder.part(file.name)),
                format=file.output_format,
                folder=folder,
                job=Lineage(job=one.job, input=combined([one.identity])),
                name=file.name,
                temporary=f"part-{place}",
                layout=Layout.of(config),
            ),
        )
