"""The engine that runs parts in this process: one after the other, the windows of each overlapping.

Owns the Scorer while parts need it. Does not know what a job is, nor what becomes of a part once it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from scorer.scoring.part import OpenPart, PartTask, Watch, run_part
from scorer.scoring.pipeline import Pace
from scorer.scoring.scorer import Scorer, ScorerSpec


def run_parts(
    tasks: Iterable[PartTask],
    *,
    open_part: Callable[[PartTask], OpenPart],
    watch: Watch,
    load: Callable[[ScorerSpec], Scorer] = Scorer.build,
) -> Iterator[tuple[PartTask, Pace]]:
    """Score the parts in their order, and say of each when all of its windows are written.

    `open_part` opens what a task describes; `load` is called once for each model in a row of tasks. What goes wrong
    with a part is raised in its place.
    """
    scorer, loaded = None, None
    for task in tasks:
        if scorer is None or task.scorer != loaded:
            scorer, loaded = load(task.scorer), task.scorer
        yield task, run_part(task, scorer, open_part(task), watch)
