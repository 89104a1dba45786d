"""Records of a delimited file, block by block: what the carving found, made into Arrow columns or a DataError.

Owns the position in the file (byte, record, physical line), the header, the width of a record and the UTF-8 check. Does
not know column types: every column is text here.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from scorer.errors import DataError
from scorer.tables.carving import BACKSLASH, QUOTE, Bytes, Carved, Positions, carve, count_line_ends
from scorer.tables.streams import ByteStream

BLOCK_BYTES: Final = 1 << 20
LONGEST_RECORD: Final = 64 << 20
"""A record beyond this many bytes is taken for an unclosed quote (or a bomb), so that memory stays bounded."""

_BOM: Final = b"\xef\xbb\xbf"
_OTHER_DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}


@dataclass(frozen=True)
class Block:
    """Complete records of a file: field bounds (rows, columns) into `data`, quotes excluded."""

    data: Bytes
    starts: Positions
    ends: Positions
    quoted: NDArray[np.bool_]
    escaped: frozenset[int]

    @property
    def rows(self) -> int:
        return len(self.starts)

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


class RecordScanner:
    """The header and then the blocks of one file."""

    def __init__(self, stream: ByteStream, path: Path, *, delimiter: str, block_bytes: int = BLOCK_BYTES) -> None:
        self._stream = stream
        self._path = path
        self._delimiter = delimiter
        self._block_bytes = block_bytes
        self._rest = b""
        self._final = False
        self._offset = 0  # of the first byte of _rest
        self._line = 1
        self._record = 0  # the header
        self._names: tuple[str, ...] = ()

    def header(self) -> tuple[str, ...]:
        """The column names: the first record. An empty file or a duplicate name is a DataError."""
        self._read(len(_BOM))
        if self._rest.startswith(_BOM):
            self._advance(self._rest[: len(_BOM)])
        data, carved = self._complete_records()
        if not len(carved.row_ends):
            raise DataError(f"{self._path}: the file is empty; expected a header line with the names of the columns")
        width = int(carved.row_ends[0])
        starts, ends = carved.starts[:width], carved.ends[:width]
        end = int(carved.starts[width]) if len(carved.starts) > width else carved.consumed
        if carved.trouble and carved.trouble_at < end:
            self._refuse(data, carved)
        self._check_utf8(self._rest[:end])
        block = _block(data, starts, ends, carved.escapes[carved.escapes < end], width=width)
        names = tuple(block.column(index)[0].as_py() or "" for index in range(width))
        duplicates = sorted({name for name in names if names.count(name) > 1})
        if duplicates:
            raise DataError(
                f"{self._path}: line 1: the column name {duplicates[0]!r} stands {names.count(duplicates[0])} times; "
                "every column needs a name of its own"
            )
        self._advance(self._rest[:end])
        self._record = 1
        self._names = names
        return names

    def blocks(self) -> Iterator[Block]:
        """The records after the header; call `header` first. Malformed ones are a DataError that says where."""
        while not self._final or self._rest:
            data, carved = self._complete_records()
            if not carved.consumed:
                return
            self._check_utf8(self._rest[: carved.consumed])
            self._check_widths(data, carved)
            if carved.trouble:
                self._refuse(data, carved)
            yield _block(data, carved.starts, carved.ends, carved.escapes, width=len(self._names))
            self._record += len(carved.row_ends)
            self._advance(self._rest[: carved.consumed])

    def _complete_records(self) -> tuple[Bytes, Carved]:
        """Read on until at least one record is complete, or the file ends."""
        wanted = self._block_bytes
        while True:
            self._read(wanted)
            data = np.frombuffer(self._rest, np.uint8)
            carved = carve(data, delimiter=ord(self._delimiter), final=self._final)
            if carved.consumed and self._record == 0:
                return data, carved  # the header is whole; what is wrong after it comes up with its record
            if carved.trouble and not carved.consumed:
                self._check_utf8(self._rest[: carved.trouble_at])
                self._refuse(data, carved)
            if carved.consumed or self._final:
                return data, carved
            if len(data) > LONGEST_RECORD:
                self._fail(f"it is longer than {LONGEST_RECORD >> 20} MiB; a quote that opens in it is never closed")
            wanted = min(max(wanted, len(data)), LONGEST_RECORD + 1 - len(data) + self._block_bytes)

    def _read(self, size: int) -> None:
        """Have `size` more bytes in `_rest`, or all that are left."""
        part = self._stream.read(size)
        self._final = len(part) < size
        self._rest = self._rest + part if self._rest else part

    def _advance(self, done: bytes) -> None:
        self._offset += len(done)
        self._line += count_line_ends(np.frombuffer(done, np.uint8))
        self._rest = self._rest[len(done) :]

    def _check_utf8(self, data: bytes) -> None:
        if data.isascii():
            return
        try:
            codecs.utf_8_decode(data, "strict", True)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self._path}: byte {self._offset + error.start} is not UTF-8 ({_utf8_reason(data, error.start)}); "
                "convert the file to UTF-8"
            ) from None

    def _check_widths(self, data: Bytes, carved: Carved) -> None:
        widths = np.diff(carved.row_ends, prepend=0)
        wrong = np.flatnonzero(widths != len(self._names))
        if not len(wrong):
            return
        row = int(wrong[0])
        start = _begin_of(carved, row)
        end = int(carved.ends[int(carved.row_ends[row]) - 1])
        if carved.trouble and end >= carved.trouble_at:
            return
        self._record += row
        self._line += count_line_ends(data[:start])
        found = int(widths[row])
        if end == start:
            self._fail(f"a blank line, where {len(self._names)} fields are expected; remove it")
        fields = "field" if found == 1 else "fields"
        hint = _backslash_hint(data[start:end])
        self._fail(f"{found} {fields} instead of {len(self._names)}{hint}")

    def _refuse(self, data: Bytes, carved: Carved) -> NoReturn:
        """Raise the DataError of `carved.trouble`."""
        at = carved.trouble_at
        before = int(np.searchsorted(carved.ends[carved.row_ends - 1], at))
        self._record += before
        begin = _begin_of(carved, before)
        self._line += count_line_ends(data[:at])
        what = {
            "stray quote": "a quote inside a field that does not begin with one; quote the field, double the quote",
            "text after a closing quote": "text after a closing quote; a quote inside a quoted field must be doubled",
            "unclosed quote": "a quote that opens here is never closed",
        }[str(carved.trouble)]
        # What follows an unclosed quote may tell why it is one.
        end = len(data) if carved.trouble == "unclosed quote" else at + 1
        self._fail(what + _backslash_hint(data[begin:end]))

    def _fail(self, what: str) -> NoReturn:
        where = f"record {self._record} (line {self._line})" if self._record else f"header (line {self._line})"
        raise DataError(f"{self._path}: {where}: {what}{delimiter_hint(self._names, self._delimiter)}")


def delimiter_hint(names: tuple[str, ...], delimiter: str) -> str:
    """What to try when a one-column header looks as if another delimiter was meant; empty otherwise."""
    if len(names) != 1:
        return ""
    counts = {other: names[0].count(other) for other in _OTHER_DELIMITERS if other != delimiter}
    likely = max(counts, key=lambda other: counts[other])
    if not counts[likely]:
        return ""
    expected = _OTHER_DELIMITERS[delimiter]
    advice = {
        "\t": "name it .tsv or say --input-format tsv",
        ",": "name it .csv or say --input-format csv",
    }.get(likely, f"convert it to {expected}-separated fields")
    return (
        f"; the header is one column with a {_OTHER_DELIMITERS[likely]} in it, so the file seems to be "
        f"{_OTHER_DELIMITERS[likely]}-separated where a {expected} is expected: {advice}"
    )


def _begin_of(carved: Carved, row: int) -> int:
    """The first byte of record `row`, which may be the incomplete one after the last."""
    if row == len(carved.row_ends):
        return carved.consumed
    return int(carved.starts[int(carved.row_ends[row - 1])]) if row else 0


def _block(data: Bytes, starts: Positions, ends: Positions, escapes: Positions, *, width: int) -> Block:
    quoted = np.zeros(len(starts), bool)
    full = starts < ends
    quoted[full] = data[starts[full]] == QUOTE
    columns = np.unique(np.searchsorted(ends, escapes) % width) if len(escapes) else np.empty(0, np.int64)
    shape = (-1, width)
    return Block(
        data=data,
        starts=(starts + quoted).reshape(shape),
        ends=(ends - quoted).reshape(shape),
        quoted=quoted.reshape(shape),
        escaped=frozenset(columns.tolist()),
    )


def _backslash_hint(data: Bytes) -> str:
    r"""A word on `\"`, which RFC 4180 does not know, when the record has one."""
    quotes = np.flatnonzero(data == QUOTE)
    if len(quotes) and (data[np.maximum(quotes - 1, 0)] == BACKSLASH).any():
        return '; the record escapes quotes with a backslash: write "" instead'
    return ""


def _utf8_reason(data: bytes, at: int) -> str:
    if data[at] == 0xED and at + 1 < len(data) and 0xA0 <= data[at + 1] <= 0xBF:
        return "an encoded surrogate"
    return f"0x{data[at]:02x}, as in Latin-1 or Windows-1252"
