"""JSON: one array of objects, or one object a line; for reading alone.

An array is never held as a whole: its entries are made lines, one after the other, and read as JSON lines are.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scorer.errors import DataError
from scorer.stores.fingerprints import Stamp
from scorer.tables.encodings import MalformedText, open_text
from scorer.tables.formats.format import Contents, Evidence, Format, ReadOptions
from scorer.tables.formats.jsonl import JsonLinesFormat
from scorer.tables.json_lines import JsonLines
from scorer.tables.streams import LONGEST_ROW, ByteStream

_READ_BYTES: Final = 1 << 20
_BEGIN_BYTES: Final = 1 << 12
# What ends or nests an entry: a whole text, a bracket, a comma; or a text whose end is not there yet.
_TOKEN: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},]|"', re.DOTALL)
_BREAKS: Final = re.compile(r"[\r\n][ \t\r\n]*")


@dataclass(frozen=True)
class JsonEntries(JsonLines):
    """The entries of an array as lines; a file that begins with no bracket has lines already."""

    unit = "entry"

    @contextmanager
    def open(self, path: Path, *, lenient: bool = False) -> Iterator[ByteStream]:
        with open_text(path, self.encoding, lenient=lenient) as stream:
            begin = stream.read(_BEGIN_BYTES)
            whole = _Prefixed(begin, stream)
            yield _Entries(whole, path, lenient=lenient) if _is_array(begin) else whole

    def _not_text(self, error: UnicodeDecodeError, offset: int | None) -> str:  # noqa: ARG002 - that of a line we made
        return super()._not_text(error, None)


def _beginning(stamp: Stamp, options: ReadOptions) -> bytes:
    """The first bytes of a file that are no white space."""
    with open_text(stamp.path, options.dialect.encoding, lenient=options.rejects is not None) as stream:
        return stream.read(_BEGIN_BYTES).removeprefix(codecs.BOM_UTF8).lstrip(b" \t\r\n")


def _is_array(begin: bytes) -> bool:
    return begin.removeprefix(codecs.BOM_UTF8).lstrip(b" \t\r\n").startswith(b"[")


class _Prefixed:
    """A stream of which some bytes were read already."""

    def __init__(self, begin: bytes, stream: ByteStream) -> None:
        self._begin = begin
        self._stream = stream

    def read(self, size: int) -> bytes:
        part, self._begin = self._begin[:size], self._begin[size:]
        return part + self._stream.read(size - len(part)) if len(part) < size else part


class _Entries:
    """The entries of the array in a stream, each on a line of its own. If `lenient`, bytes that are not UTF-8 are left
    to whoever reads the lines."""

    def __init__(self, stream: ByteStream, path: Path, *, lenient: bool) -> None:
        self._stream = stream
        self._path = path
        self._errors = "surrogateescape" if lenient else "strict"
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")(self._errors)
        self._seen = 0
        self._text = ""
        self._at = 0  # in the text: what comes next
        self._final = False
        self._number = 0
        self._lines = self._entries()
        self._pending = bytearray()

    def read(self, size: int) -> bytes:
        while len(self._pending) < size and (line := next(self._lines, None)) is not None:
            self._pending += line
        part = bytes(self._pending[:size])
        del self._pending[:size]
        return part

    def _entries(self) -> Iterator[bytes]:
        self._next_character()
        self._at += 1
        if self._next_character() == "]":
            self._at += 1
        else:
            end = ","
            while end == ",":
                self._number += 1
                entry, end = self._entry()
                yield entry.encode(errors=self._errors) + b"\n"
        if self._next_character():
            raise self._fail("text behind the end of the array")

    def _entry(self) -> tuple[str, str]:
        """The entry that comes next, without line breaks, and whether a comma or the end of the array follows."""
        parts: list[str] = []
        depth, begin, size = 0, self._at, 0
        while True:
            found = _TOKEN.search(self._text, self._at)
            if found is None or found[0] == '"':
                if self._final:
                    raise self._fail("the array is cut short")
                cut = len(self._text) if found is None else found.start()
                parts.append(self._text[begin:cut])
                size += cut - begin
                self._text = self._text[cut:] + self._more()
                begin = self._at = 0
                if size + len(self._text) > LONGEST_ROW:
                    raise self._fail(f"longer than {LONGEST_ROW >> 20} MiB")
                continue
            token = found[0]
            if token in ",]" and depth == 0:
                parts.append(self._text[begin : found.start()])
                self._at = found.end()
                return self._joined(parts), token
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token, 0)
            if depth < 0:
                raise self._fail("a brace that nothing opens")
            if token[0] == '"':
                if "\n" in token or "\r" in token:
                    raise self._fail("a line break inside a text; write \\n")
                parts += [self._text[begin : found.start()], token]
                begin = found.end()
            self._at = found.end()

    def _joined(self, parts: list[str]) -> str:
        """An entry on one line: only white space outside of texts is changed."""
        entry = "".join(part if part.startswith('"') else _BREAKS.sub(" ", part) for part in parts).strip(" \t\r\n")
        if not entry:
            raise self._fail("nothing stands there; a comma too many?")
        return entry

    def _next_character(self) -> str:
        """The next character that is no white space, which is passed over; empty at the end."""
        while True:
            rest = self._text[self._at :].lstrip(" \t\r\n")
            if rest or self._final:
                self._text, self._at = rest, 0
                return rest[:1]
            self._text, self._at = self._more(), 0

    def _more(self) -> str:
        part = self._stream.read(_READ_BYTES)
        self._final = not part
        self._seen += len(part)
        try:
            return self._decoder.decode(part, self._final)
        except UnicodeDecodeError as error:
            at = self._seen - len(error.object) + error.start
            raise MalformedText(f"{self._path}: byte {at} is not UTF-8", path=self._path, fault="encoding") from None

    def _fail(self, what: str) -> DataError:
        return DataError(f"{self._path}: entry {self._number}: {what}")


class _Json(JsonLinesFormat):
    name = "json"
    endings = (".json",)
    written = False
    proof = ""
    begin = Format.begin
    open_sink = Format.open_sink

    def evidence(self, first_bytes: bytes) -> Evidence:
        return 2 if re.match(rb"\s*\[\s*[{\]]", first_bytes.removeprefix(codecs.BOM_UTF8)) else 0

    def look(self, stamps: Sequence[Stamp], options: ReadOptions) -> Contents:
        for stamp in stamps:
            if not _beginning(stamp, options).startswith((b"[", b"{")):
                raise DataError(f"{stamp.path}: neither an array of objects nor an object a line")
        return super().look(stamps, options)

    def lines(self, stamps: Sequence[Stamp], options: ReadOptions) -> JsonLines:
        arrays = [_is_array(_beginning(stamp, options)) for stamp in stamps]
        # Of what is still to come nobody knows; entries may be lines, too.
        return (JsonEntries if any(arrays) or not stamps else JsonLines)(options.dialect.encoding)


FORMAT = _Json()
