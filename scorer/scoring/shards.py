"""One shard of a score job: a part, or several that are scored together, so that small files share windows.

    read rows into windows -> encode -> classify -> divide by part, answer, append -> write each part

A task is all that a worker needs, as plain data, so any process can score it; what comes of each part is a receipt. A
shard sees the scores that were known when the job began, and its own: so its bytes do not depend on which shard came
first. What was kept of an interrupted one is gone on from.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from scorer.classifier.stages import WHOLE_MODEL
from scorer.config import WINDOW_TEXT_BYTES
from scorer.errors import FILE_FAULTS, ScorerError
from scorer.records.part import PartRecord, Totals
from scorer.scoring.cache import ScoreCache, open_cache
from scorer.scoring.outputs import Beginning
from scorer.scoring.part_writers import PartWriter
from scorer.scoring.pipeline import Pace, Pipeline
from scorer.scoring.preparation import check_engine
from scorer.scoring.scorer import Scorer
from scorer.scoring.tasks import Part, PartRows, ShardOutcome, ShardTask, Watch
from scorer.scoring.windows import ClassifiedWindow, EncodedWindow, RowCounts, ScoredWindow, Window
from scorer.stores.workspace import WorkFolder
from scorer.tables.formats.registry import format_named
from scorer.tables.texts import texts

if TYPE_CHECKING:
    from scorer.scoring.flips.early_rows import EarlyRows


class _FileFault(Exception):
    """The file of the part at this `place` in its shard cannot be read, as `error` says."""

    def __init__(self, place: int, error: ScorerError) -> None:
        super().__init__(place, error)
        self.place = place
        self.error = error


@dataclass(frozen=True)
class _Shared:
    """Rows of one part or of several: the texts of all of them in one `window`, and the tables by the part's place."""

    window: Window
    tables: tuple[tuple[int, pa.Table], ...]


def run_shard(
    task: ShardTask, scorer: Scorer, watch: Watch, opened: Mapping[int, PartRows] = MappingProxyType({})
) -> ShardOutcome:
    """Score all parts of the `task` with `scorer`, which is the task's own. They are finished when this returns, and
    are seen when somebody publishes them.

    `opened` are the rows of parts that are open already, by their places: reading some formats anew takes a pass over
    all of them. What goes wrong is raised as a ScorerError; then the same task goes on from the
    scores that were kept. Where the task passes over files that are at fault, its other parts are made all the same.
    """
    check_engine(task.parts[0].output.job.job, scorer.engine)
    # A part of a folder may be asked of another worker when this one is not heard of.
    shared = task.work is not None or bool(task.parts[0].output.name)
    with WorkFolder(task.folder).alone() if shared else nullcontext():
        return _score_parts(task, scorer, watch, opened)


def _score_parts(task: ShardTask, scorer: Scorer, watch: Watch, opened: Mapping[int, PartRows]) -> ShardOutcome:
    """All parts until their end, with as many attempts as there are files at fault that are passed over."""
    left = dict(enumerate(task.parts))
    faults: dict[int, ScorerError] = {}
    done = ShardOutcome((), faults, Pace(0.0, {}))
    before = scorer.back_offs
    while left and not done.records:
        attempt = _Attempt(task, left, scorer, watch, opened)
        try:
            records, pace = attempt.run()
            done = replace(done, records=tuple(records), pace=pace, warnings=tuple(attempt.warnings))
        except _FileFault as fault:
            if not task.passes_over:
                raise fault.error from fault
            place = list(left)[fault.place]
            faults[place] = fault.error
            del left[place]
        finally:
            attempt.abort()
            done = replace(
                done,
                rows_read=done.rows_read + sum(counts.rows_read for counts in attempt.counts),
                computed_tokens=done.computed_tokens + attempt.computed_tokens,
                reused=done.reused + attempt.reused,
            )
    return replace(done, back_offs=scorer.back_offs - before, concerns=tuple(scorer.concerns))


