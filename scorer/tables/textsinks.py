"""Tables out as text: CSV, TSV and JSON lines, UTF-8 with LF line ends.

Quotes are put here. What a value says as text is in `rendering`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Final, Protocol, TypeVar

import numpy as np
import pyarrow as pa

from scorer.errors import DataError, shown
from scorer.tables import compute as pc
from scorer.tables.dictionaries import decoded
from scorer.tables.json_lines import no_constant, with_members
from scorer.tables.rendering import IN_LINE, LINE, json_text, json_values, text_of
from scorer.tables.streams import Compression, Output

Values = TypeVar("Values")

_ROWS: Final = 8192
_BOM: Final = "\ufeff"


class _Writer(Protocol):
    def write(self, data: object) -> object: ...

    def close(self) -> None: ...


class _TextSink:
    """What both text sinks share: the compressed stream and its end."""

    def __init__(self, output: Output, schema: pa.Schema, compression: Compression | None) -> None:
        self._output = output
        self._schema = schema
        with output.errors():
            raw = pa.PythonFile(output.watched, mode="w")
            self._stream: _Writer = pa.CompressedOutputStream(raw, compression) if compression else raw

    def write(self, table: pa.Table) -> None:
        with self._output.errors():
            for begin in range(0, table.num_rows, _ROWS):
                self._stream.write(self._text(table.slice(begin, _ROWS)))

    def close(self, metadata: Mapping[str, str]) -> None:  # noqa: ARG002 - text has no place for metadata
        with self._output.errors():
            self._stream.close()
            self._output.finish()

    def abort(self) -> None:
        self._output.abandon(self._stream.close)

    def _text(self, table: pa.Table) -> pa.Buffer | bytes:
        raise NotImplementedError


class DelimitedSink(_TextSink):
    """RFC 4180 with LF: null is an unquoted empty field, empty text is `""`, quotes stand only where they must.

    In a one-column file a null is an empty line, which reads back as empty text.
    """

    def __init__(self, output: Output, schema: pa.Schema, compression: Compression | None, *, delimiter: str) -> None:
        super().__init__(output, schema, compression)
        self._delimiter = delimiter
        self._special = f'["\\r\\n{delimiter}]'
        header = self._quoted(pa.array(schema.names, pa.string())).to_pylist()
        if header[0].startswith(_BOM):
            header[0] = f'"{header[0]}"'  # else the mark would be taken for the file's
        with output.errors():
            self._stream.write((delimiter.join(header) + "\n").encode())

    def _text(self, table: pa.Table) -> pa.Buffer:
        fields = [
            self._quoted(pa.concat_arrays(_named(field.name, partial(_large_text, field=field), column)))
            for column, field in zip(table.columns, self._schema, strict=True)
        ]
        null = pa.scalar("", pa.large_string())
        rows = pc.binary_join_element_wise(
            *fields, pa.scalar(self._delimiter, pa.large_string()), null_handling="replace", null_replacement=""
        )
        lines = pc.binary_join_element_wise(rows, pa.scalar("\n", pa.large_string()), null)
        return _contents(lines)

    def _quoted(self, values: pa.Array) -> pa.Array:
        needed = pc.or_(pc.match_substring_regex(values, self._special), pc.equal(pc.binary_length(values), 0))
        if not pc.any(needed).as_py():
            return values
        quote = pa.scalar('"', values.type)
        inner = pc.replace_substring(values, '"', '""')
        return pc.if_else(needed, pc.binary_join_element_wise(quote, inner, quote, pa.scalar("", values.type)), values)


class JsonLinesSink(_TextSink):
    """One compact object a line with every column as a key, null or not; a column of JSON text is put in as it is.

    Where a column holds the rows' own lines, each line is that one, and behind its keys those of the other columns.
    """

    def __init__(self, output: Output, schema: pa.Schema, compression: Compression | None) -> None:
        super().__init__(output, schema, compression)
        self._line = next((at for at, field in enumerate(schema) if LINE in (field.metadata or {})), None)
        inside = {at for at, field in enumerate(schema) if IN_LINE in (field.metadata or {})}
        self._added = [at for at in range(len(schema)) if at != self._line and at not in inside]
        self._spelt = any(field.type == pa.json_() for field in schema)

    def _text(self, table: pa.Table) -> bytes:
        columns = [table.column(at) for at in self._added]
        names = [table.column_names[at] for at in self._added]
        objects = self._objects(names, columns)
        if self._line is not None:
            lines = table.column(self._line).to_pylist()
            objects = (with_members(line, added) for line, added in zip(lines, objects, strict=True))
        return "".join(f"{line}\n" for line in objects).encode()

    def _objects(self, names: list[str], columns: list[pa.ChunkedArray]) -> Iterator[str]:
        """The rows of `columns` as JSON."""
        if not self._spelt:
            values = (
                chain.from_iterable(_named(name, json_values, column))
                for name, column in zip(names, columns, strict=True)
            )
            rows = zip(*values, strict=True)
            return (json_text(dict(zip(names, row, strict=True))) for row in rows)
        keys = [json_text(name) for name in names]
        texts = [_spelt(name, column) for name, column in zip(names, columns, strict=True)]
        return (
            "{" + ",".join(f"{key}:{value}" for key, value in zip(keys, row, strict=True)) + "}"
            for row in zip(*texts, strict=True)
        )


def _large_text(array: pa.Array, field: pa.Field) -> pa.Array:
    return text_of(array, field).cast(pa.large_string())


def _named(name: str, work: Callable[[pa.Array], Values], column: pa.ChunkedArray) -> list[Values]:
    """`work` of the values of each chunk of `column`; a DataError says which column it is."""
    try:
        return [work(chunk) for chunk in _chunks(column)]
    except DataError as error:
        raise DataError(f"column {shown(name)}: {error}") from error


def _spelt(name: str, column: pa.ChunkedArray) -> list[str]:
    """The values of `column` as JSON; DataError where one of a column of JSON is none."""
    if column.type != pa.json_():
        return [json_text(value) for values in _named(name, json_values, column) for value in values]
    try:
        return [_one_line(value) for chunk in _chunks(column) for value in chunk.storage.to_pylist()]
    except ValueError as error:
        raise DataError(
            f"column {shown(name)}: its type says JSON, and a value is none; write Parquet or Arrow"
        ) from error


def _one_line(text: str | None) -> str:
    if text is None:
        return "null"
    json.loads(text, parse_constant=no_constant)
    return text.replace("\n", " ").replace("\r", " ")


def _chunks(column: pa.ChunkedArray) -> list[pa.Array]:
    """The chunks of `column`, which cannot be joined where dictionaries have more values than an index counts.

    ArrowInvalid when a string is not UTF-8, which text cannot hide.
    """
    dictionary = pa.types.is_dictionary(column.type)
    chunks = [decoded(chunk) if dictionary else chunk for chunk in column.chunks]
    for chunk in chunks:
        chunk.validate(full=True)
    return chunks


def _contents(lines: pa.Array) -> pa.Buffer:
    """The bytes of all values of a large_string array, one after the other."""
    _, offsets, data = lines.buffers()
    bounds = np.frombuffer(offsets, np.int64)[lines.offset : lines.offset + len(lines) + 1]
    return data.slice(int(bounds[0]), int(bounds[-1] - bounds[0]))
