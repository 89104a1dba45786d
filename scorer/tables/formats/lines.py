"""Plain text with a text a line, in one column `text`; for reading alone. Nothing in a line is special."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scorer.stores.fingerprints import Stamp
from scorer.tables.arrivals import Arriving
from scorer.tables.dialect import Dialect
from scorer.tables.formats.csv import Delimited, LiveDelimited
from scorer.tables.formats.format import Contents, Evidence, Format, ReadOptions
from scorer.tables.live import LiveReader
from scorer.tables.reader import Reader, check_names

_COLUMN: Final = "text"


class _LiveLines(LiveDelimited):
    def settle(self, text_columns: tuple[str, ...]) -> None:
        check_names(self.names, text_columns, where=str(self.path))
        super().settle((_COLUMN,))


class _Lines(Delimited):
    name = "lines"
    endings = ()
    delimited = False
    written = False
    delimiter = ""
    open_sink = Format.open_sink

    def evidence(self, first_bytes: bytes) -> Evidence:  # noqa: ARG002 - any text may be that; a person must say it
        return 0

    def dialect(self, options: ReadOptions) -> Dialect:
        return Dialect(delimiter="", quotes=False, encoding=options.dialect.encoding, names=(_COLUMN,))

    def open_reader(
        self, stamps: Sequence[Stamp], contents: Contents, text_columns: Sequence[str], options: ReadOptions
    ) -> Reader:
        check_names(contents.names, text_columns, where=str(stamps[0].path))
        return super().open_reader(stamps, contents, (_COLUMN,), options)

    def begin(self, arriving: Arriving, options: ReadOptions) -> LiveReader:
        return _LiveLines(arriving, dialect=self.dialect(options))

    def begins_with_data(self, stamp: Stamp, options: ReadOptions) -> bool:  # noqa: ARG002 - the column has its name
        return False


FORMAT = _Lines()
