"""JSON lines: one object a line, read twice, once to unify the types of each key, once to give the rows.

Owns the strictness: a line is one object with distinct keys, in UTF-8; `NaN` and `Infinity` are no JSON; integers fit
64 bits. A key that a line does not have is null there. A line of white space only holds no row and is passed over.
Integers and decimals mix to float64; any other mixture of types in one column is an error that names the line. Strings
stay strings whatever they look like.

With rejects, a line that breaks these rules by itself goes there; a mixture of types is an error all the same, because
no line alone is to blame for it.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple, NoReturn

import pyarrow as pa

from scorer.errors import DataError
from scorer.stores.stamp import Stamp
from scorer.tables.formats import LONGEST_ROW, compression_of
from scorer.tables.reader import Reader, check_names, check_types
from scorer.tables.rejects import Malformed, Reject, Rejects, forget
from scorer.tables.streams import ByteStream, open_bytes

_READ_BYTES: Final = 1 << 20
_NULL: Final = pa.null()


class Line(NamedTuple):
    """An object, with the number of its line (from 1) and the bytes of that line."""

    number: int
    row: dict[str, Any]
    raw: bytes


class _Mixed(Exception):
    """Two types that no column can hold at once."""


def read_header(stamp: Stamp, *, lenient: bool = False) -> tuple[str, ...]:
    """The keys of the first MiB of lines, in order of appearance; later lines may bring more.

    A malformed line is a DataError, unless `lenient`: then it has no say.
    """
    with open_bytes(stamp.path, compression_of(stamp.path)) as stream:
        first = next((chunk for chunk, _ in _chunks(stream, stamp, lenient=lenient) if chunk), [])
    return tuple(dict.fromkeys(key for line in first for key in line.row))


class JsonLinesReader(Reader):
    """The rows of JSON lines files. Making one reads them whole.

    A malformed line is a DataError, or goes into `rejects` and is no row.
    """

    def __init__(self, stamps: Sequence[Stamp], text_columns: Sequence[str], rejects: Rejects | None = None) -> None:
        super().__init__(stamps, text_columns)
        self._reject: Reject | None = forget if rejects else None
        self._types: dict[str, pa.DataType] = {}
        self.rows = 0
        for stamp in self._stamps:
            for chunk in _file_chunks(stamp, rejects.add if rejects else None, rows=self.rows):
                self.rows += len(chunk)
                self._see(chunk, stamp)
        if not self.rows:
            raise DataError(f"{self._stamps[0].path}: no line holds an object; expected one JSON object a line")
        where = str(self._stamps[0].path)
        check_names(tuple(self._types), self.text_columns, where=where)
        types = {name: pa.string() if kind == _NULL else kind for name, kind in self._types.items()}
        self.schema = pa.schema(list(types.items()))
        check_types(self.schema, self.text_columns, where=where)

    def _see(self, chunk: list[Line], stamp: Stamp) -> None:
        for name in dict.fromkeys(key for line in chunk for key in line.row):
            known = self._types.get(name, _NULL)
            try:
                self._types[name] = unify(known, pa.array([line.row.get(name) for line in chunk]).type)
            except (_Mixed, pa.ArrowException, OverflowError, UnicodeEncodeError):
                _refuse(chunk, name, known, stamp)

    def _pieces(self) -> Iterator[pa.Table]:
        for stamp in self._stamps:
            for chunk in _file_chunks(stamp, self._reject):
                columns = [self._column(chunk, field, stamp) for field in self.schema]
                yield pa.Table.from_arrays(columns, schema=self.schema)

    def _column(self, chunk: list[Line], field: pa.Field, stamp: Stamp) -> pa.Array:
        values = [line.row.get(field.name) for line in chunk]
        try:
            return pa.array(values, field.type)
        except (pa.ArrowException, OverflowError, TypeError):
            self.check_unchanged()
            _refuse(chunk, field.name, field.type, stamp)


def unify(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """The type that holds the values of both; raises `_Mixed` if there is none."""
    if one == other or other == _NULL:
        return one
    if one == _NULL:
        return other
    if {one, other} == {pa.int64(), pa.float64()}:
        return pa.float64()
    if pa.types.is_list(one) and pa.types.is_list(other):
        return pa.list_(unify(one.value_type, other.value_type))
    if pa.types.is_struct(one) and pa.types.is_struct(other):
        fields = {field.name: field.type for field in one}
        for field in other:
            fields[field.name] = unify(fields.get(field.name, _NULL), field.type)
        return pa.struct(list(fields.items()))
    raise _Mixed


def _refuse(chunk: list[Line], name: str, known: pa.DataType, stamp: Stamp) -> NoReturn:
    """Find the first line whose value does not go with those before it."""
    for number, row, _ in chunk:
        where = f"{stamp.path}: line {number}: column {name!r}"
        kind = known
        try:
            kind = pa.array([row.get(name)]).type
            known = unify(known, kind)
            pa.array([row.get(name)], known)
        except _Mixed:
            raise DataError(f"{where} is {kind} here and {known} before; give it one type in every line") from None
        except OverflowError:
            raise DataError(f"{where}: an integer beyond 64 bits; write it as a string") from None
        except UnicodeEncodeError:
            raise DataError(f"{where}: a text with an unpaired surrogate, which UTF-8 cannot hold") from None
        except (pa.ArrowException, TypeError):
            raise DataError(f"{where}: a value that no column of {known} can hold exactly") from None
    raise DataError(
        f"{stamp.path}: column {name!r}, lines {chunk[0].number} to {chunk[-1].number}: its values do not go together"
    )


def _file_chunks(stamp: Stamp, reject: Reject | None, *, rows: int = 0) -> Iterator[list[Line]]:
    """The lines that columns can hold, about a MiB of text at a time; `rows` are those of earlier files."""
    with open_bytes(stamp.path, compression_of(stamp.path)) as stream:
        for chunk, malformed in _chunks(stream, stamp, lenient=reject is not None):
            kept = chunk
            if reject is not None:
                if not _holdable(chunk):
                    kept = [line for line in chunk if _holdable([line])]
                    malformed += _unholdable(chunk, kept, stamp)
                for record in sorted(malformed, key=lambda record: record.line):
                    before = bisect_left(kept, record.line, key=lambda line: line.number)
                    reject(replace(record, rows=rows + before))
            rows += len(kept)
            if kept:
                yield kept


def _chunks(stream: ByteStream, stamp: Stamp, *, lenient: bool) -> Iterator[tuple[list[Line], list[Malformed]]]:
    """Parsed lines, about a MiB of text at a time, and beside them the malformed ones if `lenient`."""
    number = offset = 0
    for text in _whole_lines(stream, stamp):
        chunk: list[Line] = []
        malformed: list[Malformed] = []
        for raw in _split(text):
            number += 1
            try:
                row = _parsed(raw, first=number == 1)
            except ValueError as error:
                reason = _reason(error, offset)
                if not lenient:
                    raise DataError(f"{stamp.path}: line {number}: {reason}") from None
                malformed.append(Malformed(stamp.path, number, number, reason, raw))
            else:
                if row is not None:
                    chunk.append(Line(number, row, raw))
            offset += len(raw)
        if chunk or malformed:
            yield chunk, malformed


def _split(text: bytes) -> Iterator[bytes]:
    """The lines of `text`, ends included."""
    parts = text.split(b"\n")
    yield from (part + b"\n" for part in parts[:-1])
    if parts[-1]:
        yield parts[-1]


def _whole_lines(stream: ByteStream, stamp: Stamp) -> Iterator[bytes]:
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
            raise DataError(f"{stamp.path}: a line longer than {LONGEST_ROW >> 20} MiB; write one object a line")
    if rest := b"".join(held):
        yield rest


def _parsed(raw: bytes, *, first: bool) -> dict[str, Any] | None:
    """The object on a line, None for a blank one; ValueError for a malformed one."""
    text = raw.decode().removesuffix("\n").removeprefix("\ufeff" if first else "")
    if not text.strip(" \t\r"):
        return None
    try:
        value = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_distinct)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError(f"{type(value).__name__} instead of an object; expected {{...}}")
    return value


def _reason(error: ValueError, offset: int) -> str:
    """What is wrong with the line that begins at byte `offset`."""
    if isinstance(error, UnicodeDecodeError):
        return f"byte {offset + error.start} is not UTF-8; convert the file to UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON at character {error.pos + 1} ({error.msg})"
    return str(error)


def _holdable(chunk: list[Line]) -> bool:
    """Whether columns could hold the values of all these lines, which must be so for one line alone."""
    try:
        for name in dict.fromkeys(key for line in chunk for key in line.row):
            pa.array([line.row.get(name) for line in chunk])
    except (pa.ArrowException, OverflowError, UnicodeEncodeError):
        return False
    return True


def _unholdable(chunk: list[Line], kept: list[Line], stamp: Stamp) -> list[Malformed]:
    """The lines of `chunk` that are not `kept`: each has a value that no column can hold."""
    reason = (
        "a value that no column can hold: an integer beyond 64 bits, an unpaired surrogate or a list of several types"
    )
    numbers = {line.number for line in kept}
    lines = (line for line in chunk if line.number not in numbers)
    return [Malformed(stamp.path, line.number, line.number, reason, line.raw) for line in lines]


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON; write null")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return row
