"""The fields of a piece of delimited text: where they begin and end (RFC 4180, strict), and Arrow columns of them.

Here is the grammar, without a Python loop over bytes. A byte is inside quotes when the number of quotes before it is
odd, so one cumulative sum over the few marked bytes (quotes, delimiters, line ends) finds every field at once; the text
between is never looked at.
And it is well formed if each opening quote (an even one: 0, 2, 4 ...) follows a field's begin or the quote it doubles,
and each closing quote (an odd one) precedes a field's end or the quote that doubles it.

Files, headers and types are not known here: every field is text or null.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorer.tables import compute as pc

Bytes = NDArray[np.uint8]
Positions = NDArray[np.int64]

QUOTE: Final = ord('"')
CR: Final = ord("\r")
LF: Final = ord("\n")
BACKSLASH: Final = ord("\\")

Trouble = Literal["stray quote", "text after a closing quote", "unclosed quote", "too long"]


@dataclass(frozen=True)
class ParsedFields:
    """The complete records of a piece of text, up to the first quote that is out of place.

    `starts` and `ends` (fields,) bound each field, quotes included; `row_ends` (records,) counts the fields up to and
    including each record's last; `escapes` are the positions of doubled quotes, also of those in the text after the
    records. `consumed` bytes belong to the records. With a `trouble`, the record after them is malformed, and
    `trouble_at` is the byte of the offending quote.
    """

    starts: Positions
    ends: Positions
    row_ends: Positions
    escapes: Positions
    consumed: int
    trouble: Trouble | None = None
    trouble_at: int = 0

    @property
    def row_begins(self) -> Positions:
        """The first byte of each record (records,)."""
        first = np.zeros(len(self.row_ends), np.int64)
        first[1:] = self.row_ends[:-1]
        return self.starts[first]


def parse_fields(data: Bytes, *, delimiter: int, final: bool, quotes: bool = True) -> ParsedFields:
    """Find the fields of the records in `data`, which begins with a record; `final` says that the file ends with it.

    Without `quotes` a quote is a character like any other. A `delimiter` that is no byte stands nowhere.
    """
    if not quotes:
        marks = np.flatnonzero((data == delimiter) | (data == LF) | (data == CR))
        return _between_stops(data, marks, data[marks], delimiter=delimiter, final=final)
    is_quote = data == QUOTE
    marks = np.flatnonzero(is_quote | (data == delimiter) | (data == LF) | (data == CR))
    kinds = data[marks]
    at_quote = kinds == QUOTE
    if not at_quote.any():
        return _between_stops(data, marks, kinds, delimiter=delimiter, final=final)
    quoted = (np.cumsum(at_quote) & 1).astype(bool)
    positions = marks[at_quote]
    outside = ~(quoted | at_quote)
    # An open quote at the end of the file swallows everything after it: there is no virtual line end inside it.
    parsed = _between_stops(
        data, marks[outside], kinds[outside], delimiter=delimiter, final=final and not bool(len(positions) & 1)
    )
    trouble, trouble_at = _trouble(data, positions, delimiter=delimiter, final=final)
    # A closing quote that the next opening quote follows at once is a doubled one.
    closing = positions[1:-1:2]
    escapes = closing[positions[2::2] == closing + 1]
    if trouble is None:
        return replace(parsed, escapes=escapes)
    return replace(_before(parsed, trouble_at), escapes=escapes, trouble=trouble, trouble_at=trouble_at)


def _before(parsed: ParsedFields, at: int) -> ParsedFields:
    """The records that end before byte `at`; after a quote that is out of place, none can be trusted."""
    rows = int(np.searchsorted(parsed.ends[parsed.row_ends - 1], at))
    if rows == len(parsed.row_ends):
        return parsed
    fields = int(parsed.row_ends[rows - 1]) if rows else 0
    return replace(
        parsed,
        starts=parsed.starts[:fields],
        ends=parsed.ends[:fields],
        row_ends=parsed.row_ends[:rows],
        consumed=int(parsed.starts[fields]),
    )


def count_line_ends(data: Bytes) -> int:
    """How many physical lines end in `data`: LF, CR LF and a lone CR count once."""
    is_cr = data == CR
    line_feeds = int(np.count_nonzero(data == LF))
    carriage_returns = np.flatnonzero(is_cr)
    if len(carriage_returns) == 0:
        return line_feeds
    following = np.append(data, np.uint8(0))[carriage_returns + 1]
    return line_feeds + int(np.count_nonzero(following != LF))


def _between_stops(data: Bytes, stops: Positions, kinds: Bytes, *, delimiter: int, final: bool) -> ParsedFields:
    """Fields between `stops`, the delimiters and line ends outside quotes."""
    nexts = stops + 1
    if (kinds == CR).any():
        stops, nexts, kinds = _join_crlf(stops, kinds, size=len(data), final=final)
    done = int(nexts[-1]) if len(nexts) else 0
    if final and (done < len(data) or (len(kinds) and kinds[-1] == delimiter)):
        stops, nexts = np.append(stops, len(data)), np.append(nexts, len(data))
        kinds = np.append(kinds, np.uint8(LF))
    row_ends = np.flatnonzero(kinds != delimiter) + 1
    fields = int(row_ends[-1]) if len(row_ends) else 0
    starts = np.zeros(fields, np.int64)
    starts[1:] = nexts[: max(fields - 1, 0)]
    return ParsedFields(
        starts=starts,
        ends=stops[:fields],
        row_ends=row_ends,
        escapes=np.empty(0, np.int64),
        consumed=int(nexts[fields - 1]) if fields else 0,
    )


def _join_crlf(stops: Positions, kinds: Bytes, *, size: int, final: bool) -> tuple[Positions, Positions, Bytes]:
    """One stop for each CR LF; a CR in the last byte waits for the LF that may follow it."""
    second = np.zeros(len(stops), bool)
    second[1:] = (kinds[1:] == LF) & (kinds[:-1] == CR) & (stops[1:] == stops[:-1] + 1)
    nexts = stops + 1
    nexts[:-1][second[1:]] += 1
    keep = ~second
    if not final and kinds[-1] == CR and stops[-1] == size - 1:
        keep[-1] = False
    return stops[keep], nexts[keep], kinds[keep]


def _trouble(data: Bytes, quotes: Positions, *, delimiter: int, final: bool) -> tuple[Trouble | None, int]:
    """The first quote that stands where none may, or the one that is never closed."""
    edge = np.zeros(256, bool)
    edge[[QUOTE, delimiter, LF, CR]] = True
    opening, closing = quotes[::2], quotes[1::2]
    opens_badly = opening[~(edge[data[np.maximum(opening - 1, 0)]] | (opening == 0))]
    last = closing == len(data) - 1
    closes_badly = closing[~(edge[data[np.minimum(closing + 1, len(data) - 1)]] | last)]
    if len(opens_badly) and (not len(closes_badly) or opens_badly[0] < closes_badly[0]):
        return "stray quote", int(opens_badly[0])
    if len(closes_badly):
        return "text after a closing quote", int(closes_badly[0])
    if final and len(quotes) & 1:
        return "unclosed quote", _opened_at(opening, closing)
    return None, 0


def _opened_at(opening: Positions, closing: Positions) -> int:
    """Where the field begins that the last opening quote (of an odd number of quotes) is in."""
    doubled = opening[1:] == closing + 1
    fresh = np.flatnonzero(~doubled)
    return int(opening[fresh[-1] + 1]) if len(fresh) else int(opening[0])


@dataclass(frozen=True)
class Block:
    """Complete records of a file: field bounds (rows, columns) into `data`, quotes excluded."""

    data: Bytes
    starts: Positions
    ends: Positions
    quoted: NDArray[np.bool_]
    escaped: frozenset[int]

    @classmethod
    def of(
        cls,
        data: Bytes,
        starts: Positions,
        ends: Positions,
        *,
        escapes: Positions,
        width: int,
        quotes: bool = True,
    ) -> Block:
        """Records of `width` fields each, whose bounds `starts` and `ends` (fields,) are in order and include `quotes`.

        `escapes` are the positions of doubled quotes; those that lie in no field do no harm.
        """
        quoted = np.zeros(len(starts), bool)
        full = starts < ends
        if quotes:
            quoted[full] = data[starts[full]] == QUOTE
        columns = np.unique(np.searchsorted(ends, escapes) % width) if len(escapes) else np.empty(0, np.int64)
        shape = (-1, width)
        return cls(
            data=data,
            starts=(starts + quoted).reshape(shape),
            ends=(ends - quoted).reshape(shape),
            quoted=quoted.reshape(shape),
            escaped=frozenset(columns.tolist()),
        )

    @property
    def rows(self) -> int:
        return len(self.starts)

    def head(self, rows: int) -> Block:
        """The first `rows` records."""
        return replace(self, starts=self.starts[:rows], ends=self.ends[:rows], quoted=self.quoted[:rows])

    def arranged(self, places: Sequence[int | None]) -> Block:
        """The columns at `places`, in this order; where there is None, one of nulls."""
        only = self.starts.shape[1] == 1
        taken = [0 if place is None else place for place in places]
        absent = np.array([place is None for place in places])
        starts, ends = (np.where(absent, 0, bounds[:, taken]) for bounds in (self.starts, self.ends))
        # An empty line of a file of one column is an empty text, as "" is beside others.
        quoted = np.where(absent, False, only | self.quoted[:, taken])
        escaped = frozenset(column for column, place in enumerate(places) if place in self.escaped)
        return replace(self, starts=starts, ends=ends, quoted=quoted, escaped=escaped)

    def column(self, index: int) -> pa.Array:
        """Column `index` as strings (rows,), with doubled quotes undone.

        An unquoted empty field is null and a quoted one is empty text; in a one-column file, where an empty line is
        a record, both are empty text.
        """
        starts, ends = self.starts[:, index], self.ends[:, index]
        size = len(starts)
        offsets = np.empty(2 * size + 1, np.int32)
        offsets[0:-1:2] = starts
        offsets[1::2] = ends
        offsets[-1] = offsets[-2] if size else 0
        # The even slots of this array are the fields, the odd ones what lies between them.
        slots = pa.Array.from_buffers(pa.string(), 2 * size, [None, pa.py_buffer(offsets), pa.py_buffer(self.data)])
        missing = self.missing(index)
        fields = slots.take(pa.array(np.arange(0, 2 * size, 2), mask=missing if missing.any() else None))
        return pc.replace_substring(fields, '""', '"') if index in self.escaped else fields

    def missing(self, index: int) -> NDArray[np.bool_]:
        """Which fields of column `index` are null (rows,)."""
        if self.starts.shape[1] == 1:
            return np.zeros(self.rows, bool)
        empty: NDArray[np.bool_] = self.starts[:, index] == self.ends[:, index]
        return empty & ~self.quoted[:, index]
