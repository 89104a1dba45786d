"""One part of a score job: its rows, window by window, through the Scorer and into its output.

    read window -> encode -> classify -> answer, append -> write

A task is all that a part needs, as plain data, so any process can score it; what comes of it is a receipt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from scorer.config import WINDOW_TEXT_BYTES, FileFormat
from scorer.records.lineage import Lineage
from scorer.records.part import PartRecord
from scorer.records.shard import Shard
from scorer.scoring.cache import ScoreCache, open_cache
from scorer.scoring.drift import compare
from scorer.scoring.outputs import PartOutput
from scorer.scoring.pipeline import Pace, Pipeline
from scorer.scoring.preparation import PreparedJob, dialect_of
from scorer.scoring.scorer import Scorer, ScorerSpec
from scorer.scoring.windows import RowCounts, ScoredWindow, Window
from scorer.tables.dialect import Dialect
from scorer.tables.formats.registry import format_named
from scorer.tables.reader import Reader, nothing
from scorer.tables.rejects import CountedRejects, Rejects
from scorer.tables.source import Source
from scorer.tables.texts import spelt_out, spelt_schema


@dataclass(frozen=True, kw_only=True)
class PartInput:
    """The rows of a part and how they are read, as plain data that can be pickled.

    shard         the files, in a `format` that is written in a `dialect`
    text_columns  where the texts are
    appended      the names of the columns that an output of JSON lines gets, None for any other output
    window_rows   most rows of a window
    limit         read the first rows only
    lenient       pass malformed records over, which somebody else sets aside
    spelt         have texts in columns of bytes as the texts that were read, for an output of text
    """

    shard: Shard
    format: FileFormat
    dialect: Dialect
    text_columns: tuple[str, ...]
    appended: tuple[str, ...] | None
    window_rows: int
    limit: int | None
    lenient: bool
    spelt: bool

    def read(self) -> PartRows:
        """The rows, to be read here. DataError when a file is not what it was when the task was made."""
        rejects = CountedRejects(rows=self.limit) if self.lenient else None
        source = Source.of_shard(self.shard, self.format, rejects=rejects, dialect=self.dialect)
        return PartRows(self, source.read(self.text_columns, appended=self.appended), rejects)


@dataclass(frozen=True)
class PartRows:
    """The rows of `input`, open in this process; malformed ones are in `rejects`."""

    input: PartInput
    reader: Reader
    rejects: Rejects | None

    @classmethod
    def of(cls, prepared: PreparedJob) -> PartRows:
        """All rows of a job, which has opened them, as those of one part."""
        config = prepared.config
        asked = PartInput(
            shard=prepared.source.shard,
            format=prepared.source.format,
            dialect=dialect_of(config),
            text_columns=prepared.text_columns,
            appended=prepared.appended,
            window_rows=prepared.window_rows,
            limit=config.limit,
            lenient=prepared.rejects is not None,
            spelt=format_named(prepared.output_format).text,
        )
        return cls(asked, prepared.reader, prepared.rejects)

    @property
    def rejected(self) -> int:
        """How many malformed records were passed over."""
        return self.rejects.count if self.rejects is not None else 0

    @property
    def schema(self) -> pa.Schema:
        """That of every window."""
        return spelt_schema(self.reader.schema, self._spelt)

    def windows(self, check: Callable[[], None] = nothing) -> Iterator[pa.Table]:
        """The rows to score, in windows; `check` is called while they are waited for, and raises to stop."""
        asked = self.input
        tables = self.reader.windows(
            max_rows=asked.window_rows, max_bytes=WINDOW_TEXT_BYTES, limit=asked.limit, check=check
        )
        return (spelt_out(table, self._spelt) for table in tables)

    @property
    def _spelt(self) -> tuple[str, ...]:
        return self.input.text_columns if self.input.spelt else ()


@dataclass(frozen=True, kw_only=True)
class PartTask:
    """One part to be scored, as plain data that can be pickled.

    number       counts the parts of a job from 0
    input        its rows
    output       where they go
    scorer       what scores them
    reuse        whether equal texts are scored once and scores are kept
    cache        the folder of scores that outlive the job; None keeps them in the folder of the run
    fingerprint  names everything that changes a logit
    """

    number: int
    input: PartInput
    output: PartOutput
    scorer: ScorerSpec
    reuse: bool
    cache: str | None
    fingerprint: str

    @classmethod
    def of(
        cls, rows: PartRows, prepared: PreparedJob, *, job: Lineage, folder: str, scorer: ScorerSpec, fingerprint: str
    ) -> PartTask:
        """The only part of a job: its `rows` into its target; the rest as the fields have it."""
        config = prepared.config
        return cls(
            number=0,
            input=rows.input,
            output=PartOutput(target=prepared.target, format=prepared.output_format, folder=folder, job=job),
            scorer=scorer,
            reuse=config.reuse,
            cache=str(config.cache) if config.cache is not None else None,
            fingerprint=fingerprint,
        )


class Watch(Protocol):
    """Who is told how a part gets on."""

    def check(self) -> None:
        """Called between batches and windows, in any thread; raises when the run is to stop."""
        ...

    def read(self, rows: int) -> None:
        """So many more rows were read."""
        ...

    def wrote(self, window: ScoredWindow) -> None:
        """The `window` was written."""
        ...


def run_part(task: PartTask, scorer: Scorer, watch: Watch, rows: PartRows | None = None) -> tuple[PartRecord, Pace]:
    """Score all rows of the `task` with `scorer`, which is the task's own; the receipt, and how long it took.

    `rows` are those of the task where they are open already, as reading some formats anew takes a pass over all of
    them. What goes wrong is raised as a ScorerError; then the same task goes on from the scores that were kept. The
    part is finished when this returns, and is seen when its output set publishes it.
    """
    rows = rows or task.input.read()
    counts = RowCounts()
    with ExitStack() as stack:
        cache = _open_cache(task, scorer, stack)
        run = cache.run if cache is not None else 0
        writer = task.output.begin(run, scorer.columns.schema(rows.schema))
        try:
            pace = _pipeline(task, scorer, rows, counts, watch, cache).into(
                "write", lambda window: _write(window, writer.write, counts, watch)
            )
            stack.close()
            rows.reader.check_unchanged()
            counts.check()
            size = writer.finish(_found(task.output.job, counts, scorer))
        finally:
            writer.abort()
    record = PartRecord(
        name=task.output.target.name,
        shard=task.input.shard,
        job=task.output.job.job.fingerprint,
        rows=counts.rows,
        size=size,
        statuses=counts.counts.statuses,
        rejected=rows.rejected,
        tokens=counts.tokens,
        drift=counts.stats,
    )
    return record, pace


def _pipeline(
    task: PartTask, scorer: Scorer, rows: PartRows, counts: RowCounts, watch: Watch, cache: ScoreCache | None
) -> Pipeline[ScoredWindow]:
    """The stages that run in threads of their own."""

    def windows() -> Iterator[Window]:
        for number, table in enumerate(rows.windows(lambda: between_batches())):
            counts.rows_read += table.num_rows
            watch.read(table.num_rows)
            yield Window(number, table, task.input.text_columns)

    read = Pipeline.of(windows())
    between_batches = _both(watch.check, read.check)
    return (
        read.then("encode", lambda window: scorer.encode(window, cache))
        .then("classify", lambda encoded: scorer.classify(encoded, cache, between_batches=between_batches))
        .then("append", lambda classified: scorer.append(scorer.answer(classified)))
    )


def _write(window: ScoredWindow, write: Callable[[pa.Table], None], counts: RowCounts, watch: Watch) -> None:
    watch.check()
    write(window.table)
    counts.add(window)
    watch.wrote(window)


def _found(job: Lineage, counts: RowCounts, scorer: Scorer) -> Lineage:
    """`job` and what the output says of its rows: the same whenever and however often the job was interrupted."""
    return job.with_found(counts=counts.counts, drift=compare(scorer.profile, counts.stats))


def _open_cache(task: PartTask, scorer: Scorer, stack: ExitStack) -> ScoreCache | None:
    if not task.reuse:
        return None
    cache = open_cache(
        task.cache or task.output.folder,
        make=task.cache is not None,
        fingerprint=task.fingerprint,
        labels=len(scorer.labels),
        unfinished=task.output.unfinished_run(),
    )
    return stack.enter_context(cache)


def _both(first: Callable[[], None], second: Callable[[], None]) -> Callable[[], None]:
    def check() -> None:
        first()
        second()

    return check
