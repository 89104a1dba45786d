"""JSON lines: one object a line, read twice, once to find what every column holds, once to give the rows.

The rules are strict: a line is one object with distinct keys, in UTF-8; `NaN` and `Infinity` are no JSON. A line of
white space only holds no row and is passed over. Strings stay strings whatever they look like.

As a table, a key that a line does not have is null there. Integers and decimals mix to float64; any other mixture of
types in one column is an error that names the line. What no type holds exactly is kept as JSON text, in a column of
the type `arrow.json`: see `shapes`.

As lines, for an output of JSON lines, each row is its text columns and the line itself, as it stands in the file. The
fields' metadata say which is which, and `textsinks` puts the line back.

With rejects, a line that breaks these rules goes there. Of two lines whose values are of different kinds it is the
later one.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import pyarrow as pa

from scorer.config import FileFormat
from scorer.errors import DataError
from scorer.stores.fingerprints import Stamp
from scorer.tables.arrivals import Arriving
from scorer.tables.formats.format import Contents, Evidence, Format, ReadOptions, Sink
from scorer.tables.json_lines import JsonLines, Lenient, Line, line_schema, members
from scorer.tables.live import LiveReader
from scorer.tables.live_lines import SCALARS, LiveJsonLines
from scorer.tables.reader import Reader, check_names, check_types, listed
from scorer.tables.rejects import Rejects, forget
from scorer.tables.rendering import LINE
from scorer.tables.shapes import Kinds, Shape
from scorer.tables.streams import Compression, Output
from scorer.tables.texts import is_text
from scorer.tables.textsinks import JsonLinesSink

MOST_COLUMNS: Final = 10_000
"""A table of more columns is refused."""

# Of so many columns and more, at least one value in `_SPARSEST` must be there.
_FEW_COLUMNS: Final = 256
_SPARSEST: Final = 64
# A table made at once has at most so many values.
_CELLS: Final = 1 << 20

_LINES: Final = JsonLines()


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
        lines: JsonLines = _LINES,
    ) -> None:
        super().__init__(stamps, text_columns)
        self._appended = appended
        self._lines = lines
        self._watched = {*(appended or ()), *beside}
        self._having: dict[str, set[Path]] = {name: set() for name in beside}
        self._wanted = None if appended is None else {*text_columns, *beside}
        self._shapes: dict[str, Shape] = {}
        self._first: dict[str, Path] = {}  # the file with the first value of each
        self._names: dict[str, None] = {}  # in order
        self._values = self.rows = 0
        kinds = Kinds(self._wanted)
        self._lenient = Lenient(forget, kinds) if rejects else None
        first = Lenient(rejects.add, kinds) if rejects else None
        for stamp in self._stamps:
            for chunk in lines.chunks(stamp, first, rows=self.rows):
                self.rows += len(chunk)
                self._see(chunk, stamp)
        where = str(self._stamps[0].path)
        if not self.rows:
            raise DataError(f"{where}: no {lines.unit} holds an object; expected one JSON object a {lines.unit}")
        check_names(tuple(self._shapes), self.text_columns, where=where)
        if appended is None:
            self._refuse_sparse()
        words = {name: self._shapes[name].words for name in self.text_columns}
        self._spelt = {name for name in self.text_columns if words[name] and words[name] <= SCALARS}
        fields = {
            name: _field(name, pa.string() if name in self._spelt else shape.type)
            for name, shape in self._shapes.items()
        }
        self.json_columns = tuple(name for name, field in fields.items() if field.type == pa.json_())
        check_types(pa.schema(fields.values()), self.text_columns, where=where)
        if appended is None:
            self.schema = pa.schema(fields.values())
            return
        inside = dict.fromkeys((*self.text_columns, *(name for name in beside if name in fields)))
        self.schema = line_schema([fields[name] for name in inside])

    def with_texts(self, text_columns: Sequence[str]) -> JsonLinesReader | None:
        """A table is the same whichever of its columns are texts, unless one holds numbers; lines are not."""
        check_names(tuple(self._shapes), text_columns, where=str(self._stamps[0].path))
        if self._appended is not None or not all(is_text(self.schema.field(name).type) for name in text_columns):
            return None
        other = copy.copy(self)
        other.text_columns = tuple(text_columns)
        return other

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._names)

    @property
    def lack(self) -> Mapping[str, Collection[Path]]:
        files = {stamp.path for stamp in self._stamps}
        return {name: files - having for name, having in self._having.items() if having}

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
            if name in self._having:
                self._having[name].add(stamp.path)
            if len(self._names) < MOST_COLUMNS or name in self._watched:
                self._names[name] = None
            if self._wanted is not None and name not in self._wanted:
                continue
            shape = self._shapes.setdefault(name, Shape())
            before = shape.words
            shape.see(seen)
            first = self._first.setdefault(name, stamp.path) if shape.words else stamp.path
            if len(shape.words) > 1:
                kinds = Kinds({name}, known={name: min(before)} if before else None)
                there = f", in {first}" if first != stamp.path else ""
                _refuse_mixture(chunk, kinds, where=f"{stamp.path}: {self._lines.unit}", there=there)
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
        for chunk in self._lines.chunks(stamp, self._lenient, known=self._lenient is None):
            for begin in range(0, len(chunk), rows):
                part = chunk[begin : begin + rows]
                if self._lenient is not None:
                    part = [line._replace(row=json.loads(line.text)) for line in part]
                yield pa.Table.from_arrays(self._columns(part, stamp), schema=self.schema)

    def _columns(self, chunk: list[Line], stamp: Stamp) -> list[pa.Array]:
        kept_as_text = self._spelt or (self._appended is None and self.json_columns)
        spelt = [members(line.text) for line in chunk] if kept_as_text else []
        try:
            return [_column(chunk, field, spelt, self._spelt) for field in self.schema]
        except (pa.ArrowException, OverflowError, TypeError) as error:
            # The first pass saw that every value fits, so the file is no longer the one it read.
            self.check_unchanged()
            where = f"{self._lines.unit}s {chunk[0].number} to {chunk[-1].number}"
            raise DataError(f"{stamp.path}: {where}: not what was read before; is the file being written?") from error


def _column(chunk: list[Line], field: pa.Field, spelt: list[dict[str, str]], texts: Collection[str]) -> pa.Array:
    """A column of the lines of `chunk`; those of `texts` hold numbers, or true and false, as they are `spelt`."""
    if field.metadata and LINE in field.metadata:
        return pa.array([line.text for line in chunk], field.type)
    values = [line.row.get(field.name) for line in chunk]
    if field.name not in texts and field.type != pa.json_():
        return pa.array(values, field.type)
    spellings = [None if value is None else row[field.name] for value, row in zip(values, spelt, strict=True)]
    array = pa.array(spellings, pa.string())
    return array if field.name in texts else pa.ExtensionArray.from_storage(field.type, array)


def _field(name: str, kind: pa.DataType | None) -> pa.Field:
    """The field of a column; one of nulls only is of strings, and where no type fits, of JSON text."""
    if kind is None:
        return pa.field(name, pa.json_())
    return pa.field(name, pa.string() if kind == pa.null() else kind)


def _refuse_mixture(chunk: list[Line], kinds: Kinds, *, where: str, there: str) -> NoReturn:
    """Name the first line of which a value is of another kind than those before it, which are `there`."""
    for line in chunk:
        if (reason := kinds.refuse(line.row)) is not None:
            raise DataError(
                f"{where} {line.number}: {reason}{there}; give it one type in every line, or say --rejects FILE to set "
                "such lines aside"
            )
    raise AssertionError("no line has another kind; this is a bug")


class JsonLinesFormat(Format):
    name: FileFormat = "jsonl"
    endings: tuple[str, ...] = (".jsonl", ".ndjson")
    text = True
    proof = "the first line does not open an object with a brace"

    def evidence(self, first_bytes: bytes) -> Evidence:
        return 2 if re.match(rb'\s*\{\s*["}]', first_bytes.removeprefix(b"\xef\xbb\xbf")) else 0

    def look(self, stamps: Sequence[Stamp], options: ReadOptions) -> Contents:
        lines, lenient = self.lines(stamps, options), options.rejects is not None
        headers = (lines.keys(stamp, lenient=lenient) for stamp in stamps)
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
            lines=self.lines(stamps, options),
        )

    def begin(self, arriving: Arriving, options: ReadOptions) -> LiveReader | None:
        """Only as lines, whose keys are nobody's business: the columns of a table are those of all lines."""
        if options.appended is None:
            return None
        return LiveJsonLines(arriving, self.lines((), options), appended=options.appended, rejects=options.rejects)

    def lines(self, stamps: Sequence[Stamp], options: ReadOptions) -> JsonLines:  # noqa: ARG002 - all have lines
        """How the lines are got out of the files."""
        return JsonLines(options.dialect.encoding)

    def open_sink(self, output: Output, schema: pa.Schema, compression: Compression | None) -> Sink:
        return JsonLinesSink(output, schema, compression)


FORMAT = JsonLinesFormat()
