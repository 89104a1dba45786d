"""What every reader has in common: a schema, the windows, the check of the text columns.

A reader of one format yields pieces of a file. Here they become windows of bounded size.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa

from scorer.errors import ConfigError, UsageError, near, shown
from scorer.records.shard import RowGroups
from scorer.stores.fingerprints import Stamp, check_unchanged
from scorer.tables import compute as pc
from scorer.tables.texts import check_utf8, holds_texts, is_text, texts, type_name

OTHERS = 4
"""How many times the bytes of its texts a window may have in all columns."""


def nothing() -> None:
    """The check of whoever never stops."""


class Reader(ABC):
    """The rows of one input, whatever its format.

    `schema` is that of every window; `rows` the number of rows in all, or None where only reading would tell; `names`
    those of the columns, also where a window holds whole lines instead; `warnings` what a person should know.
    """

    schema: pa.Schema
    rows: int | None

    def __init__(self, stamps: Sequence[Stamp], text_columns: Sequence[str]) -> None:
        self._stamps = tuple(stamps)
        self.text_columns = tuple(text_columns)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.schema.names)

    @property
    def lack(self) -> Mapping[str, Collection[Path]]:
        """Columns of which only reading tells that some files lack them, and these files."""
        return {}

    @property
    def blank_lines(self) -> int:
        """How many lines with nothing in them were passed over, which are no rows."""
        return 0

    @property
    def again(self) -> bool:
        """Whether the rows can be read as often as anybody likes."""
        return True

    @property
    def warnings(self) -> tuple[str, ...]:
        return ()

    @property
    def one_dictionary(self) -> bool:
        """Whether it is known that the dictionaries of all pieces can be joined."""
        return False

    def with_texts(self, text_columns: Sequence[str]) -> Reader | None:  # noqa: ARG002
        """This reader with the columns `text_columns` as texts, if it knows enough of the files; None where they
        are to be opened anew. Errors as of `Source.read`."""
        return None

    def of_row_groups(self, groups: RowGroups) -> Reader:
        """The rows of some row groups alone."""
        raise AssertionError(f"{groups}: only Parquet has row groups; this is a bug")

    def only(self, names: Collection[str]) -> Reader:  # noqa: ARG002
        """The same rows, of which the other columns may be missing where that saves time."""
        return self

    @abstractmethod
    def pieces_of(self, stamp: Stamp) -> Iterator[pa.Table]:
        """The rows of one of the files in order as small tables of `schema`, whose strings in text columns are UTF-8,
        each of a few MiB at most where the file allows it."""

    def windows(
        self,
        *,
        max_rows: int,
        max_bytes: int,
        limit: int | None = None,
        check: Callable[[], None] = nothing,  # noqa: ARG002 - files do not keep anybody waiting
    ) -> Iterator[pa.Table]:
        """All rows in order (the first `limit`), as tables of one row at least and `max_rows` at most.

        A window ends before the row with which its text columns would hold more than `max_bytes` bytes, or all columns
        about four times as many. While rows are waited for, `check` is called, and raises to stop.
        """
        of_files = (self.checked(self.pieces_of(stamp), stamp.path) for stamp in self._stamps)
        pieces: Iterator[pa.Table | None] = chain.from_iterable(of_files)
        if limit is not None:
            pieces = head(pieces, limit)
        yield from regroup(pieces, self.text_columns, max_rows=max_rows, max_bytes=max_bytes, others=OTHERS)

    def checked(self, pieces: Iterator[pa.Table], path: Path) -> Iterator[pa.Table]:
        """The `pieces` of the file `path`, whose texts are UTF-8 also where their columns hold bytes."""
        columns = [name for name in self.text_columns if not is_text(self.schema.field(name).type)]
        before = 0
        for piece in pieces:
            check_utf8(piece, columns, where=str(path), before=before)
            before += piece.num_rows
            yield piece

    def check_unchanged(self) -> None:
        """DataError when a file is not the one that was opened: its size, modification time or inode differs."""
        check_unchanged(self._stamps)


def tell_blank_lines(where: str, count: int) -> list[str]:
    """What a person should know where lines were passed over."""
    lines = "1 blank line is no record and was" if count == 1 else f"{count:,} blank lines are no records and were"
    return [f"{where}: {lines} passed over"] if count else []


def check_names(names: Sequence[str], asked: Sequence[str], *, where: str) -> None:
    """UsageError with near misses when a column that is `asked` for is not among `names`."""
    for wanted in asked:
        if wanted in names:
            continue
        close = near(wanted, names, most=3)
        advice = f"did you mean {', '.join(map(shown, close))}?" if close else f"there are {listed(names)}"
        raise UsageError(f"{where}: no column {wanted!r}; {advice}")


def check_types(schema: pa.Schema, text_columns: Sequence[str], *, where: str) -> None:
    """ConfigError when a text column holds something else than text."""
    for name in text_columns:
        kind = schema.field(name).type
        if not holds_texts(kind):
            raise ConfigError(f"{where}: column {shown(name)} is {type_name(kind)}, not text; {_instead_of(kind)}")


def _instead_of(kind: pa.DataType) -> str:
    """What to do where a text column is of the type `kind`."""
    if pa.types.is_struct(kind):
        texts = [field.name for field in kind if is_text(field.type)]
        if len(texts) == 1:
            return f"make its field {shown(texts[0])} a column of its own"
    if pa.types.is_nested(kind):
        return "name a column of strings, or write a row for each text in it"
    return "name a column of strings"


def regroup(
    pieces: Iterator[pa.Table | None],
    text_columns: Sequence[str],
    *,
    max_rows: int,
    max_bytes: int,
    others: float = math.inf,
) -> Iterator[pa.Table]:
    """The rows of `pieces` in windows of at most `max_rows` rows and, unless one row has more, `max_bytes` of text and
    about `others` times that in all columns. None among the pieces ends a window, however few rows it has."""
    held: list[pa.Table] = []
    rows = size = 0
    for piece in pieces:
        if piece is None:
            if held:
                yield joined(held)
                held, rows, size = [], 0, 0
            continue
        ends = np.cumsum(np.maximum(_text_bytes(piece, text_columns), _row_bytes(piece) // others))
        begin = 0
        while begin < piece.num_rows:
            done = int(ends[begin - 1]) if begin else 0
            fitting = int(np.searchsorted(ends, done + max_bytes - size, side="right")) - begin
            take = min(fitting, max_rows - rows, piece.num_rows - begin)
            if take <= 0 and not held:
                take = 1
            if take > 0:
                held.append(piece.slice(begin, take))
                begin += take
                rows += take
                size += int(ends[begin - 1]) - done
            if begin < piece.num_rows or rows >= max_rows:
                yield joined(held)
                held, rows, size = [], 0, 0
    if held:
        yield joined(held)


def _row_bytes(piece: pa.Table) -> float:
    """About how many bytes a row has in all columns; a dictionary is shared by rows and does not count."""
    columns = (column for column in piece.columns if not pa.types.is_dictionary(column.type))
    return float(sum(column.nbytes for column in columns) / max(piece.num_rows, 1))


def joined(pieces: list[pa.Table]) -> pa.Table:
    """The rows of `pieces`, in one chunk where that is possible."""
    table = pa.concat_tables(pieces) if len(pieces) > 1 else pieces[0]
    try:
        return table.unify_dictionaries().combine_chunks()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        # More distinct values than the dictionary's index type counts, or a type that cannot be joined: chunks do.
        return table


def head(pieces: Iterator[pa.Table | None], limit: int) -> Iterator[pa.Table | None]:
    """The first `limit` rows of `pieces`, and what ends windows among them."""
    for piece in pieces:
        if piece is not None and piece.num_rows >= limit:
            yield piece.slice(0, limit)
            return
        limit -= piece.num_rows if piece is not None else 0
        yield piece


def _text_bytes(piece: pa.Table, text_columns: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Bytes of text in each row (rows,)."""
    size = np.zeros(piece.num_rows, np.int64)
    for name in text_columns:
        lengths = pc.fill_null(pc.binary_length(texts(piece, name)), 0)
        size += lengths.to_numpy().astype(np.int64)
    return size


def listed(names: Sequence[str], most: int = 20) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(shown, names[:most])) + more
