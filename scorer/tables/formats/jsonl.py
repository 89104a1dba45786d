"""JSON lines: one object a line, read twice, once to find what every column holds, once to give the rows.

The rules are strict: a line is one object with distinct keys, in UTF-8; `NaN` and `Infinity` are no JSON. A line of
white space only holds no row and is passed over. Strings stay strings whatever they look like.

As a table, a key that a line does not have is null there. Integers and decimals mix to float64; any other mixture of
types in one column is an error that names the line. What no type holds exactly is kept as JSON text, in a column of
the type `arrow.json`: see `shapes`.

As lines, for an output of JSON lines, each row is its text columns and the line itself, as it stands in the file. The
fields' metadata say which is which, and `textsinks` puts the line back.

With rejects, a line that breaks these rules by itself goes there; a mixture of types is an error all the same, because
no line alone is to blame for it.
"""

from __future__ import annotations

import copy
import json
import re
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple, NoReturn

import pyarrow as pa

from scorer.errors import DataError, shown
from scorer.stores.fingerprints import Stamp
from scorer.tables.encodings import MalformedText, open_text
from scorer.tables.formats.format import Contents, Evidence, Format, ReadOptions
from scorer.tables.reader import Reader, check_names, check_types, listed
from scorer.tables.rejects import Malformed, Reject, Rejects, forget
from scorer.tables.rendering import IN_LINE, LINE
from scorer.tables.shapes import Number, Shape
from scorer.tables.streams import LONGEST_ROW, ByteStream, Compression, Output
from scorer.tables.textsinks import JsonLinesSink

MOST_COLUMNS: Final = 10_000
"""A table of more columns is refused."""

_READ_BYTES: Final = 1 << 20
# Of so many columns and more, at least one value in `_SPARSEST` must be there.
_FEW_COLUMNS: Final = 256
_SPARSEST: Final = 64
# A table made at once has at most so many values.
_CELLS: Final = 1 << 20
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_DECODER: Final = json.JSONDecoder()


class Line(NamedTuple):
    """An object, with the number of its line (from 1) and the text of that line, without the white space around it."""

    number: int
    row: dict[str, Any]
    text: str


def read_header(stamp: Stamp, *, encoding: str | None = None, lenient: bool = False) -> tuple[str, ...]:
    """The keys of the first MiB of lines, in order of appearance; later lines may bring more.

    A malformed line is a DataError, unless `lenient`: then it has no say.
    """
    with open_text(stamp.path, encoding) as stream:
        first = next((chunk for chunk, _ in _chunks(stream, stamp, lenient=lenient) if chunk), [])
    return tuple(dict.fromkeys(key for line in first for key in line.row))


