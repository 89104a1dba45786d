"""A large Parquet file in pieces: row groups that are scored on their own and put together again as one part.

Each piece has windows of its own, and sees the scores that were known when the job began and its own. So the bytes of
the part do not depend on who scored which piece, nor in what order; but rows may share batches with others than where
the file is one shard, and rounding depends on that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from scorer.classifier.profile import Profile
from scorer.errors import FILE_FAULTS, DataError, InputMissing, ScorerError, StorageError
from scorer.records.document import from_json, to_json
from scorer.records.part import PartRecord, Totals
from scorer.records.shard import RowGroups
from scorer.runs.score_store import merge_scores, score_files
from scorer.scoring.outputs import Beginning, PartOutput
from scorer.scoring.pipeline import Pace
from scorer.scoring.tasks import Part, ShardOutcome, ShardTask
from scorer.stores.location import Location
from scorer.stores.object_path import path_of
from scorer.stores.workspace import WorkFolder
from scorer.tables.formats.arrow import read_schema, read_tables
from scorer.tables.formats.parquet import rows_of_row_groups
from scorer.tables.formats.registry import format_named

# So many windows make a piece: enough that most batches are full, few enough that workers are busy to the end.
_WINDOWS: Final = 4
_FILE: Final = "piece"
_PIECE: Final = "piece-"
_RECEIPT: Final = "receipt"

Run = Callable[[Iterable[ShardTask]], Iterator[tuple[ShardTask, ShardOutcome]]]
"""An engine: it scores the shards, in whatever order they end."""


def run_in_pieces(
    tasks: Sequence[ShardTask],
    run: Run,
    *,
    profile: Profile | None,
    told: Callable[[ShardOutcome], object] = lambda _: None,
) -> Iterator[tuple[ShardTask, ShardOutcome]]:
    """Score the shards by `run`, large files in pieces; of each, when its parts are finished, what came of it.

    `profile` is what the model says of its training data. `told` is called with what came of each piece, too.
    """
    files = [_File(task, piece_tasks(task)) for task in tasks]
    owners: dict[int, tuple[_File, int]] = {}
    asked: list[ShardTask] = []
    for file in files:
        if len(file.pieces) > 1:
            file.begin()
        for place, piece in enumerate(file.pieces):
            if len(file.pieces) > 1 and (outcome := _kept(piece)) is not None:
                file.outcomes[place] = outcome
                continue
            owners[len(asked)] = (file, place)
            asked.append(replace(piece, number=len(asked)))
    for file in files:
        if len(file.outcomes) == len(file.pieces):
            yield file.task, file.joined(profile)
    for piece, outcome in run(asked):
        file, place = owners[piece.number]
        told(outcome)
        if len(file.pieces) == 1:
            yield file.task, outcome
            continue
        if outcome.records:
            WorkFolder(piece.folder).keep(_RECEIPT, to_json(outcome.records[0]).encode())
        file.outcomes[place] = outcome
        if len(file.outcomes) == len(file.pieces):
            yield file.task, file.joined(profile)


def piece_tasks(task: ShardTask) -> list[ShardTask]:
    """The pieces of a `task`, each with a folder in the task's; the task itself where it stays whole."""
    return [_piece(task, groups) for groups in divisions(task)] or [task]


def divisions(task: ShardTask) -> list[RowGroups]:
    """The row groups of each piece of the only file of a `task`; none where that is small, or no Parquet, and where
    there are several files."""
    asked = task.parts[0].input
    if task.flips is not None:
        return []  # one sample, one bound
    if len(task.parts) > 1 or len(asked.shard.files) > 1 or asked.format != "parquet" or asked.limit is not None:
        return []
    try:
        rows = rows_of_row_groups(path_of(asked.shard.files[0].location))
    except (*FILE_FAULTS, OSError):
        return []  # whoever reads it says what is wrong with it
    groups = _grouped(rows, _WINDOWS * asked.window_rows)
    return groups if len(groups) > 1 else []


def pieces_in(folder: str) -> list[str]:
    """The folders of the pieces that a shard of this `folder` was taken apart into."""
    return [str(piece.path) for piece in WorkFolder(folder).subfolders(_PIECE)]


def _grouped(rows: Sequence[int], least: int) -> list[RowGroups]:
    """Neighbouring row groups of so many `rows` each, together as long as they have fewer than `least`."""
    groups, first, held = [], 0, 0
    for group, count in enumerate(rows):
        held += count
        if held >= least or group == len(rows) - 1:
            groups.append(RowGroups(first=first, end=group + 1))
            first, held = group + 1, 0
    return groups


