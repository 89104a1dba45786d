"""Which rows of a file are its random sample, and which of the others are audited: by numbers that its content seeds.

So the same file has the same sample, whoever scores it and how often that was interrupted. In the place of an object's
content stands the version that its store tells: in another bucket the same content has another sample.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.tables.texts import texts

LEAST_ROWS: Final = 4_000
"""Fewer rows in a file are not worth a sample, of which a bound asks a few hundred rows at least."""
AUDITED: Final = 0.01
"""The share of all later rows that is scored both ways."""

# Each half of the sample is this share of the rows, within limits. Found by measurement: jobs/bench/LOG.md.
_SHARE: Final = 0.03
_FEWEST: Final = 600
_MOST_FITTING: Final = 2_000
# A bound is certified well by so many rows as have so many flips where it is just kept.
_FLIPS_OF_A_BOUND: Final = 20


@dataclass(frozen=True)
class SampleSize:
    """So many rows of the sample fit exits, and so many others certify them."""

    fitting: int
    certifying: int

    @classmethod
    def of(cls, rows: int, *, share: float) -> SampleSize:
        """That of a file of so many `rows`, of which at most a `share` may flip."""
        half = max(round(_SHARE * rows), _FEWEST)
        return cls(min(half, _MOST_FITTING), min(half, max(round(_FLIPS_OF_A_BOUND / share), _FEWEST)))

    @property
    def total(self) -> int:
        return self.fitting + self.certifying


@dataclass(frozen=True)
class RowSample:
    """Rows in random order: their `numbers` (m,) in a file of so many `rows`, and their texts in a `table`. Its `size`
    says how many of them fit, where the file has as many."""

    numbers: NDArray[np.int64]
    table: pa.Table
    rows: int
    size: SampleSize


def sampled(
    tables: Iterable[pa.Table],
    text_columns: tuple[str, ...],
    *,
    seed: str,
    share: float,
    rows_of_file: int | None = None,
) -> RowSample:
    """The sample of the rows of all `tables`, of which at most a `share` may flip. No more of them are held at a time
    than the largest sample has. Where the tables are only the first ones of a file of so many `rows_of_file`, it is as
    large as that of the file."""
    most = SampleSize.of(sys.maxsize, share=share).total
    draw = _generator(seed, "sample")
    held: list[pa.Table] = []
    keys, numbers, rows = np.zeros(0), np.zeros(0, np.int64), 0
    for table in tables:
        new = np.concatenate([keys, draw.random(table.num_rows)])
        numbers = np.concatenate([numbers, rows + np.arange(table.num_rows)])
        rows += table.num_rows
        # Those with the smallest keys, in the order of the keys: any first ones of them are a random sample, too.
        best = np.argsort(new, kind="stable")[:most]
        columns = [texts(table, name).cast(pa.large_string()) for name in text_columns]
        held = [pa.concat_tables([*held, pa.table(columns, names=list(text_columns))]).take(pa.array(best))]
        keys, numbers = new[best], numbers[best]
    rows = rows if rows_of_file is None else rows_of_file
    size = SampleSize.of(rows, share=share)
    count = min(size.total, len(numbers))
    table = held[0].slice(0, count) if held else pa.table({name: pa.array([], pa.string()) for name in text_columns})
    return RowSample(numbers[:count], table, rows, size)


@dataclass(frozen=True)
class Audit:
    """Draws the rows that are audited; its windows come in order."""

    draw: np.random.Generator

    @classmethod
    def of(cls, seed: str) -> Audit:
        return cls(_generator(seed, "audit"))

    def __call__(self, rows: int) -> NDArray[np.bool_]:
        """Which of the next `rows` are audited."""
        return np.asarray(self.draw.random(rows) < AUDITED)


def _generator(seed: str, purpose: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(list(f"{purpose} {seed}".encode())))
