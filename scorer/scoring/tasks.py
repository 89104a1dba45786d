"""What is to be scored, as plain data that any process can work on, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from scorer.classifier.profile import Profile
from scorer.config import WINDOW_TEXT_BYTES, FileFormat
from scorer.errors import ScorerError
from scorer.records.lineage import Counts, Lineage
from scorer.records.part import PartRecord, Totals
from scorer.records.shard import Shard
from scorer.scoring.drift import compare
from scorer.scoring.flips.bound import FlipBound
from scorer.scoring.outputs import PartOutput, work_of
from scorer.scoring.part_writers import PartWriter
from scorer.scoring.pipeline import Pace
from scorer.scoring.preparation import PreparedJob, dialect_of
from scorer.scoring.scorer import ScorerSpec
from scorer.scoring.windows import ScoredWindow, first_rows, growing
from scorer.stores.location import Location
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
    first_rows    rows of the first window, where these are to grow from there
    limit         read the first rows only
    lenient       pass malformed records over, which somebody else sets aside unless they go into the file `rejects`
    spelt         have texts in columns of bytes as the texts that were read, for an output of text
    """

    shard: Shard
    format: FileFormat
    dialect: Dialect
    text_columns: tuple[str, ...]
    appended: tuple[str, ...] | None
    window_rows: int
    first_rows: int | None = None
    limit: int | None
    lenient: bool
    spelt: bool
    rejects: str | None = None

    def read(self) -> PartRows:
        """The rows, to be read here. DataError when a file is not what it was when the task was made."""
        rejects: Rejects | None = CountedRejects(rows=self.limit) if self.lenient else None
        if self.rejects is not None:
            rejects = Rejects(Location.of_path(self.rejects).path, rows=self.limit)
        source = Source.of_shard(self.shard, self.format, rejects=rejects, dialect=self.dialect)
        return PartRows(self, source.read(self.text_columns, appended=self.appended), rejects)


@dataclass(frozen=True)
class PartRows:
    """The rows of `input`, open in this process; malformed ones are in `rejects`."""

    input: PartInput
    reader: Reader
    rejects: Rejects | None

    @classmethod
    def of(cls, prepared: PreparedJob, *, device: str) -> PartRows:
        """All rows of a job, which has opened them, as those of one part whose logits are computed on `device`."""
        config = prepared.config
        asked = PartInput(
            shard=prepared.source.shard,
            format=prepared.source.format,
            dialect=dialect_of(config),
            text_columns=prepared.text_columns,
            appended=prepared.appended,
            window_rows=prepared.window_rows,
            first_rows=first_rows(device),
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
        if asked.first_rows is not None:
            tables = growing(tables, asked.first_rows)
        return (spelt_out(table, self._spelt) for table in tables)

    @property
    def _spelt(self) -> tuple[str, ...]:
        return self.input.text_columns if self.input.spelt else ()


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of a job, as plain data that can be pickled: its rows, and where they go."""

    input: PartInput
    output: PartOutput

    def finished(self, writer: PartWriter, totals: Totals, *, profile: Profile | None) -> PartRecord:
        """Complete what `writer` wrote, in whose rows `totals` were counted; the receipt. `profile` is what the model
        says of its training data."""
        job = self.output.job
        counts = Counts(rows=totals.rows, statuses=totals.statuses)
        size = writer.finish(job.with_found(counts=counts, drift=compare(profile, totals.drift), flips=totals.flips))
        one = self.output.name and writer.files is None
        return PartRecord(
            name=self.output.name or self.output.target.name,
            shard=self.input.shard,
            job=job.job.fingerprint,
            rows=totals.rows,
            size=size,
            content=self.output.content() if one else None,
            statuses=totals.statuses,
            rejected=totals.rejected,
            blank_lines=totals.blank_lines,
            tokens=totals.tokens,
            drift=totals.drift,
            flips=totals.flips,
            files=writer.files,
        )


@dataclass(frozen=True, kw_only=True)
class ShardTask:
    """Parts to be scored together, as plain data that can be pickled.

    number       counts the shards of a job from 0
    parts        in order
    folder       where the shard keeps things until its parts are published
    work         what tells it from other work that was begun in that folder; None where nobody can go on from it
    scorer       what scores them
    reuse        whether equal texts are scored once and scores are kept
    cache        the folder where scores are kept, and outlive the job; None keeps them in `folder`
    known        the folder of more scores that were known when the job began; None where there are none
    fingerprint  names everything that changes a logit
    flips        how many rows may get another answer than the whole model gives; None lets none
    together     whether the parts' files are small ones, which are scored with others: of them no row leaves early
    passes_over  whether the other parts are made where a file is at fault
    """

    number: int
    parts: tuple[Part, ...]
    folder: str
    work: Mapping[str, Any] | None
    scorer: ScorerSpec
    reuse: bool
    cache: str | None = None
    known: str | None = None
    fingerprint: str
    flips: FlipBound | None = None
    together: bool = False
    passes_over: bool = False

    @classmethod
    def of(
        cls, rows: PartRows, prepared: PreparedJob, *, job: Lineage, folder: str, scorer: ScorerSpec, fingerprint: str
    ) -> ShardTask:
        """The only part of a job: its `rows` into its target; the rest as the fields have it."""
        config, target = prepared.config, prepared.target
        output = PartOutput(target=target, format=prepared.output_format, folder=folder, job=job)
        return cls(
            number=0,
            parts=(Part(input=rows.input, output=output),),
            folder=folder,
            work=None if target.is_stream else work_of(job),
            scorer=scorer,
            reuse=config.reuse,
            cache=str(config.cache) if config.cache is not None else None,
            fingerprint=fingerprint,
            flips=FlipBound.of(config),
        )


@dataclass(frozen=True)
class ShardOutcome:
    """The `records` of the parts of a shard, in order; what was wrong with the files of all others, by their places;
    how long it took; and what was done for it: rows read, tokens that a forward pass was made for, rows whose score was
    known, batches that were halved for want of memory. `concerns` are what a person should know of the model,
    `warnings` what of the files."""

    records: tuple[PartRecord, ...]
    faults: dict[int, ScorerError]
    pace: Pace
    rows_read: int = 0
    computed_tokens: int = 0
    reused: int = 0
    back_offs: int = 0
    concerns: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Watch(Protocol):
    """Who is told how a part gets on."""

    def check(self) -> None:
        """Called between batches and windows, in any thread; raises when the run is to stop."""
        ...

    def read(self, rows: int) -> None:
        """So many more rows were read."""
        ...

    def computed(self, rows: float) -> None:
        """The logits of so many more rows are there; called by another thread than `wrote`."""
        ...

    def wrote(self, window: ScoredWindow) -> None:
        """The `window` was written."""
        ...
