"""The engine that runs shards in this process: one after the other, the windows of each overlapping.

Owns the Scorer while shards need it. Does not know what a job is, nor what becomes of a part once it is finished.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from scorer.scoring.scorer import Scorer, ScorerSpec
from scorer.scoring.shards import run_shard
from scorer.scoring.tasks import PartRows, ShardOutcome, ShardTask, Watch


def run_shards(
    tasks: Iterable[ShardTask],
    *,
    watch: Watch,
    load: Callable[[ScorerSpec], Scorer] = Scorer.build,
    opened: Mapping[int, Mapping[int, PartRows]] = MappingProxyType({}),
) -> Iterator[tuple[ShardTask, ShardOutcome]]:
    """Score the shards in their order; of each, when its parts are finished, what came of it.

    `load` is called once for each model in a row of tasks. `opened` are the rows of parts that were opened already, by
    the numbers of their shards and their places in these. What goes wrong with a shard is raised in its place.
    """
    scorer, loaded = None, None
    for task in tasks:
        if scorer is None or task.scorer != loaded:
            scorer, loaded = load(task.scorer), task.scorer
        yield task, run_shard(task, scorer, watch, opened.get(task.number, {}))
