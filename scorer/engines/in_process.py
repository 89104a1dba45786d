"""The engine that runs parts in this process: one after the other, the windows of each overlapping.

Owns the Scorer while parts need it. Does not know what a job is, nor what becomes of a part once it is finished.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from scorer.records.part import PartRecord
from scorer.scoring.part import PartRows, PartTask, Watch, run_part
from scorer.scoring.pipeline import Pace
from scorer.scoring.scorer import Scorer, ScorerSpec
from scorer.scoring.shards import ShardOutcome, ShardTask, run_shard


def run_parts(
    tasks: Iterable[PartTask],
    *,
    watch: Watch,
    load: Callable[[ScorerSpec], Scorer] = Scorer.build,
    opened: Mapping[int, PartRows] | None = None,
) -> Iterator[tuple[PartTask, PartRecord, Pace]]:
    """Score the parts in their order; of each, when it is finished, its receipt and how long it took.

    `load` is called once for each model in a row of tasks. `opened` are the rows of parts that were opened already, by
    their numbers: this engine need not open them again. What goes wrong with a part is raised in its place.
    """
    scorer, loaded = None, None
    for task in tasks:
        if scorer is None or task.scorer != loaded:
            scorer, loaded = load(task.scorer), task.scorer
        record, pace = run_part(task, scorer, watch, (opened or {}).get(task.number))
        yield task, record, pace


def run_shards(
    tasks: Iterable[ShardTask], *, watch: Watch, load: Callable[[ScorerSpec], Scorer] = Scorer.build
) -> Iterator[tuple[ShardTask, ShardOutcome]]:
    """Score the shards in their order; of each, when its parts are finished, what came of it. `load` as in
    `run_parts`."""
    scorer, loaded = None, None
    for task in tasks:
        if scorer is None or task.scorer != loaded:
            scorer, loaded = load(task.scorer), task.scorer
        yield task, run_shard(task, scorer, watch)
