"""One part of a score job: its rows, window by window, through the Scorer and into its output.

    read window -> encode -> classify -> answer, append -> write

Owns the putting together of Scorer, score cache and output. Does not know which other parts there are, nor what becomes
of the output afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from scorer.scoring.cache import ScoreCache, cache_file, open_cache
from scorer.scoring.outputs import PartWriter
from scorer.scoring.pipeline import Pace, Pipeline
from scorer.scoring.scorer import Scorer, ScorerSpec
from scorer.scoring.windows import ScoredWindow, Window


@dataclass(frozen=True, kw_only=True)
class PartTask:
    """One part to be scored, as plain data that can be pickled.

    number        counts the parts of a job from 0
    scorer        what scores it
    text_columns  where its texts are
    reuse         whether equal texts are scored once and scores are kept
    cache         the folder of scores that outlive the job; None keeps them where the part is written, until that is
                  complete
    fingerprint   names everything that changes a logit
    """

    number: int
    scorer: ScorerSpec
    text_columns: tuple[str, ...]
    reuse: bool
    cache: Path | None
    fingerprint: str


class OpenPart(Protocol):
    """The rows of a part and where they go, open in the process that scores it.

    schema  of the rows
    folder  where the run may keep things until the part is complete
    """

    @property
    def schema(self) -> pa.Schema: ...

    @property
    def folder(self) -> Path: ...

    def windows(self) -> Iterator[pa.Table]:
        """The rows, in windows."""
        ...

    def unfinished_run(self) -> int | None:
        """The number of the run that began this part and was interrupted, or None."""
        ...

    def begin(self, run: int, schema: pa.Schema) -> PartWriter:
        """Where tables of `schema` go; an interrupted part can be continued as the same `run` from here on."""
        ...


class Watch(Protocol):
    """Who is told how a part gets on."""

    def check(self) -> None:
        """Called between batches and windows, in any thread; raises when the run is to stop."""
        ...

    def wrote(self, window: ScoredWindow) -> None:
        """The `window` was written."""
        ...


def run_part(task: PartTask, scorer: Scorer, part: OpenPart, watch: Watch) -> Pace:
    """Score all rows of `part` with `scorer`, which is that of the `task`. What goes wrong is raised as a ScorerError.

    Every window of the part is written when this returns; the part is not complete before its output is published.
    """
    with ExitStack() as stack:
        cache = _open_cache(task, scorer, part, stack)
        sink = part.begin(cache.run if cache is not None else 0, scorer.columns.schema(part.schema))

        def write(window: ScoredWindow) -> None:
            watch.check()
            sink.write(window.table)
            watch.wrote(window)

        read = Pipeline.of(Window(number, table, task.text_columns) for number, table in enumerate(part.windows()))
        between_batches = _both(watch.check, read.check)
        return (
            read.then("encode", lambda window: scorer.encode(window, cache))
            .then("classify", lambda encoded: scorer.classify(encoded, cache, between_batches=between_batches))
            .then("append", lambda classified: scorer.append(scorer.answer(classified)))
            .into("write", write)
        )


def _open_cache(task: PartTask, scorer: Scorer, part: OpenPart, stack: ExitStack) -> ScoreCache | None:
    if not task.reuse:
        return None
    if task.cache is not None:
        task.cache.mkdir(parents=True, exist_ok=True)
    path = cache_file(task.cache or part.folder, task.fingerprint)
    labels, unfinished = len(scorer.labels), part.unfinished_run()
    return stack.enter_context(open_cache(path, fingerprint=task.fingerprint, labels=labels, unfinished=unfinished))


def _both(first: Callable[[], None], second: Callable[[], None]) -> Callable[[], None]:
    def check() -> None:
        first()
        second()

    return check
