"""Records of a delimited file, block by block: the fields that were found, made into blocks of sound records.

Keeps the position in the file (byte, record, physical line), reads the header, and checks the width of a record and its
UTF-8. A malformed record is a DataError, or it is handed over and the reading goes on after it. Where it ends:

- one with too few or too many fields, or with bytes that are not UTF-8, where its last field does;
- one with a quote out of place or never closed at its first line break, whatever is quoted there: nothing tells which
  of its quotes were meant. The line after it is read as a record of its own, and so on until one is sound.

A wholly blank line in a file of several columns is no record, but counted. With one column it is an empty text.

Every column is text here.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from scorer.errors import DataError, shown
from scorer.tables.delimited_columns import counted_names
from scorer.tables.dialect import Dialect, delimiter_flag, may_delimit
from scorer.tables.encodings import Fault, MalformedText, what_is_wrong
from scorer.tables.fields import BACKSLASH, QUOTE, Block, Bytes, ParsedFields, Positions, count_line_ends, parse_fields
from scorer.tables.rejects import Malformed, Reject
from scorer.tables.streams import LONGEST_ROW, ByteStream

BLOCK_BYTES: Final = 1 << 20

# After a malformed record little is parsed, then twice as much, and so on: what follows the next one is parsed in vain.
_AFTER_TROUBLE: Final = 1 << 13
_BOM: Final = b"\xef\xbb\xbf"
_LINE_END: Final = re.compile(rb"\r\n?|\n")
# What spreadsheets write before the header for other spreadsheets.
_SEPARATOR_LINE: Final = re.compile(rb"sep=([^\r\n])(\r\n?|\n|\Z)", re.IGNORECASE)
_SEPARATOR_BYTES: Final = 8
# As Spark and pandas call it. MySQL has no way: with ESCAPED BY '"' it writes a null as "N.
_DOUBLED: Final = (
    'write "" instead (Spark: option("escape", "\\""), pandas: doublequote=True), or export JSON lines or Parquet'
)
_ROW_NAMES: Final = "; if the first one is the name of the row, as R writes it, write with row.names = FALSE"
_HINT_BYTES: Final = 1 << 12
_TROUBLES: Final = {
    "stray quote": "a quote inside a field that does not begin with one; quote the field, double the quote",
    "text after a closing quote": "text after a closing quote; a quote inside a quoted field must be doubled",
    "unclosed quote": "a quote that opens here is never closed",
    "too long": f"it is longer than {LONGEST_ROW >> 20} MiB; perhaps a quote that opens in it is never closed",
}


class RecordScanner:
    """The header and then the blocks of one file; `rows` counts the sound records so far, first those of earlier files,
    and `blank_lines` the lines that are no records.

    A malformed record is a DataError, or with `reject` goes there. A malformed header always is a DataError, and so is
    a line of more than `LONGEST_ROW` bytes. With `names` in the dialect the file has no header: these are its
    columns, or with an empty tuple c1, c2 ..., as many as its first record has fields.

    Before the header may stand a line `sep=;`, which says the delimiter; a `dialect` that says another is a DataError.

    If it is `prompt`, the stream gives what there is, nothing at its end alone, and its beginning has a whole line. No
    more is read then before all whole records are out.
    """

    def __init__(
        self,
        stream: ByteStream,
        path: Path,
        *,
        dialect: Dialect,
        block_bytes: int = BLOCK_BYTES,
        reject: Reject | None = None,
        rows: int = 0,
        prompt: bool = False,
    ) -> None:
        self._prompt = prompt
        self._stream = stream
        self._path = path
        self._dialect = dialect
        self._delimiter = dialect.byte
        self._block_bytes = self._parse_bytes = block_bytes
        self._reject = reject
        self.rows = rows
        self.blank_lines = 0
        self._buffer = b""
        self._at = 0  # in the buffer: where the next record begins
        self._final = False  # nothing comes after the buffer
        self._offset = 0  # in the file, of the byte at _at
        self._line = 1
        self._record = 0  # the header
        self._names: tuple[str, ...] = ()

    def header(self) -> tuple[str, ...]:
        """The column names: the first record. An empty file or a duplicate name is a DataError."""
        self._fill(len(_BOM))
        if self._buffer.startswith(_BOM):
            self._advance(len(_BOM))
        self._read_separator()
        data, parsed = self._parse_header()
        if not len(parsed.row_ends):
            if parsed.trouble:
                self._fail(
                    self._trouble(data, parsed),
                    line=self._line + count_line_ends(data[: parsed.trouble_at]),
                    fault="quotes",
                )
            raise DataError(f"{self._path}: the file is empty; expected a header line with the names of the columns")
        if blank := _blank_before(parsed):
            self.blank_lines = blank
            self._advance(int(parsed.row_begins[blank]))
            data, parsed = self._parse_header()
        width = int(parsed.row_ends[0])
        if self._dialect.names is not None:
            return self._named(self._dialect.names or counted_names(width), width)
        begins = np.append(parsed.row_begins, parsed.consumed)
        only = replace(parsed, starts=parsed.starts[:width], ends=parsed.ends[:width], row_ends=parsed.row_ends[:1])
        if reason := self._not_utf8(replace(only, consumed=int(begins[1]))).get(0):
            self._fail(reason, line=self._line, fault="encoding")
        escapes = parsed.escapes[parsed.escapes < begins[1]]
        quotes = self._dialect.quotes
        block = Block.of(data, only.starts, only.ends, escapes=escapes, width=width, quotes=quotes)
        self._names = tuple(block.column(index)[0].as_py() or "" for index in range(width))
        self._check_distinct()
        self._advance(int(begins[1]))
        self._record = 1
        return self._names

    def _parse_header(self) -> tuple[Bytes, ParsedFields]:
        """Parse as far as the first record that is more than a blank line, if there is one."""
        size, seen = self._parse_bytes, 0
        data, parsed = self._parse()
        while seen < len(data) <= LONGEST_ROW and not parsed.trouble and _is_blank(parsed).all():
            seen = len(data)
            self._parse_bytes = 2 * seen
            self._fill(2 * seen)
            data, parsed = self._parse()
        self._parse_bytes = size
        return data, parsed

    def _read_separator(self) -> None:
        """Pass over a line that says the delimiter, if the file begins with one, and heed it."""
        if not self._prompt:
            self._fill(_SEPARATOR_BYTES)
        line = _SEPARATOR_LINE.match(self._buffer, self._at) if self._dialect.separator else None
        if line is None or not may_delimit(said := line[1].decode("latin-1")):
            return
        if self._dialect.delimiter not in (None, said):
            raise DataError(
                f"{self._path}: line 1 says sep={said}; leave --delimiter out, or say {delimiter_flag(said)}"
            )
        self._delimiter = ord(said)
        self._advance(line.end() - self._at)

    def _named(self, names: tuple[str, ...], width: int) -> tuple[str, ...]:
        """Take `names` for the columns, of which the first record has `width`, and begin with that record."""
        if len(names) != width:
            what = f"--columns has {len(names)} names, and the first record {width} fields; name each column"
            raise MalformedText(f"{self._path}: {what}", path=self._path, fault="width")
        self._names, self._record = names, 1
        return names

    def blocks(self) -> Iterator[Block]:
        """The sound records after the header, a piece of the file at a time; call `header` first.

        Those before a malformed one come out before the error.
        """
        while True:
            data, parsed = self._parse()
            if parsed.consumed:
                before = self.blank_lines
                block, failure = self._sound(data, parsed)
                self._record += len(parsed.row_ends) - (self.blank_lines - before)
                self.rows += block.rows
                self._advance(parsed.consumed)
                if block.rows:
                    yield block
                if failure is not None:
                    raise failure
            if parsed.trouble:
                self._pass_line(data[parsed.consumed :], parsed)
            elif parsed.consumed:
                self._parse_bytes = min(2 * self._parse_bytes, self._block_bytes)
            else:
                return

    def _parse(self) -> tuple[Bytes, ParsedFields]:
        """Parse more and more until a record is complete, a quote is out of place, or the file ends."""
        size = self._available if self._prompt else self._parse_bytes
        while True:
            self._fill(size)
            size = min(size, self._available)
            data = np.frombuffer(self._buffer, np.uint8, size, self._at)
            final = self._final and size == self._available
            parsed = parse_fields(data, delimiter=self._delimiter, final=final, quotes=self._dialect.quotes)
            if parsed.consumed or parsed.trouble or final:
                return data, parsed
            if size > LONGEST_ROW:
                return data, replace(parsed, trouble="too long")
            size = min(max(2 * size, self._parse_bytes), LONGEST_ROW + self._block_bytes)

    @property
    def _available(self) -> int:
        return len(self._buffer) - self._at

    def _fill(self, size: int) -> None:
        """Have `size` bytes in the buffer that were not read as records yet, or all that are left."""
        missing = size - self._available
        if missing <= 0 or self._final:
            return
        missing = max(missing, self._block_bytes)
        part = self._stream.read(missing)
        self._final = not part if self._prompt else len(part) < missing
        self._buffer = self._buffer[self._at :] + part
        self._at = 0

    def _advance(self, size: int) -> None:
        self._line += count_line_ends(np.frombuffer(self._buffer, np.uint8, size, self._at))
        self._offset += size
        self._at += size

    def _sound(self, data: Bytes, parsed: ParsedFields) -> tuple[Block, DataError | None]:
        """The records of `parsed` without the malformed ones, and without the blank lines, which are counted. Where
        nobody takes malformed ones, those before the first, and the error."""
        width = len(self._names)
        starts, ends = parsed.starts, parsed.ends
        widths = np.diff(parsed.row_ends, prepend=0)
        ragged = np.flatnonzero(widths != width)
        blank = ragged[_is_blank(parsed)[ragged]] if len(ragged) else ragged
        malformed = _said("width", self._ragged(data, parsed, widths, np.setdiff1d(ragged, blank)))
        malformed |= _said("encoding", self._not_utf8(parsed))
        failure = None
        if malformed or len(blank):
            failure = self._report(data, parsed, malformed, blank)
            self.blank_lines += len(blank)
            keep = np.ones(len(widths), bool)
            keep[[*malformed, *blank]] = False
            if failure is not None:
                keep[min(malformed) :] = False
            fields = np.repeat(keep, widths)
            starts, ends = starts[fields], ends[fields]
        quotes = self._dialect.quotes
        return Block.of(data, starts, ends, escapes=parsed.escapes, width=width, quotes=quotes), failure

    def _report(
        self, data: Bytes, parsed: ParsedFields, malformed: dict[int, tuple[Fault, str]], blank: Positions
    ) -> DataError | None:
        """Hand over the `malformed` rows with their reasons, or give the error of the first where nobody takes them;
        the `blank` ones do not count."""
        bounds = np.append(parsed.row_begins, parsed.consumed).tolist()
        line, seen = self._line, 0
        for passed, (row, (fault, reason)) in enumerate(sorted(malformed.items())):
            begin, end = bounds[row : row + 2]
            line += count_line_ends(data[seen:begin])
            seen = begin
            place = row - int(np.searchsorted(blank, row))
            if self._reject is None:
                return self._error(reason, record=self._record + place, line=line, fault=fault)
            text, rows = data[begin:end].tobytes(), self.rows + place - passed
            self._set_aside(Malformed(self._path, self._record + place, line, reason, text, rows))
        return None

    def _set_aside(self, malformed: Malformed) -> None:
        assert self._reject is not None, "malformed records are errors; this is a bug"
        self._reject(malformed.in_encoding(self._dialect.encoding))

    def _ragged(self, data: Bytes, parsed: ParsedFields, widths: Positions, rows: Positions) -> dict[int, str]:
        """What is wrong with the `rows` of `parsed`, which have fewer or more fields than there are columns."""
        begins, ends = parsed.row_begins, parsed.ends[parsed.row_ends - 1]
        reasons = {}
        for row in rows:
            fields = "1 field" if widths[row] == 1 else f"{widths[row]} fields"
            hint = _backslash_hint(data[begins[row] : ends[row]])
            if row == 0 and self._record == 1 and widths[row] == len(self._names) + 1:
                hint = hint or _ROW_NAMES
            reasons[int(row)] = f"{fields} instead of {len(self._names)}{hint}"
        return reasons

    def _not_utf8(self, parsed: ParsedFields) -> dict[int, str]:
        """The records of `parsed` that are not UTF-8, and why."""
        text = self._buffer[self._at : self._at + parsed.consumed]
        if text.isascii():
            return {}
        begins = parsed.row_begins
        view = memoryview(text)
        reasons: dict[int, str] = {}
        checked = 0
        while checked < len(text):
            try:
                codecs.utf_8_decode(view[checked:], "strict", True)
                break
            except UnicodeDecodeError as error:
                at = checked + error.start
            row = int(np.searchsorted(begins, at, side="right")) - 1
            reasons[row] = what_is_wrong(text, at, encoding=self._dialect.encoding, offset=self._offset)
            checked = int(begins[row + 1]) if row + 1 < len(begins) else len(text)
        return reasons

    def _pass_line(self, data: Bytes, parsed: ParsedFields) -> None:
        """Go on after the physical line at which a record begins that has a quote out of place."""
        reason = self._trouble(data, parsed)
        if self._reject is None:
            self._fail(
                reason, line=self._line + count_line_ends(data[: parsed.trouble_at - parsed.consumed]), fault="quotes"
            )
        end = self._line_end()
        text = self._buffer[self._at : self._at + end]
        self._set_aside(Malformed(self._path, self._record, self._line, reason, text, self.rows))
        self._record += 1
        self._advance(end)
        self._parse_bytes = min(_AFTER_TROUBLE, self._block_bytes)

    def _line_end(self) -> int:
        """How many bytes the physical line has that begins here, its end included."""
        while True:
            found = _LINE_END.search(self._buffer, self._at)
            # A CR in the last byte waits for the LF that may follow it.
            if found and (found.end() < len(self._buffer) or found[0] != b"\r"):
                return found.end() - self._at
            if self._final:
                return self._available
            if self._available > LONGEST_ROW:
                self._fail(_TROUBLES["too long"], line=self._line, fault="quotes")
            self._fill(2 * self._available)

    def _trouble(self, data: Bytes, parsed: ParsedFields) -> str:
        """What is wrong with the quotes of the record with which `data` begins."""
        # What follows an unclosed quote may tell why it is one.
        end = parsed.trouble_at - parsed.consumed + 1 if parsed.trouble != "unclosed quote" else len(data)
        hint = _backslash_hint(data[:end])
        if not hint and b"\\\n" in data[:_HINT_BYTES].tobytes():
            hint = f"; backslashes escape line ends in it: {_DOUBLED}"
        return _TROUBLES[str(parsed.trouble)] + hint

    def _check_distinct(self) -> None:
        names = self._names
        for name in sorted({name for name in names if names.count(name) > 1}):
            raise DataError(
                f"{self._path}: line 1: the column name {shown(name)} stands {names.count(name)} times; "
                "every column needs a name of its own (or say --no-header where the line is data)"
            )

    def _fail(self, what: str, *, line: int, fault: Fault) -> NoReturn:
        raise self._error(what, record=self._record, line=line, fault=fault)

    def _error(self, what: str, *, record: int, line: int, fault: Fault) -> MalformedText:
        where = f"record {record} (line {line})" if record else f"header (line {line})"
        return MalformedText(f"{self._path}: {where}: {what}", path=self._path, fault=fault)


def _said(fault: Fault, reasons: dict[int, str]) -> dict[int, tuple[Fault, str]]:
    """The `reasons` why rows are malformed, each with the `fault` that it is about."""
    return {row: (fault, reason) for row, reason in reasons.items()}


def _is_blank(parsed: ParsedFields) -> NDArray[np.bool_]:
    """Which of the records are lines with nothing in them (records,)."""
    blank: NDArray[np.bool_] = parsed.row_begins == parsed.ends[parsed.row_ends - 1]
    return blank


def _blank_before(parsed: ParsedFields) -> int:
    """How many blank lines come before the first record, if that has several fields."""
    blank = _is_blank(parsed)
    first = int(np.argmin(blank))
    return first if not blank[first] and np.diff(parsed.row_ends[: first + 1], prepend=0)[first] > 1 else 0


def _backslash_hint(data: Bytes) -> str:
    r"""A word on `\"`, which RFC 4180 does not know, when the record has one, and on a line end that is escaped so."""
    quotes = np.flatnonzero(data == QUOTE)
    if len(quotes) and (data[np.maximum(quotes - 1, 0)] == BACKSLASH).any():
        return f"; the record escapes quotes with a backslash: {_DOUBLED}"
    if len(data) and data[-1] == BACKSLASH:
        return f"; a backslash before its end, which in MySQL lets the field go on: {_DOUBLED}"
    return ""
