"""How what is stale in a folder is put together into shards: the same way again where a run goes on from another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from scorer.engines.assessment import Stale

# Small files are scored together until they have so many bytes for each row that a window may have: enough to fill it,
# and little enough that several workers are busy to the end.
_BYTES_OF_A_ROW: Final = 256
# What could have so many rows as rows leave the model early from on is scored alone where they may: compressed, a row
# of a small text has so few bytes.
_LEAST_BYTES_OF_A_ROW: Final = 16
# Several workers get so many shards at least, whatever their number, where each still has so many bytes.
_MOST_SHARDS: Final = 32
_LEAST_BYTES: Final = 1 << 15


@dataclass(frozen=True)
class PlannedShard:
    """Parts that are made together; the `name` tells which, so that an interrupted run's work is found again."""

    name: str
    stale: tuple[Stale, ...]

    @classmethod
    def of(cls, stale: Sequence[Stale]) -> PlannedShard:
        told = [[one.file.name, one.identity, one.job.fingerprint] for one in stale]
        return cls(hashlib.blake2b(json.dumps(told).encode(), digest_size=12).hexdigest(), tuple(stale))

    @property
    def names(self) -> list[str]:
        """The parts, in order."""
        return [one.file.name for one in self.stale]


def shards_of(
    stale: Sequence[Stale],
    *,
    earlier: Sequence[Sequence[str]],
    window_rows: int,
    alone_rows: int | None = None,
    divided: bool = False,
) -> list[PlannedShard]:
    """All that is `stale`, in the groups of an `earlier` plan as far as these are whole, the rest in order: several
    small files together, a large one alone, and so one that may have `alone_rows`. `divided` among several workers, so
    that each has some: the same shards for any number of them."""
    left = {one.file.name: one for one in stale}
    groups = []
    for names in earlier:
        if all(name in left for name in names):
            groups.append([left.pop(name) for name in names])
    most, held = window_rows * _BYTES_OF_A_ROW, 0
    if divided:
        most = min(most, max(sum(one.file.size for one in left.values()) // _MOST_SHARDS, _LEAST_BYTES))
    alone = most if alone_rows is None else alone_rows * _LEAST_BYTES_OF_A_ROW
    new: list[list[Stale]] = []
    full = True
    for one in left.values():
        size = one.file.size
        large = size > alone
        if full or large or held + size > most:
            new.append([])
            held = 0
        new[-1].append(one)
        held += size
        full = large
    return [PlannedShard.of(group) for group in (*groups, *new)]