class JsonLinesReader(Reader):
    """The rows of JSON lines files. Making one reads them whole.

    With `appended`, the names of what will stand beside the rows, each row is its line, its text columns and those of
    the columns `beside` that there are; `names` are the keys of the first lines, and whichever of `appended` and
    `beside` any line has. Without, the rows are a table, and `names` its columns. A malformed line is a DataError, or
    goes into `rejects` and is no row.
    """

    def __init__(
        self,
        stamps: Sequence[Stamp],
        text_columns: Sequence[str],
        rejects: Rejects | None = None,
        *,
        appended: Collection[str] | None = None,
        beside: Sequence[str] = (),
        encoding: str | None = None,
    ) -> None:
        super().__init__(stamps, text_columns)
        self._reject: Reject | None = forget if rejects else None
        self._appended = appended
        self._encoding = encoding
        self._watched = {*(appended or ()), *beside}
        self._wanted = None if appended is None else {*text_columns, *beside}
        self._shapes: dict[str, Shape] = {}
        self._names: dict[str, None] = {}  # in order
        self._values = self.rows = 0
        for stamp in self._stamps:
            for chunk in _file_chunks(stamp, rejects.add if rejects else None, encoding, rows=self.rows):
                self.rows += len(chunk)
                self._see(chunk, stamp)
        where = str(self._stamps[0].path)
        if not self.rows:
            raise DataError(f"{where}: no line holds an object; expected one JSON object a line")
        check_names(tuple(self._shapes), self.text_columns, where=where)
        if appended is None:
            self._refuse_sparse()
        fields = {name: _field(name, shape.type) for name, shape in self._shapes.items()}
        self.json_columns = tuple(name for name, field in fields.items() if field.type == pa.json_())
        check_types(pa.schema(fields.values()), self.text_columns, where=where)
        if appended is None:
            self.schema = pa.schema(fields.values())
            return
        inside = dict.fromkeys((*self.text_columns, *(name for name in beside if name in fields)))
        line = pa.field(_free(inside), pa.string(), metadata={LINE: b""})
        self.schema = pa.schema([line, *(fields[name].with_metadata({IN_LINE: b""}) for name in inside)])

    def with_texts(self, text_columns: Sequence[str]) -> JsonLinesReader | None:
        """A table is the same whichever of its columns are texts; lines are not."""
        if self._appended is not None:
            return None
        where = str(self._stamps[0].path)
        check_names(tuple(self._shapes), text_columns, where=where)
        check_types(self.schema, text_columns, where=where)
        other = copy.copy(self)
        other.text_columns = tuple(text_columns)
        return other

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._names)

    @property
    def warnings(self) -> tuple[str, ...]:
        if not self.json_columns or self._appended is not None:
            return ()
        return (
            f"{self._stamps[0].path}: {listed(self.json_columns)}: no type holds every value exactly (objects with "
            "different keys, lists of several types, numbers beyond 64 bits), so the column is kept as JSON text",
        )

    def _see(self, chunk: list[Line], stamp: Stamp) -> None:
        values: dict[str, list[Any]] = {}
        for line in chunk:
            for name, value in line.row.items():
                values.setdefault(name, []).append(value)
        self._values += sum(map(len, values.values()))
        for name, seen in values.items():
            if len(self._names) < MOST_COLUMNS or name in self._watched:
                self._names[name] = None
            if self._wanted is not None and name not in self._wanted:
                continue
            shape = self._shapes.setdefault(name, Shape())
            before = shape.words
            shape.see(seen)
            if len(shape.words) > 1:
                _refuse_mixture(chunk, name, before, stamp)
        if len(self._shapes) > MOST_COLUMNS:
            raise self._too_many(f"more than {MOST_COLUMNS:,} different keys, too many for the columns of a table")

    def _refuse_sparse(self) -> None:
        """DataError for a table that would hold hardly anything but nulls: memory is to grow with the input."""
        columns, rows = len(self._shapes), self.rows or 0
        if columns > _FEW_COLUMNS and columns * rows > _SPARSEST * self._values:
            raise self._too_many(f"{columns:,} different keys in {rows:,} lines of a few each, too many for a table")

    def _too_many(self, what: str) -> DataError:
        return DataError(
            f"{self._stamps[0].path}: {what}; put those that change from line to line into one object, or name an "
            "output of JSON lines (.jsonl), which keeps each line as it is"
        )

    def pieces_of(self, stamp: Stamp) -> Iterator[pa.Table]:
        rows = max(_CELLS // len(self.schema), 1)
        for chunk in _file_chunks(stamp, self._reject, self._encoding, known=self._reject is None):
            for begin in range(0, len(chunk), rows):
                part = chunk[begin : begin + rows]
                if self._reject is not None:
                    part = [line._replace(row=json.loads(line.text)) for line in part]
                yield pa.Table.from_arrays(self._columns(part, stamp), schema=self.schema)

    def _columns(self, chunk: list[Line], stamp: Stamp) -> list[pa.Array]:
        spelt = [members(line.text) for line in chunk] if self._appended is None and self.json_columns else []
        try:
            return [_column(chunk, field, spelt) for field in self.schema]
        except (pa.ArrowException, OverflowError, TypeError) as error:
            # The first pass saw that every value fits, so the file is no longer the one it read.
            self.check_unchanged()
            where = f"lines {chunk[0].number} to {chunk[-1].number}"
            raise DataError(f"{stamp.path}: {where}: not what was read before; is the file being written?") from error


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


def _column(chunk: list[Line], field: pa.Field, spelt: list[dict[str, str]]) -> pa.Array:
    if field.metadata and LINE in field.metadata:
        return pa.array([line.text for line in chunk], field.type)
    values = [line.row.get(field.name) for line in chunk]
    if field.type != pa.json_():
        return pa.array(values, field.type)
    texts = [None if value is None else row[field.name] for value, row in zip(values, spelt, strict=True)]
    return pa.ExtensionArray.from_storage(field.type, pa.array(texts, pa.string()))


def _field(name: str, kind: pa.DataType | None) -> pa.Field:
    """The field of a column; one of nulls only is of strings, and where no type fits, of JSON text."""
    if kind is None:
        return pa.field(name, pa.json_())
    return pa.field(name, pa.string() if kind == pa.null() else kind)


def _free(taken: Collection[str]) -> str:
    """A name for the column of lines that none of the others has."""
    name = "line"
    while name in taken:
        name += "_"
    return name


def _refuse_mixture(chunk: list[Line], name: str, before: set[str], stamp: Stamp) -> NoReturn:
    """Name the first line whose value is of another kind than those before it."""
    known = set(before)
    for line in chunk:
        shape = Shape()
        shape.see([line.row.get(name)])
        if known and shape.words - known:
            here, there = min(shape.words), min(known)
            raise DataError(
                f"{stamp.path}: line {line.number}: column {shown(name)} is {here} here and {there} before; "
                "give it one type in every line"
            )
        known |= shape.words
    raise AssertionError("no line has another kind; this is a bug")


def _file_chunks(
    stamp: Stamp, reject: Reject | None, encoding: str | None, *, rows: int = 0, known: bool = False
) -> Iterator[list[Line]]:
    """The sound lines, about a MiB of text at a time; `rows` are those of earlier files, and all are `known` to be
    sound where they were read before."""
    with open_text(stamp.path, encoding) as stream:
        for chunk, malformed in _chunks(stream, stamp, lenient=reject is not None, known=known):
            if reject is not None:
                for record in malformed:
                    before = bisect_left(chunk, record.line, key=lambda line: line.number)
                    reject(replace(record, rows=rows + before))
            rows += len(chunk)
            if chunk:
                yield chunk


def _chunks(
    stream: ByteStream, stamp: Stamp, *, lenient: bool, known: bool = False
) -> Iterator[tuple[list[Line], list[Malformed]]]:
    """Parsed lines, about a MiB of text at a time, and beside them the malformed ones if `lenient`."""
    number = offset = 0
    for text in _whole_lines(stream, stamp):
        chunk: list[Line] = []
        malformed: list[Malformed] = []
        for raw in _split(text):
            number += 1
            try:
                line = _parsed(raw, number, known=known)
            except ValueError as error:
                reason = _reason(error, offset)
                if not lenient:
                    message = f"{stamp.path}: line {number}: {reason}"
                    if not isinstance(error, UnicodeDecodeError):
                        raise DataError(message) from None
                    raise MalformedText(message, path=stamp.path, fault="encoding") from None
                malformed.append(Malformed(stamp.path, number, number, reason, raw))
            else:
                if line is not None:
                    chunk.append(line)
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
            value = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_distinct, parse_float=Number)
        if not isinstance(value, dict):
            raise ValueError(f"{_type_name(value)} instead of an object; expected {{...}}")
        if not known and _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("a text with an unpaired surrogate, which UTF-8 cannot hold") from None
    return Line(number, value, text)