class _Attempt:
    """The `parts` once, in order; their keys are their places in the task, by which rows may have been `opened`."""

    def __init__(
        self,
        task: ShardTask,
        parts: Mapping[int, Part],
        scorer: Scorer,
        watch: Watch,
        opened: Mapping[int, PartRows],
    ) -> None:
        self._task = task
        self._parts = tuple(parts.values())
        self._scorer = scorer
        self._watch = watch
        self._rows = {place: opened[named] for place, named in enumerate(parts) if named in opened}
        self.counts = [RowCounts() for _ in parts]
        self._early: EarlyRows | None = None
        self._stages: list[Counter[int]] = [Counter() for _ in parts]
        self._writer: PartWriter | None = None
        self._writing = -1
        self._records: list[PartRecord] = []
        self.computed_tokens = 0
        self.reused = 0
        self.warnings: list[str] = []

    def run(self) -> tuple[list[PartRecord], Pace]:
        with ExitStack() as stack:
            cache = self._open_cache(stack)
            if 0 in self._rows:
                self._begin(0)
            begun = time.monotonic()
            self._early = early = self._begin_early()
            sampling = time.monotonic() - begun

            def while_reading() -> None:
                self._watch.check()
                read.check()

            def classify(item: tuple[_Shared, EncodedWindow]) -> tuple[_Shared, ClassifiedWindow]:
                rows = item[0].window.table.num_rows

                def after_batch(share: float) -> None:
                    self._watch.check()
                    classified.check()
                    self._watch.computed(share * rows)

                return item[0], self._scorer.classify(item[1], cache, after_batch=after_batch, early=early)

            read = Pipeline.of(self._windows(while_reading))
            encoded = read.then("encode", lambda shared: (shared, self._scorer.encode(shared.window, cache)))
            classified = encoded.then("classify", classify)
            pace = classified.then("append", lambda item: self._appended(*item)).into("write", self._write)
            if early is not None:
                pace = Pace.of([Pace(sampling, {"sample": 1.0}), pace])
        self._finish_up_to(len(self._parts))
        return self._records, pace

    def _begin_early(self) -> EarlyRows | None:
        """The rows that may leave the model early, where there is a bound on how many of them flip."""
        if self._task.flips is None:
            return None
        from scorer.scoring.flips.early_rows import EarlyRows

        try:
            asked, model = self._parts[0].input, self._scorer.model
            early = EarlyRows(
                self._task.flips,
                model=model.early,
                encode=self._scorer.encode,
                text_columns=asked.text_columns,
                exact=model.why_not_early or self._why_exact(),
            )
            check = self._watch.check
            early.begin(lambda: self._opened(0).windows(check), seed=asked.shard.fingerprint, check=check)
        except FILE_FAULTS as error:
            raise _FileFault(0, error) from error
        return early

    def _why_exact(self) -> str | None:
        """Why no row may leave the model early, whatever the rows are, or None."""
        if self._task.together:
            return "small files are scored together"
        from scorer.scoring.flips.early_rows import OF_A_STREAM

        return None if self._opened(0).reader.again else OF_A_STREAM

    def abort(self) -> None:
        """Forget the part that is being written, if there is one."""
        if self._writer is not None:
            self._writer.abort()
            self._writer = None
        for rows in self._rows.values():
            if rows.input.rejects is not None and rows.rejects is not None:
                rows.rejects.discard()

    def _open_cache(self, stack: ExitStack) -> ScoreCache | None:
        """The scores to look into and to add to; a run that is interrupted from here on is gone on from."""
        task, cache = self._task, None
        begun = Beginning(WorkFolder(task.folder), task.work) if task.work is not None else None
        if task.reuse:
            cache = stack.enter_context(
                open_cache(
                    task.cache or task.folder,
                    make=task.cache is not None,
                    fingerprint=task.fingerprint,
                    labels=len(self._scorer.labels),
                    unfinished=begun.run if begun is not None else None,
                    of=begun.store if begun is not None else None,
                    before=task.known,
                )
            )
        if begun is not None:
            begun.remember(cache.run if cache is not None else 0, store=cache.known.id if cache is not None else None)
        return cache

    def _windows(self, check: Callable[[], None]) -> Iterator[_Shared]:
        """Rows of one part after the other, together as far as a window has room. Those of the last part wait for
        nobody: they may arrive as a stream."""
        held: list[tuple[int, pa.Table]] = []
        rows = size = number = first = 0
        most = self._parts[0].input.window_rows
        for place, part in enumerate(self._parts):
            for table in self._read(place, check):
                more = sum(table.column(name).nbytes for name in part.input.text_columns)
                if held and (rows + table.num_rows > most or size + more > WINDOW_TEXT_BYTES):
                    yield self._shared(number, held, first)
                    held, rows, size, number, first = [], 0, 0, number + 1, first + rows
                held.append((place, table))
                rows, size = rows + table.num_rows, size + more
                if place == len(self._parts) - 1:
                    yield self._shared(number, held, first)
                    held, rows, size, number, first = [], 0, 0, number + 1, first + rows
        if held:
            yield self._shared(number, held, first)

    def _read(self, place: int, check: Callable[[], None]) -> Iterator[pa.Table]:
        """The windows of one part; `check` is called while they are waited for."""
        try:
            rows = self._opened(place)
            for table in rows.windows(check):
                self.counts[place].rows_read += table.num_rows
                self._watch.read(table.num_rows)
                yield table
            rows.reader.check_unchanged()
        except FILE_FAULTS as error:
            raise _FileFault(place, error) from error

    def _opened(self, place: int) -> PartRows:
        """The rows of a part, opened now if nobody has opened them."""
        if place not in self._rows:
            part = self._parts[place]
            rows = self._rows[place] = part.input.read()
            output = format_named(part.output.format)
            output.check_schema(rows.reader.schema)
            output.check_rows(rows.reader, rows.windows)
            part.output.check(self._scorer.columns.schema(rows.schema))
        return self._rows[place]

    def _shared(self, number: int, held: Sequence[tuple[int, pa.Table]], first: int) -> _Shared:
        if len(held) == 1:
            ((place, table),) = held
            return _Shared(Window(number, table, self._names(place), first), tuple(held))
        columns = [
            pa.chunked_array([chunk for place, table in held for chunk in self._texts(place, table, column)])
            for column in range(len(self._names(0)))
        ]
        called = tuple(f"text {column}" for column in range(len(columns)))
        return _Shared(Window(number, pa.table(columns, names=called), called, first), tuple(held))

    def _names(self, place: int) -> tuple[str, ...]:
        """The columns of texts of a part, each of which has its own."""
        return self._parts[place].input.text_columns

    def _texts(self, place: int, table: pa.Table, column: int) -> list[pa.Array]:
        found = texts(table, self._names(place)[column]).cast(pa.large_string())
        return list(found.chunks) or [pa.array([], pa.large_string())]

    def _appended(self, shared: _Shared, classified: ClassifiedWindow) -> list[tuple[int, ScoredWindow]]:
        """The rows of each part with their answers."""
        tables = [(table, self._names(place)) for place, table in shared.tables]
        pieces = list(divided(classified, tables)) if len(tables) > 1 else [classified]
        for (place, _), piece in zip(shared.tables, pieces, strict=True):
            if piece.stages is None:
                self._stages[place][WHOLE_MODEL] += len(piece.scorable)
            else:
                self._stages[place].update(piece.stages.tolist())
        return [
            (place, self._scorer.append(self._scorer.answer(piece)))
            for (place, _), piece in zip(shared.tables, pieces, strict=True)
        ]

    def _write(self, pieces: list[tuple[int, ScoredWindow]]) -> None:
        for place, piece in pieces:
            self._watch.check()
            self._finish_up_to(place)
            if self._writer is None:
                self._begin(place)
            assert self._writer is not None
            try:
                self._writer.write(piece.table)
            except FILE_FAULTS as error:
                raise _FileFault(place, error) from error
            self.counts[place].add(piece)
            self.computed_tokens += piece.computed_tokens
            self.reused += piece.reused
            self._watch.wrote(piece)

    def _begin(self, place: int) -> None:
        schema = self._scorer.columns.schema(self._rows[place].schema)
        self._writer = self._parts[place].output.writer(schema)
        self._writing = place

    def _finish_up_to(self, place: int) -> None:
        """Finish all parts before the one at `place`; those without rows, too."""
        for before in range(len(self._records), place):
            if self._writer is None:
                self._begin(before)
            assert self._writer is not None
            assert self._writing == before, "parts come in order; this is a bug"
            try:
                self._records.append(self._finished(before, self._writer))
            except FILE_FAULTS as error:
                raise _FileFault(before, error) from error
            self._writer = None

    def _finished(self, place: int, writer: PartWriter) -> PartRecord:
        counts, rows = self.counts[place], self._rows[place]
        counts.check()
        totals = Totals(
            rows=counts.rows,
            statuses=counts.counts.statuses,
            rejected=rows.rejected,
            blank_lines=rows.reader.blank_lines,
            tokens=counts.tokens,
            drift=counts.stats,
            flips=self._early.certificate(self._stages[place]) if self._early is not None else None,
        )
        record = self._parts[place].finished(writer, totals, profile=self._scorer.profile)
        self.warnings += rows.reader.warnings
        del self._rows[place]
        if rows.input.rejects is not None and rows.rejects is not None and rows.rejected:
            rows.rejects.commit()
        return record


def divided(
    classified: ClassifiedWindow, tables: Sequence[tuple[pa.Table, tuple[str, ...]]]
) -> Iterator[ClassifiedWindow]:
    """`classified`, whose rows are those of the `tables`, each with its columns of texts, in order, table by table.
    What is counted of the window as a whole is told with the first."""
    begin = 0
    for number, (table, text_columns) in enumerate(tables):
        end = begin + table.num_rows
        first, last = np.searchsorted(classified.scorable, (begin, end))
        yield replace(
            classified,
            window=Window(classified.window.number, table, text_columns),
            status=classified.status[begin:end],
            scorable=classified.scorable[first:last] - begin,
            scores=classified.scores[first:last],
            computed_tokens=classified.computed_tokens if number == 0 else 0,
            reused=classified.reused if number == 0 else 0,
            stages=None if classified.stages is None else classified.stages[first:last],
        )
        begin = end
