"""The lines of JSON files as objects, by strict rules: a line is one object with distinct keys, in UTF-8; `NaN` and
`Infinity` are no JSON. A line of white space only is passed over.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

import pyarrow as pa

from scorer.errors import DataError
from scorer.stores.fingerprints import Stamp
from scorer.tables.encodings import MalformedText, open_text, what_is_wrong
from scorer.tables.rejects import Malformed, Reject
from scorer.tables.rendering import IN_LINE, LINE
from scorer.tables.shapes import WORDS, Kinds, Number
from scorer.tables.streams import LONGEST_ROW, ByteStream

_READ_BYTES: Final = 1 << 20
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_DECODER: Final = json.JSONDecoder()


class Line(NamedTuple):
    """An object, with the number of its line (from 1) and the text of that line, without the white space around it."""

    number: int
    row: dict[str, Any]
    text: str


@dataclass(frozen=True)
class Lenient:
    """What becomes of malformed lines that are no error, and the `kinds` that the values of all others have."""

    reject: Reject
    kinds: Kinds


@dataclass(frozen=True)
class JsonLines:
    """How lines are got out of files in `encoding`, as Python calls it; None is UTF-8."""

    encoding: str | None = None

    unit = "line"
    """What a line is called in messages."""

    def open(self, path: Path, *, lenient: bool = False) -> AbstractContextManager[ByteStream]:
        """The lines of the file `path`, in UTF-8; if `lenient`, those that are none in the file are none here."""
        return open_text(path, self.encoding, lenient=lenient)

    def keys(self, stamp: Stamp, *, lenient: bool = False) -> tuple[str, ...]:
        """The keys of the first MiB of lines, in order of appearance; later lines may bring more.

        A malformed line is a DataError, unless `lenient`: then it has no say.
        """
        with self.open(stamp.path, lenient=lenient) as stream:
            kinds = Kinds(()) if lenient else None
            first = next((chunk for chunk, _ in self._chunks(stream, stamp.path, kinds=kinds) if chunk), [])
        return tuple(dict.fromkeys(key for line in first for key in line.row))

    def chunks(
        self, stamp: Stamp, lenient: Lenient | None, *, rows: int = 0, known: bool = False
    ) -> Iterator[list[Line]]:
        """The sound lines, about a MiB of text at a time; `rows` are those of earlier files, and all are `known` to be
        sound where they were read before."""
        with self.open(stamp.path, lenient=lenient is not None) as stream:
            kinds = lenient.kinds if lenient is not None else None
            parsed = self._chunks(stream, stamp.path, kinds=kinds, known=known)
            yield from _sound(parsed, lenient, rows=rows)

    def arriving(self, stream: ByteStream, path: Path, lenient: Lenient | None) -> Iterator[list[Line]]:
        """The sound lines of a `stream` called `path` that gives what there is, nothing at its end alone: as many at a
        time as arrived. Those before a malformed one come before the error."""
        kinds = lenient.kinds if lenient is not None else None
        return _sound(self._chunks(stream, path, kinds=kinds, prompt=True), lenient)

    def _chunks(
        self, stream: ByteStream, path: Path, *, kinds: Kinds | None, known: bool = False, prompt: bool = False
    ) -> Iterator[tuple[list[Line], list[Malformed]]]:
        """Parsed lines, about a MiB of text at a time, and beside them the malformed ones and those with values of
        other `kinds`; without kinds, a malformed line is an error. If it is `prompt`, the lines before that come
        first."""
        number = offset = 0
        for text in self._whole_lines(stream, path):
            chunk: list[Line] = []
            malformed: list[Malformed] = []
            for raw in _split(text):
                number += 1
                try:
                    line = _parsed(raw, number, known=known)
                    if line is not None and kinds is not None and (reason := kinds.refuse(line.row)) is not None:
                        raise ValueError(reason)
                except ValueError as error:
                    reason = self._reason(error, offset)
                    if kinds is None:
                        if prompt and chunk:
                            yield chunk, []
                        raise self._refusal(f"{path}: {self.unit} {number}: {reason}", error, path) from None
                    found = Malformed(path, number, number, reason, raw)
                    malformed.append(found.in_encoding(self.encoding))
                else:
                    if line is not None:
                        chunk.append(line)
                offset += len(raw)
            if chunk or malformed:
                yield chunk, malformed

    def _reason(self, error: ValueError, offset: int) -> str:
        """What is wrong with the line that begins at byte `offset`."""
        if isinstance(error, UnicodeDecodeError):
            return self._not_text(error, offset)
        if isinstance(error, json.JSONDecodeError):
            hint = _hint(error, first=not offset)
            return f"not JSON at character {error.pos + 1} ({error.msg}){hint}"
        return str(error)

    def _not_text(self, error: UnicodeDecodeError, offset: int | None) -> str:
        """What is wrong with a line that is not UTF-8; a made one begins at no known `offset`."""
        return what_is_wrong(error.object, error.start, encoding=self.encoding, offset=offset)

    def _refusal(self, message: str, error: ValueError, path: Path) -> DataError:
        if not isinstance(error, UnicodeDecodeError):
            return DataError(message)
        return MalformedText(message, path=path, fault="encoding")

    def _whole_lines(self, stream: ByteStream, path: Path) -> Iterator[bytes]:
        """The file in texts of about a MiB that end with a line end, the last perhaps without."""
        held: list[bytes] = []
        size = 0
        while part := stream.read(_READ_BYTES):
            end = part.rfind(b"\n") + 1
            if end:
                yield b"".join([*held, part[:end]])
                held, size = [part[end:]], len(part) - end
                continue
            held.append(part)
            size += len(part)
            if size > LONGEST_ROW:
                raise DataError(f"{path}: a line longer than {LONGEST_ROW >> 20} MiB; write one object a line")
        if rest := b"".join(held):
            yield rest


def _sound(
    parsed: Iterator[tuple[list[Line], list[Malformed]]], lenient: Lenient | None, *, rows: int = 0
) -> Iterator[list[Line]]:
    """The sound lines of those `parsed`, which `rows` came before; the malformed ones are handed over."""
    for chunk, malformed in parsed:
        if lenient is not None:
            for record in malformed:
                before = bisect_left(chunk, record.line, key=lambda line: line.number)
                lenient.reject(replace(record, rows=rows + before))
        rows += len(chunk)
        if chunk:
            yield chunk


def line_schema(fields: Sequence[pa.Field]) -> pa.Schema:
    """The schema of rows that are lines: the line itself, and `fields` that are in it as well."""
    name = "line"
    while name in [field.name for field in fields]:
        name += "_"
    line = pa.field(name, pa.string(), metadata={LINE: b""})
    return pa.schema([line, *(field.with_metadata({IN_LINE: b""}) for field in fields)])


def with_members(line: str, added: str) -> str:
    """The JSON object `line` with the keys of the object `added` behind its own."""
    begin = line[:-1].rstrip(" \t\r")
    return f"{begin}{'' if begin.endswith('{') else ','}{added[1:]}"


def members(line: str) -> dict[str, str]:
    """The JSON text of each value of the object on `line`, which is sound, as it stands there."""
    found = {}
    at = _after_space(line, line.index("{") + 1)
    while line[at] != "}":
        key, at = _DECODER.raw_decode(line, at)
        begin = _after_space(line, _after_space(line, at) + 1)
        _, end = _DECODER.raw_decode(line, begin)
        found[key] = line[begin:end]
        at = _after_space(line, end)
        if line[at] == ",":
            at = _after_space(line, at + 1)
    return found


def _after_space(line: str, at: int) -> int:
    found = _SPACE.match(line, at)
    return found.end() if found else at


def _split(text: bytes) -> Iterator[bytes]:
    """The lines of `text`, ends included."""
    parts = text.split(b"\n")
    yield from (part + b"\n" for part in parts[:-1])
    if parts[-1]:
        yield parts[-1]


def _parsed(raw: bytes, number: int, *, known: bool) -> Line | None:
    """The object on line `number`, None for a blank one; ValueError for a malformed one.

    Its decimals are `Number`s, or floats where the line is `known` to be sound.
    """
    text = raw.decode().removeprefix("\ufeff" if number == 1 else "").strip(" \t\r\n")
    if not text:
        return None
    try:
        if known:
            value = json.loads(text)
        else:
            value = json.loads(text, parse_constant=no_constant, object_pairs_hook=_distinct, parse_float=Number)
        if not isinstance(value, dict):
            raise ValueError(f"{_type_name(value)} instead of an object; expected {{...}}")
        if not known and _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("a text with an unpaired surrogate, which UTF-8 cannot hold") from None
    return Line(number, value, text)


def _hint(error: json.JSONDecodeError, *, first: bool) -> str:
    """What to try where a line is not JSON, the `first` one of a file perhaps."""
    if error.doc.startswith("{'"):
        return "; it is of Python, where texts may have single quotes: write it with json.dumps"
    if first and error.doc.startswith("{") and error.pos >= len(error.doc):
        return "; an object must stand on one line: write them so (jq -c .), or as one array"
    return ""


def _type_name(value: object) -> str:
    return "null" if value is None else WORDS[type(value)]


def no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON; write null")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return row