def _type_name(value: object) -> str:
    return "a number" if isinstance(value, Number) else type(value).__name__


def _reason(error: ValueError, offset: int) -> str:
    """What is wrong with the line that begins at byte `offset`."""
    if isinstance(error, UnicodeDecodeError):
        return f"byte {offset + error.start} is not UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON at character {error.pos + 1} ({error.msg})"
    return str(error)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON; write null")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return row


class _JsonLines(Format):
    name = "jsonl"
    endings = (".jsonl", ".ndjson")
    text = True
    proof = "the first line does not open an object with a brace"

    def evidence(self, first_bytes: bytes) -> Evidence:
        return 2 if re.match(rb'\s*\{\s*["}]', first_bytes.removeprefix(b"\xef\xbb\xbf")) else 0

    def look(self, stamps: Sequence[Stamp], options: ReadOptions) -> Contents:
        encoding, lenient = options.dialect.encoding, options.rejects is not None
        headers = (read_header(stamp, encoding=encoding, lenient=lenient) for stamp in stamps)
        return Contents(tuple(dict.fromkeys(name for header in headers for name in header)))

    def open_reader(
        self,
        stamps: Sequence[Stamp],
        contents: Contents,  # noqa: ARG002 - only reading tells the columns
        text_columns: Sequence[str],
        options: ReadOptions,
    ) -> Reader:
        return JsonLinesReader(
            stamps,
            text_columns,
            options.rejects,
            appended=options.appended,
            beside=options.beside,
            encoding=options.dialect.encoding,
        )

    def open_sink(self, output: Output, schema: pa.Schema, compression: Compression | None) -> JsonLinesSink:
        return JsonLinesSink(output, schema, compression)


FORMAT = _JsonLines()
