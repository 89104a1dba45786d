"""The names of the columns of a delimited file: those in its first line, or given ones, and whether they are names.

Decides by values alone; opens nothing.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from typing import Final, Protocol

from scorer.errors import UsageError

# More words are a sentence, in whatever column.
_MOST_WORDS: Final = 2
_LONGEST: Final = 40
_SENTENCE: Final = (".", "!", "?", "\u3002", "\uff01", "\uff1f")
_YEAR: Final = re.compile(r"(19|20)\d\d")
_NUMBER: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


class HasHeader(Protocol):
    """A configuration that says whether files have a header."""

    @property
    def no_header(self) -> bool: ...

    @property
    def columns(self) -> str | None: ...


def given_names(config: HasHeader) -> tuple[str, ...] | None:
    """The names of the columns of files without a header: those given, or none, which stands for c1, c2 ...; None where
    files have a header. UsageError for names that contradict themselves."""
    if not config.no_header:
        if config.columns is not None:
            raise UsageError("--columns: names the columns of a file without a header; say --no-header too")
        return None
    if config.columns is None:
        return ()
    names = tuple(next(csv.reader([config.columns]), []))
    if not names or "" in names or len(set(names)) < len(names):
        raise UsageError(f"--columns {config.columns}: a name for each column is needed, and no name twice")
    return names


def counted_names(width: int) -> tuple[str, ...]:
    """c1, c2 ... for `width` columns."""
    return tuple(f"c{number}" for number in range(1, width + 1))


def looks_like_data(names: Sequence[str], values: Sequence[Sequence[str | None]]) -> bool:
    """Whether `names` are likely a record, and no header: one is a sentence or a number, or stands again among the
    `values` of its column."""
    numbers = [name for name in names if _NUMBER.fullmatch(name.strip())]
    if numbers and not _counts([name for name in names if name]) and not all(map(_YEAR.fullmatch, numbers)):
        return True
    if any(_is_sentence(name) for name in names):
        return True
    return any(name and name in column for name, column in zip(names, values, strict=False))


def _counts(names: Sequence[str]) -> bool:
    """Whether `names` are 0, 1, 2 ...: what dataframes call columns that nobody named."""
    return list(names) == [str(number) for number in range(len(names))]


def _is_sentence(name: str) -> bool:
    text = name.strip()
    return len(text) > _LONGEST or len(text.split()) > _MOST_WORDS or (" " in text and text.endswith(_SENTENCE))
