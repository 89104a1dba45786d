"""The receipt of a part: what a finished file of the output says of itself, so that nobody needs to read it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from scorer.errors import DataError
from scorer.records.document import from_document
from scorer.records.flips import Certificate
from scorer.records.shard import Shard


@dataclass(frozen=True, kw_only=True)
class DriftSums:
    """What the scored rows looked like, counted in the bins of the model's profile: sums, so that parts can be added.

    `lengths`, `labels` and `confidences` are counts of the `rows`, `unknowns` of the share of their tokens that is
    unknown; rows that may have left the model early are not among the `confidences`. `truncated` of the rows are longer
    than the model can see, `unknown_tokens` of their `tokens` are unknown.
    """

    rows: int
    lengths: tuple[int, ...]
    labels: tuple[int, ...]
    confidences: tuple[int, ...]
    unknowns: tuple[int, ...]
    truncated: int
    tokens: int
    unknown_tokens: int

    def __add__(self, other: Self) -> Self:
        """The rows of both. DataError where they were counted in different bins, hence by different models."""
        return type(self)(**{name: _added(ours, vars(other)[name]) for name, ours in vars(self).items()})


_SINCE: Final[Mapping[str, Any]] = {"blank_lines": 0}
"""What earlier versions did not write of parts and totals, with what it is then."""


@dataclass(frozen=True, kw_only=True)
class OutputFile:
    """One of several files that a part is laid out in: its `name` within the output, its rows, bytes and hash."""

    name: str
    rows: int
    size: int
    content: str


@dataclass(frozen=True, kw_only=True)
class PartRecord:
    """One part: what it was made of, and what is in it.

    name      of the part within the output: that of its file, unless it is laid out in several
    shard     the input
    job       the fingerprint of the `JobSpec`
    rows      in all; `statuses` has them by `score_status`
    rejected  malformed records that were set aside, and are no rows
    blank_lines  of a CSV of several columns, which are no rows either
    size      bytes of the part; None of a stream
    content   the hash of these bytes (hexadecimal), where somebody took it while they were written
    drift     what the rows looked like; None where the model has no profile
    flips     how many rows may have another answer than the whole model gives; None where nobody allowed any
    files     which the part is laid out in, in order, and perhaps none; None for a part that is one file
    """

    name: str
    shard: Shard
    job: str
    rows: int
    size: int | None = None
    content: str | None = None
    statuses: Mapping[str, int] = field(default_factory=dict)
    rejected: int = 0
    blank_lines: int = 0
    tokens: int = 0
    drift: DriftSums | None = None
    flips: Certificate | None = None
    files: tuple[OutputFile, ...] | None = None

    @classmethod
    def of_document(cls, document: Mapping[str, Any], *, where: str) -> Self:
        """The record as JSON has it, also as an earlier version wrote it; DataError as of `from_document`."""
        return from_document(cls, {**_SINCE, **document}, where=where)

    def is_current(self, *, job: str, shard: Shard) -> bool:
        """Whether the part is what this `job`, a fingerprint, would make of `shard`."""
        return self.job == job and self.shard.fingerprint == shard.fingerprint


@dataclass(frozen=True, kw_only=True)
class Totals:
    """The sums of several parts, for limits, drift and the manifest."""

    parts: int = 0
    rows: int = 0
    statuses: Mapping[str, int] = field(default_factory=dict)
    rejected: int = 0
    blank_lines: int = 0
    tokens: int = 0
    drift: DriftSums | None = None
    flips: Certificate | None = None

    @classmethod
    def of_document(cls, document: Mapping[str, Any], *, where: str) -> Self:
        """As of `PartRecord.of_document`."""
        return from_document(cls, {**_SINCE, **document}, where=where)

    @classmethod
    def of(cls, records: Iterable[PartRecord]) -> Self:
        """The sums of `records`, in whatever order they come."""
        parts, rows, rejected, blank_lines, tokens, statuses = 0, 0, 0, 0, 0, Counter[str]()
        drift: DriftSums | None = None
        flips: Certificate | None = None
        for record in records:
            parts, rows = parts + 1, rows + record.rows
            rejected, tokens = rejected + record.rejected, tokens + record.tokens
            blank_lines += record.blank_lines
            statuses.update(record.statuses)
            if record.drift is not None:
                drift = record.drift if drift is None else drift + record.drift
            if record.flips is not None:
                flips = record.flips if flips is None else flips + record.flips
        statuses_by_name = dict(sorted(statuses.items()))
        return cls(
            parts=parts,
            rows=rows,
            statuses=statuses_by_name,
            rejected=rejected,
            blank_lines=blank_lines,
            tokens=tokens,
            drift=drift,
            flips=flips,
        )


def _added(ours: Any, theirs: Any) -> Any:
    """The sum of two counts, or of two histograms bin by bin."""
    if isinstance(ours, int):
        return ours + theirs
    if len(ours) != len(theirs):
        raise DataError(f"parts counted in {len(ours)} and in {len(theirs)} bins are not of one model; score them anew")
    return tuple(a + b for a, b in zip(ours, theirs, strict=True))
