"""How text files are written, as far as a person says it: format, delimiter, quotes, encoding, header."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Protocol

from scorer.config import FileFormat
from scorer.errors import UsageError
from scorer.tables.delimited_columns import HasHeader, Kind, given_names, said_types
from scorer.tables.encodings import encoding_named

COMMON_DELIMITERS: Final = (",", ";", "\t", "|")
_WORDS: Final = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|", "space": " "}
_SHOWN: Final = {"\t": "tab"}
_NO_BYTE: Final = -1


class HasDialect(HasHeader, Protocol):
    """A configuration that says how files are written."""

    @property
    def input_format(self) -> FileFormat | None: ...

    @property
    def delimiter(self) -> str | None: ...

    @property
    def quote(self) -> str: ...

    @property
    def encoding(self) -> str | None: ...

    @property
    def sheet(self) -> str | None: ...


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How files are written; None is what nobody said.

    format     of all files, whatever their endings
    delimiter  between fields: a character of ASCII, or none at all where it is empty
    usual      the delimiter where nobody names one
    quotes     whether a field may stand in quotes (RFC 4180); else a quote is a character like any other
    encoding   as Python calls it; None is UTF-8
    names      those of the columns of files without a header, see `delimited_columns.given_names`
    sheet      of a workbook
    types      of columns, by their names; others are found by looking, or are text
    """

    format: FileFormat | None = None
    delimiter: str | None = None
    usual: str = ","
    quotes: bool = True
    encoding: str | None = None
    names: tuple[str, ...] | None = None
    sheet: str | None = None
    types: tuple[tuple[str, Kind | None], ...] = ()

    @classmethod
    def of(cls, config: HasDialect, *, types: str | None = None) -> Dialect:
        """What `config` says, and `types` as of --types; UsageError for what makes no sense."""
        return cls(
            format=config.input_format,
            delimiter=None if config.delimiter is None else delimiter_named(config.delimiter),
            quotes=config.quote == "double",
            encoding=None if config.encoding is None else encoding_named(config.encoding),
            names=given_names(config),
            sheet=config.sheet,
            types=said_types(types),
        )

    @property
    def separator(self) -> str:
        """What stands between two fields."""
        return self.usual if self.delimiter is None else self.delimiter

    @property
    def byte(self) -> int:
        """The separator's byte, or one that there is not."""
        return ord(self.separator) if self.separator else _NO_BYTE


UNSAID: Final = Dialect()
"""That of files of which nobody says anything."""


def delimiter_named(text: str) -> str:
    """The delimiter that `text` stands for: one character, or a word for it. UsageError for anything else."""
    found = _WORDS.get(text.lower(), text)
    if len(found) != 1:
        raise UsageError(
            f"--delimiter {text!r}: {len(found)} characters; one is needed, or tab, pipe, comma, semicolon, space. "
            "Where several stand between the fields, replace them by one that is in no text, such as a tab"
        )
    if not may_delimit(found):
        raise UsageError(
            f"--delimiter {text!r}: no quote, line end, letter or digit, and nothing beyond ASCII, can stand between "
            "fields; replace it by one that is in no text, such as a tab"
        )
    return found


def may_delimit(character: str) -> bool:
    """Whether fields can have `character` between them."""
    return re.fullmatch(r'[^"\r\n\0A-Za-z0-9\x80-\U0010ffff]', character) is not None


def delimiter_flag(delimiter: str) -> str:
    """The flag that says `delimiter`, for a shell."""
    return f"--delimiter {_SHOWN.get(delimiter, repr(delimiter))}"
