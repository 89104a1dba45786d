"""Texts without labels, read window by window as often as they are needed, and which of them are held out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.checking.repeats import text_keys
from scorer.config import WINDOW_ROWS, WINDOW_TEXT_BYTES, Data
from scorer.errors import DataError
from scorer.tables import compute as pc
from scorer.tables.reader import tell_blank_lines
from scorer.tables.source import Source
from scorer.tables.texts import find_text_columns, is_blank, texts

# A window of training texts becomes tokens of many times its size.
_BYTES_AT_ONCE = WINDOW_TEXT_BYTES // 4


@dataclass
class Corpus:
    """The texts of `source`, which are in its `columns`; every column of a row is a text of its own. Texts that are
    null or have nothing to read are passed over; `rows`, `passed_over` and `kept` count those of the last reading."""

    where: str
    source: Source
    columns: tuple[str, ...]
    limit: int | None = None
    rows: int = 0
    kept: int = 0
    passed_over: int = 0
    blank_lines: int = 0

    @classmethod
    def of(cls, where: Data, source: Source, asked: tuple[str, ...], limit: int | None = None) -> Corpus:
        """UsageError when a column that was `asked` for is not there, or none is found by its name; ConfigError when it
        holds no texts."""
        with source.doubting_header():
            columns = find_text_columns(source.read().names, asked, (), where=str(where))
        source.read(columns)
        return cls(str(where), source, columns, limit)

    def windows(self) -> Iterator[list[str]]:
        """All texts in order, about 16 MiB of them at a time. DataError where a file cannot be parsed, or is not the
        one any more that was opened."""
        self.rows = self.kept = self.passed_over = 0
        reader = self.source.read(self.columns)
        for window in reader.windows(max_rows=WINDOW_ROWS, max_bytes=_BYTES_AT_ONCE, limit=self.limit):
            self.rows += window.num_rows
            found = [text for name in self.columns for text in _readable(texts(window, name))]
            self.kept += len(found)
            self.passed_over += window.num_rows * len(self.columns) - len(found)
            yield found
        reader.check_unchanged()
        self.blank_lines = reader.blank_lines

    def __iter__(self) -> Iterator[str]:
        for window in self.windows():
            yield from window

    def remarks(self) -> list[str]:
        """What a person should know once all has been read; DataError when there was nothing."""
        if not self.kept:
            raise DataError(
                f"{self.where}: {self.rows:,} rows and no text in them; name another column (--text-column)"
            )
        found = tell_blank_lines(self.where, self.blank_lines)
        if self.passed_over:
            found.append(f"{self.where}: {self.passed_over:,} texts passed over: null, or nothing to read in them")
        return found


def _readable(column: pa.ChunkedArray) -> list[str]:
    usable = pc.fill_null(pc.invert(is_blank(column)), False)
    found: list[str] = column.filter(usable).to_pylist()
    return found


class HeldOut:
    """Chooses texts to measure on: about a `share` of them by their hash, so that equal texts are on one side wherever
    they stand, until there are `enough` tokens of them."""

    def __init__(self, share: float, *, seed: int, enough: int) -> None:
        self._share, self._seed = share, seed
        self._enough, self._tokens = enough, 0
        self._chosen: set[int] = set()
        self._known: frozenset[int] = frozenset()

    def know(self, other: HeldOut) -> None:
        """What the `other` chose is chosen in any case."""
        self._known = frozenset(other._chosen)

    def choose(self, texts: list[str], lengths: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each of the next `texts` (n,), which have `lengths` (n,) tokens, is held out."""
        keys = text_keys((text,) for text in texts)
        wanted = _shares(keys, self._seed) < self._share
        for place in np.flatnonzero(wanted).tolist():
            key = int(keys[place])
            if self._tokens < self._enough:
                self._chosen.add(key)
                self._tokens += int(lengths[place])
            wanted[place] = key in self._chosen
        if self._known:
            wanted |= np.array([key in self._known for key in keys.tolist()], np.bool_)
        return wanted


def _shares(keys: NDArray[np.uint64], seed: int) -> NDArray[np.float64]:
    """A number from 0 to 1 for each of `keys` (n,), another for another `seed`: the finalizer of MurmurHash3 (Appleby,
    2011)."""
    mixed = keys + np.uint64((seed * 0x9E3779B97F4A7C15) % 2**64)
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        mixed = (mixed ^ (mixed >> np.uint64(33))) * np.uint64(factor)
    return (mixed ^ (mixed >> np.uint64(33))) / 2.0**64
