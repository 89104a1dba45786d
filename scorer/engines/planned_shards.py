"""How what is stale in a folder is put together into shards: the same way again where a run goes on from another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from scorer.engines.assessment import Stale
from scorer.scoring.flips.sample import LEAST_ROWS

# Small files are scored together until they have so many bytes for each row that a window may have: enough to fill it,
# and little enough that several workers are busy to the end.
_BYTES_OF_A_ROW: Final = 256
# Several workers get so many shards at least, whatever their number, where each still has so many bytes.
_MOST_SHARDS: Final = 32
_LEAST_BYTES: Final = 1 << 15

PlannedPart = tuple[str, str]
"""A part of a plan: its name, and the fingerprint of the job that makes it."""


@dataclass(frozen=True)
class PlannedShard:
    """Parts that are made together; the `name` tells which, so that an interrupted run's work is found again. The file
    of one that is made `apart` is large enough for that, whatever is beside it."""

    name: str
    stale: tuple[Stale, ...]
    apart: bool = False

    @classmethod
    def of(cls, stale: Sequence[Stale], *, apart: bool = False) -> PlannedShard:
        told = [[one.file.name, one.identity, one.job.fingerprint] for one in stale]
        return cls(hashlib.blake2b(json.dumps(told).encode(), digest_size=12).hexdigest(), tuple(stale), apart)

    @property
    def parts(self) -> list[PlannedPart]:
        """The parts, in order."""
        return [(one.file.name, one.job.fingerprint) for one in self.stale]


def may_leave_early(one: Stale) -> bool:
    """Whether the file may have so many rows that some of them can leave the model early."""
    return one.rows >= LEAST_ROWS if one.rows is not None else one.file.may_have(LEAST_ROWS)


def shards_of(
    stale: Sequence[Stale],
    *,
    earlier: Sequence[Sequence[PlannedPart]],
    window_rows: int,
    apart: Callable[[Stale], bool] | None = None,
    divided: bool = False,
) -> list[PlannedShard]:
    """All that is `stale`, in the groups of an `earlier` plan of the same jobs as far as these are whole and still
    small, the rest in order: several small files together, a large one alone; or alone those of which `apart` says so.
    `divided` among several workers, so that each has some: the same shards for any number of them."""
    left = {one.file.name: one for one in stale}
    jobs = {one.file.name: one.job.fingerprint for one in stale}
    most, held = window_rows * _BYTES_OF_A_ROW, 0
    is_apart = apart or (lambda one: one.size > most)
    shards = []
    for parts in earlier:
        if all(jobs.get(name) == job and name in left for name, job in parts):
            again = [left[name] for name, _ in parts]
            large = [one for one in again if is_apart(one)]
            if not large or len(again) == 1:
                shards.append(PlannedShard.of(again, apart=bool(large)))
                for name, _ in parts:
                    del left[name]
    if divided:
        most = min(most, max(sum(one.size for one in left.values()) // _MOST_SHARDS, _LEAST_BYTES))
    group: list[Stale] = []
    for one in left.values():
        size, alone = one.size, is_apart(one)
        if group and (alone or held + size > most):
            shards.append(PlannedShard.of(group))
            group, held = [], 0
        if alone:
            shards.append(PlannedShard.of([one], apart=True))
        else:
            group.append(one)
            held += size
    return [*shards, PlannedShard.of(group)] if group else shards
