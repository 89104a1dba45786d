"""A random sample of the rows of a stream whose length nobody knows, in bounded memory.

Owns the choice. Does not know what is done with the sample.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SAMPLE_ROWS = 20_000
SAMPLE_CHARACTERS = 10_000
_SEED = 0


class Sample:
    """At most `size` rows of texts, each row equally likely: algorithm R of Vitter, 1985. The same rows every time.

    texts    the beginnings of the texts, 10,000 characters at most, a tuple of one or two a row
    lengths  the characters that each whole row has
    seen     the rows that were offered
    """

    def __init__(self, size: int = SAMPLE_ROWS) -> None:
        self._size = size
        self._generator = np.random.default_rng(_SEED)
        self.texts: list[tuple[str, ...]] = []
        self.lengths: list[int] = []
        self.seen = 0

    def add(self, rows: Sequence[tuple[str, ...]]) -> None:
        """Offer the next rows."""
        free = max(min(self._size - self.seen, len(rows)), 0)
        for row in rows[:free]:
            self.texts.append(_beginning(row))
            self.lengths.append(sum(map(len, row)))
        places = self._generator.integers(0, np.arange(self.seen + free, self.seen + len(rows)) + 1)
        for offset in np.flatnonzero(places < self._size).tolist():
            row, place = rows[free + offset], int(places[offset])
            self.texts[place], self.lengths[place] = _beginning(row), sum(map(len, row))
        self.seen += len(rows)

    @property
    def complete(self) -> bool:
        """Whether it holds every row."""
        return self.seen <= self._size


def _beginning(row: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(text[:SAMPLE_CHARACTERS] for text in row)
