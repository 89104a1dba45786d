"""JSON lines while they arrive: each row is its line, as it stands, beside the texts in it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain
from typing import Final

import pyarrow as pa

from scorer.config import WINDOW_ROWS
from scorer.errors import ConfigError, DataError, ScorerError, UsageError, shown
from scorer.tables.arrivals import Arriving
from scorer.tables.json_lines import JsonLines, Lenient, Line, line_schema, members
from scorer.tables.live import LiveReader
from scorer.tables.reader import check_names
from scorer.tables.rejects import Malformed, Rejects
from scorer.tables.shapes import Kinds

SCALARS: Final = frozenset({"a number", "true or false"})
"""What a column of texts may hold instead: it is read as it is spelt, as in CSV."""


class LiveJsonLines(LiveReader):
    """Lines for an output of JSON lines, which get `appended` keys. `names` are the keys of those that came first."""

    def __init__(
        self, arriving: Arriving, lines: JsonLines, *, appended: Collection[str], rejects: Rejects | None = None
    ) -> None:
        super().__init__(arriving)
        self._appended = tuple(appended)
        self._reject = rejects.add if rejects is not None else None
        lenient = Lenient(self._reject, Kinds(())) if self._reject is not None else None
        self._chunks = lines.arriving(arriving, self.path, lenient)
        self._first = next(self._chunks, [])
        if not self._first:
            raise DataError(f"{self.path}: no line holds an object; expected one JSON object a line")
        self._names = tuple(dict.fromkeys(key for line in self._first for key in line.row))
        self._kinds = Kinds(())

    @property
    def names(self) -> tuple[str, ...]:
        return self._names

    def settle(self, text_columns: tuple[str, ...]) -> None:
        self.text_columns = text_columns
        self.schema = line_schema([pa.field(name, pa.string()) for name in dict.fromkeys(text_columns)])
        self._kinds = Kinds(text_columns)

    def pieces(self) -> Iterator[pa.Table]:
        missing = set(self.text_columns)
        seen = rows = 0
        for chunk in chain([self._first], self._chunks):
            missing -= {name for name in missing if any(name in line.row for line in chunk)}
            seen += len(chunk)
            if missing and seen > WINDOW_ROWS:
                self._refuse_missing(missing)
            sound, failure = self._sound(chunk, rows)
            if sound:
                yield self._table(sound)
            if failure is not None:
                raise failure
            rows += len(sound)
        self._refuse_missing(missing)

    def _refuse_missing(self, missing: Collection[str]) -> None:
        """UsageError where no line has had a text: its column has another name."""
        check_names(self._names, sorted(missing), where=str(self.path))

    def _sound(self, chunk: list[Line], rows: int) -> tuple[list[Line], ScorerError | None]:
        """The lines of `chunk`, which so many `rows` came before, as far as the first that is wrong, and the error."""
        sound: list[Line] = []
        for line in chunk:
            if (failure := self._wrong(line)) is not None:
                return sound, failure
            if (reason := self._kinds.refuse(line.row)) is None:
                sound.append(line)
            elif self._reject is not None:
                data = f"{line.text}\n".encode()
                self._reject(Malformed(self.path, line.number, line.number, reason, data, rows + len(sound)))
            else:
                what = f"{reason}; give it one type in every line, or say --rejects FILE to set such lines aside"
                return sound, DataError(f"{self.path}: line {line.number}: {what}")
        return sound, None

    def _wrong(self, line: Line) -> ScorerError | None:
        """The error where no line of an input like this may be."""
        for name in self._appended:
            if name in line.row:
                what = f"the input has a column {name!r} already; --prefix names the new columns apart"
                return UsageError(f"{self.path}: line {line.number}: {what}")
        for name in self.text_columns:
            if isinstance(line.row.get(name), dict | list):
                what = "an object or a list, not text; name a column of strings"
                return ConfigError(f"{self.path}: line {line.number}: column {shown(name)} is {what}")
        return None

    def _table(self, lines: list[Line]) -> pa.Table:
        texts = [_texts(lines, name) for name in dict.fromkeys(self.text_columns)]
        return pa.Table.from_arrays([pa.array([line.text for line in lines], pa.string()), *texts], schema=self.schema)


def _texts(lines: list[Line], name: str) -> pa.Array:
    """The texts of `lines` in the column `name`; numbers, or true and false, as they are spelt."""
    values = [line.row.get(name) for line in lines]
    for place, value in enumerate(values):
        if value is not None and type(value) is not str:
            values[place] = members(lines[place].text)[name]
    return pa.array(values, pa.string())