def _piece(task: ShardTask, groups: RowGroups) -> ShardTask:
    part = task.parts[0]
    job = part.output.job.job.fingerprint
    shard = replace(part.input.shard, row_groups=groups)
    name = hashlib.blake2b(f"{job} {shard.fingerprint}".encode(), digest_size=12).hexdigest()
    folder = WorkFolder(task.folder).subfolder(f"{_PIECE}{name}")
    output = PartOutput(
        target=Location.of_path(folder.path / f"{_FILE}.arrow"),
        format="arrow",
        folder=str(folder.path),
        job=part.output.job,
        name=part.output.name or part.output.target.name,
        temporary=_FILE,
    )
    return replace(
        task,
        parts=(Part(input=replace(part.input, shard=shard), output=output),),
        folder=str(folder.path),
        # The folder is named after the work.
        work={} if task.reuse else None,
        cache=None,
        known=task.known or task.cache,
    )


def _kept(piece: ShardTask) -> ShardOutcome | None:
    """What an earlier run has finished of this very piece; None where it has not, or where it was damaged since."""
    folder = WorkFolder(piece.folder)
    try:
        record = from_json(PartRecord, folder.kept(_RECEIPT).decode(), where=_RECEIPT)
        if folder.hash_of(_FILE) != record.content:
            return None
    except (InputMissing, StorageError, DataError):
        return None
    return ShardOutcome((record,), {}, Pace(0.0, {}))


@dataclass
class _File:
    """The only part of a `task` in `pieces`, and what came of them so far, by their places."""

    task: ShardTask
    pieces: list[ShardTask]
    outcomes: dict[int, ShardOutcome] = field(default_factory=dict)

    def begin(self) -> None:
        """An interrupted run is gone on from, from here on."""
        if self.task.work is not None:
            begun = Beginning(WorkFolder(self.task.folder), self.task.work)
            begun.remember(begun.run or 0, store=begun.store)

    def joined(self, profile: Profile | None) -> ShardOutcome:
        """Write the part, whose pieces are finished; what came of it."""
        outcomes = [self.outcomes[place] for place in range(len(self.pieces))]
        whole = ShardOutcome(
            records=(),
            faults=next((outcome.faults for outcome in outcomes if outcome.faults), {}),
            pace=Pace.of([outcome.pace for outcome in outcomes]),
            rows_read=sum(outcome.rows_read for outcome in outcomes),
            computed_tokens=sum(outcome.computed_tokens for outcome in outcomes),
            reused=sum(outcome.reused for outcome in outcomes),
            back_offs=sum(outcome.back_offs for outcome in outcomes),
            concerns=tuple(dict.fromkeys(line for outcome in outcomes for line in outcome.concerns)),
            warnings=tuple(dict.fromkeys(line for outcome in outcomes for line in outcome.warnings)),
        )
        if whole.faults:
            return whole
        self._keep_scores()
        try:
            record = self._write([outcome.records[0] for outcome in outcomes], profile)
        except FILE_FAULTS as error:
            if not self.task.passes_over:
                raise
            return replace(whole, faults={0: error})
        return replace(whole, records=(record,))

    def _write(self, records: Sequence[PartRecord], profile: Profile | None) -> PartRecord:
        (part,) = self.task.parts
        files = [WorkFolder(piece.folder).path / _FILE for piece in self.pieces]
        schema = read_schema(files[0])
        # Each piece is held against what Arrow takes; this is what it is to become.
        format_named(part.output.format).check_schema(schema)
        part.output.check(schema)
        writer = part.output.writer(schema)
        try:
            for path, record in zip(files, records, strict=True):
                rows = 0
                for table in read_tables(path):
                    writer.write(table)
                    rows += table.num_rows
                if rows != record.rows:
                    raise ScorerError(
                        f"{record.name}: a piece has {rows} rows, and {record.rows} were scored; nothing was "
                        "published; this is a bug: report it"
                    )
            return part.finished(writer, Totals.of(records), profile=profile)
        finally:
            writer.abort()

    def _keep_scores(self) -> None:
        """Add what the pieces computed to the scores that outlive them; a run over a folder does that itself."""
        if self.task.reuse and self.task.cache:
            for piece in self.pieces:
                merge_scores(score_files(piece.folder), self.task.cache)
