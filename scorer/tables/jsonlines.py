"""JSON lines: one object a line, read twice, once to unify the types of each key, once to give the rows.

Owns the strictness: a line is one object with distinct keys, in UTF-8; `NaN` and `Infinity` are no JSON; integers fit
64 bits. A key that a line does not have is null there. A line of white space only holds no row and is passed over.
Integers and decimals mix to float64; any other mixture of types in one column is an error that names the line. Strings
stay strings whatever they look like.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, NoReturn

import pyarrow as pa

from scorer.errors import DataError
from scorer.tables.formats import compression_of
from scorer.tables.identity import Stamp
from scorer.tables.reader import Reader, check_names, check_types
from scorer.tables.streams import ByteStream, open_bytes

_READ_BYTES: Final = 1 << 20
_LONGEST_LINE: Final = 64 << 20
_NULL: Final = pa.null()

Line = tuple[int, dict[str, Any]]


class _Mixed(Exception):
    """Two types that no column can hold at once."""


def read_header(stamp: Stamp) -> tuple[str, ...]:
    """The keys of the first MiB of lines, in order of appearance; later lines may bring more."""
    with open_bytes(stamp.path, compression_of(stamp.path)) as stream:
        first = next(_chunks(stream, stamp), [])
    return tuple(dict.fromkeys(key for _, row in first for key in row))


class JsonLinesReader(Reader):
    """The rows of JSON lines files. Making one reads them whole; DataError with the line for anything malformed."""

    def __init__(self, stamps: Sequence[Stamp], text_columns: Sequence[str]) -> None:
        super().__init__(stamps, text_columns)
        self._types: dict[str, pa.DataType] = {}
        self.rows = 0
        for stamp in self._stamps:
            for chunk in _file_chunks(stamp):
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
        for name in dict.fromkeys(key for _, row in chunk for key in row):
            known = self._types.get(name, _NULL)
            try:
                self._types[name] = unify(known, pa.array([row.get(name) for _, row in chunk]).type)
            except (_Mixed, pa.ArrowException, OverflowError, UnicodeEncodeError):
                _refuse(chunk, name, known, stamp)

    def _pieces(self) -> Iterator[pa.Table]:
        for stamp in self._stamps:
            for chunk in _file_chunks(stamp):
                columns = [self._column(chunk, field, stamp) for field in self.schema]
                yield pa.Table.from_arrays(columns, schema=self.schema)

    def _column(self, chunk: list[Line], field: pa.Field, stamp: Stamp) -> pa.Array:
        values = [row.get(field.name) for _, row in chunk]
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
    for number, row in chunk:
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
        f"{stamp.path}: column {name!r}, lines {chunk[0][0]} to {chunk[-1][0]}: its values do not go together"
    )


def _file_chunks(stamp: Stamp) -> Iterator[list[Line]]:
    with open_bytes(stamp.path, compression_of(stamp.path)) as stream:
        yield from _chunks(stream, stamp)


def _chunks(stream: ByteStream, stamp: Stamp) -> Iterator[list[Line]]:
    """Parsed lines with their numbers (from 1), about a MiB of text at a time."""
    number = offset = 0
    for text in _whole_lines(stream, stamp):
        chunk: list[Line] = []
        for line in _decoded(text, offset, stamp).split("\n"):
            number += 1
            if line.strip(" \t\r"):
                chunk.append((number, _parsed(line, number, stamp)))
        number -= text.endswith(b"\n")  # what follows the last line end is the next text
        offset += len(text)
        if chunk:
            yield chunk


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
        if size > _LONGEST_LINE:
            raise DataError(f"{stamp.path}: a line longer than {_LONGEST_LINE >> 20} MiB; write one object a line")
    if rest := b"".join(held):
        yield rest


def _decoded(text: bytes, offset: int, stamp: Stamp) -> str:
    if offset == 0:
        text = b"   " + text[3:] if text.startswith(b"\xef\xbb\xbf") else text
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        at = offset + error.start
        raise DataError(f"{stamp.path}: byte {at} is not UTF-8; convert the file to UTF-8") from None


def _parsed(line: str, number: int, stamp: Stamp) -> dict[str, Any]:
    where = f"{stamp.path}: line {number}"
    try:
        value = json.loads(line, parse_constant=_no_constant, object_pairs_hook=_distinct)
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not JSON at character {error.pos + 1} ({error.msg})") from None
    except RecursionError:
        raise DataError(f"{where}: nested too deeply") from None
    except ValueError as error:
        raise DataError(f"{where}: {error}") from None
    if not isinstance(value, dict):
        raise DataError(f"{where}: {type(value).__name__} instead of an object; expected {{...}}")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON; write null")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return row
