"""Texts that occur more than once: within a file, under different labels, in two files.

A key of eight bytes stands for each text, and another for what it says: near duplicates have the same normalised text.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from scorer.checking.findings import Tally

_KEY_BYTES = 8
# Where Unicode has such characters: the first two planes, and the tags of the fifteenth.
_PLANES = (range(0x20000), range(0xE0000, 0xE0200))
NO_LABEL = np.uint64(0)


def normalised(text: str) -> str:
    """`text` in Unicode's form NFKC, case-folded, with punctuation and white space as single spaces between words.

    Punctuation is what Unicode calls so (categories P*), and white space are separators (Z*) and characters without a
    shape (Cc, Cf). Symbols stay, for an emoji says something, and a text of nothing but punctuation stays as it is.
    """
    if text.isascii():
        words = text.encode().translate(_ascii_table()).decode()
    else:
        words = _between_words().sub(" ", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(words.split()) or text


def text_keys(rows: Iterable[Sequence[str]]) -> NDArray[np.uint64]:
    """A key (n,) uint64 for the texts of each row: equal texts, equal keys.

    BLAKE2b of 64 bits: among a million distinct texts two share a key with a probability of 3e-8.
    """
    digests = b"".join(_digest(texts) for texts in rows)
    return np.frombuffer(digests, np.uint64)


def alike_groups(rows: Iterable[Sequence[str]]) -> NDArray[np.int64]:
    """A number for each of `rows` of texts, (n,) int64, the same for rows that are equal when normalised; they count up
    in the order in which they first come."""
    return _numbered(alike_keys(rows))


def alike_keys(rows: Iterable[Sequence[str]]) -> NDArray[np.uint64]:
    """A key (n,) uint64 for the texts of each row: equal keys where they are equal when normalised."""
    return text_keys(tuple(map(normalised, texts)) for texts in rows)


def _numbered(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """A number (n,) int64 for each of `keys` (n,), counting up in the order in which they first come."""
    _, first, place = np.unique(keys, return_index=True, return_inverse=True)
    numbers = np.empty(len(first), np.int64)
    numbers[np.argsort(first)] = np.arange(len(first))
    return np.asarray(numbers[place])


def _digest(texts: Sequence[str]) -> bytes:
    # The lengths keep ("ab", "c") apart from ("a", "bc").
    data = "\0".join((*texts, *map(str, map(len, texts[1:]))))
    return hashlib.blake2b(data.encode(), digest_size=_KEY_BYTES).digest()


def _separates(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "PZ" or category in ("Cc", "Cf")


@cache
def _between_words() -> re.Pattern[str]:
    """One or more characters that separate words, as ranges of code points so that the pattern stays short."""
    ranges: list[list[int]] = []
    for point in chain(*_PLANES):
        if not _separates(chr(point)):
            continue
        if ranges and point == ranges[-1][1] + 1:
            ranges[-1][1] = point
        else:
            ranges.append([point, point])
    return re.compile("[" + "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges) + "]+")


@cache
def _ascii_table() -> bytes:
    """What each byte of an ASCII text becomes: the same as above, at a tenth of the time."""
    characters = (" " if _separates(chr(point)) else chr(point).casefold() for point in range(128))
    return "".join(characters).encode().ljust(256, b" ")


@dataclass(frozen=True)
class RowKeys:
    """What tells the n rows of a file apart.

    usable  bool: the others have no text, or no label where these are left out, and no key
    exact   uint64, equal for equal texts; `alike` for texts that are equal when normalised
    labels  uint64, equal for the same labels, NO_LABEL where there is none
    """

    usable: NDArray[np.bool_]
    exact: NDArray[np.uint64]
    alike: NDArray[np.uint64]
    labels: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.usable)

    def groups(self) -> NDArray[np.int64]:
        """As `alike_groups`."""
        return _numbered(self.alike)

    def has_twins(self) -> bool:
        """Whether rows are equal when normalised, and not as they are."""
        return len(np.unique(self.alike)) < len(np.unique(self.exact))


@dataclass(frozen=True)
class Repeats:
    """What repeats in a file; each row counts for its text itself or else for the normalised one, not for both.

    again, near_again        rows whose text stands in an earlier row too
    conflict, near_conflict  rows whose text also stands under another label
    texts, near_texts        distinct texts of the rows in conflict
    """

    again: Tally
    near_again: Tally
    conflict: Tally
    near_conflict: Tally
    texts: int
    near_texts: int


def find_repeats(rows: RowKeys) -> Repeats:
    """Look for equal texts in the usable rows, and for different labels among them."""
    again, near_again = (_again(keys, rows.usable) for keys in (rows.exact, rows.alike))
    labelled = rows.usable & (rows.labels != NO_LABEL)
    conflict, near_conflict = (_conflicts(keys, rows.labels, labelled) for keys in (rows.exact, rows.alike))
    near_conflict &= ~conflict
    return Repeats(
        again=Tally.of(again),
        near_again=Tally.of(near_again & ~again),
        conflict=Tally.of(conflict),
        near_conflict=Tally.of(near_conflict),
        texts=len(np.unique(rows.exact[conflict])),
        near_texts=len(np.unique(rows.alike[near_conflict])),
    )


def find_overlap(rows: RowKeys, others: RowKeys) -> tuple[Tally, Tally]:
    """Usable rows whose text is also one of `others`: as it is, and only when normalised."""
    exact = rows.usable & np.isin(rows.exact, others.exact[others.usable])
    near = rows.usable & np.isin(rows.alike, others.alike[others.usable]) & ~exact
    return Tally.of(exact), Tally.of(near)


def _again(keys: NDArray[np.uint64], usable: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each row (n,) is usable and an earlier usable row has its key."""
    rows = np.flatnonzero(usable)
    again = usable.copy()
    again[rows[np.unique(keys[rows], return_index=True)[1]]] = False
    return again


def _conflicts(keys: NDArray[np.uint64], labels: NDArray[np.uint64], labelled: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each row (n,) is labelled and a labelled row with its key has another label."""
    conflict = np.zeros(len(keys), np.bool_)
    rows = np.flatnonzero(labelled)
    if len(rows):
        ordered = rows[np.argsort(keys[rows], kind="stable")]
        starts = np.flatnonzero(np.concatenate(([True], np.diff(keys[ordered]) != 0)))
        lowest, highest = (extreme.reduceat(labels[ordered], starts) for extreme in (np.minimum, np.maximum))
        conflict[ordered] = np.repeat(lowest != highest, np.diff(np.append(starts, len(ordered))))
    return conflict
