"""What to try where a text cannot be read as it was said to be written: found by trying it.

The flags stand in the message as a person can copy them. An encoding is named only if the whole file is text in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from scorer.errors import DataError
from scorer.tables.dialect import COMMON_DELIMITERS, Dialect, delimiter_flag
from scorer.tables.encodings import Fault, open_text, plausible_encoding
from scorer.tables.record_scanner import RecordScanner

# Delimiters and quotes are tried on so much of a file, encodings on all of it.
_TRIED_BYTES: Final = 64 << 20


def advice(path: Path, dialect: Dialect, fault: Fault, *, delimited: bool) -> str:
    """What to say behind a message about the `fault` of `path`, which is not written in `dialect`: flags that read it.

    Empty, or to convert the file, where nothing was found that does.
    """
    likely = plausible_encoding(path)
    decoded = replace(dialect, encoding=likely) if likely is not None else None
    found = decoded if fault == "encoding" else None
    if delimited:
        tried = [one for one in (dialect, decoded) if one is not None]
        found = next((other for one in tried if (other := other_dialect(path, one)) is not None), found)
    if found is not None:
        return f"; try: {_flags(dialect, found)}"
    unknown = fault == "encoding" and dialect.encoding is None
    return "; convert the file to UTF-8, or say --encoding NAME" if unknown else ""


def other_dialect(path: Path, dialect: Dialect) -> Dialect | None:
    """A dialect in which `path` has several columns and is sound, where it is not so in `dialect`; or None."""
    if _width(path, dialect) > 1:
        return None
    return next((other for other in _others(dialect) if _width(path, other) > 1), None)


def _others(dialect: Dialect) -> Iterator[Dialect]:
    """What else it may be, the likeliest first."""
    for quotes in dict.fromkeys((dialect.quotes, True, False)):
        for delimiter in dict.fromkeys((dialect.separator, *COMMON_DELIMITERS)):
            if (quotes, delimiter) != (dialect.quotes, dialect.separator):
                said = dialect.delimiter if delimiter == dialect.separator else delimiter
                yield replace(dialect, quotes=quotes, delimiter=said)


def _width(path: Path, dialect: Dialect) -> int:
    """The number of columns; 0 where `path` is not sound in `dialect`."""
    try:
        with open_text(path, dialect.encoding) as stream:
            scanner = RecordScanner(stream, path, dialect=replace(dialect, names=dialect.names and ()))
            width = len(scanner.header())
            read = 0
            for block in scanner.blocks():
                read += len(block.data)
                if read > _TRIED_BYTES:
                    break
    except DataError:
        return 0
    return width


def _flags(said: Dialect, found: Dialect) -> str:
    flags = []
    if found.delimiter != said.delimiter:
        flags.append(delimiter_flag(found.separator))
    if found.quotes != said.quotes:
        flags.append(f"--quote {'double' if found.quotes else 'none'}")
    if found.encoding != said.encoding and found.encoding is not None:
        flags.append(f"--encoding {found.encoding}")
    return " ".join(flags)


def unreadable(path: Path, dialect: Dialect) -> DataError | None:
    """What to raise over columns that are not there, where `path` has but one in `dialect` and
    several in another."""
    if _width(path, dialect) > 1:
        return None
    encoding = dialect.encoding or plausible_encoding(path)
    other = other_dialect(path, replace(dialect, encoding=encoding))
    if other is None:
        return None
    return DataError(f"{path}: one column only, but several with another delimiter; try: {_flags(dialect, other)}")
