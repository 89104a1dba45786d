"""What to try where a text cannot be read as it was said to be written: found by trying it.

The flags stand in the message as a person can copy them. An encoding is named only if the whole file is text in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from scorer.config import FileFormat
from scorer.errors import DataError
from scorer.stores.fingerprints import Stamp
from scorer.tables.dialect import COMMON_DELIMITERS, Dialect, delimiter_flag
from scorer.tables.encodings import Fault, decodes, open_text, plausible_encoding
from scorer.tables.formats.format import ReadOptions
from scorer.tables.formats.registry import format_named, sniff
from scorer.tables.record_scanner import RecordScanner
from scorer.tables.streams import compression_of, open_bytes

# Delimiters and quotes are tried on so much of a file, encodings on all of it.
_TRIED_BYTES: Final = 64 << 20
_LOOKED_AT: Final = 4096
_EXPORT: Final = "export it as CSV, Parquet or JSON lines"
# What the files of other programs begin with, or have near their beginning.
_FOREIGN: Final = {
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "it is an old Office file, perhaps of Excel: save it as .xlsx or CSV",
    b"mimetypeapplication/vnd.oasis": "it is an OpenDocument file: save it as .xlsx or CSV",
    b"SQLite format 3\0": f"it is a database of SQLite: {_EXPORT}",
    b"Obj\x01": f"it is an Avro file: {_EXPORT}",
    b"\x04\x22\x4d\x18": "it is compressed with LZ4: unpack it",
    b"7z\xbc\xaf\x27\x1c": "it is a 7z archive: unpack it",
    b"Rar!\x1a": "it is a RAR archive: unpack it",
    b"\0ustar": "it is a tar archive: unpack it",
}
_INSIDE: Final = (b"mimetypeapplication/vnd.oasis", b"\0ustar")


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


def format_advice(path: Path, dialect: Dialect) -> str:
    """What to say behind a message about `path`, whose name tells no format: flags that read it, or what to save it
    as."""
    if path.stat().st_size > _TRIED_BYTES:
        return "; say which with --input-format"
    with open_bytes(path, compression_of(path)) as stream:
        first = stream.read(_LOOKED_AT)
    if (foreign := _foreign(first)) is not None:
        return f"; {foreign}"
    encoding = dialect.encoding or plausible_encoding(path)
    if (b"\0" in first and encoding is None) or not decodes(path, encoding or "utf-8"):
        return f"; it is no text: {_EXPORT}"
    text = replace(dialect, encoding=encoding)
    if (found := sniff(first)) in ("json", "jsonl") and _opens(path, found, text):
        return f"; try: --input-format {found} {_flags(dialect, text)}".rstrip()
    for name, usual in (("tsv", "\t"), ("csv", ",")):
        if _width(path, replace(text, usual=usual)) > 1:
            return f"; try: --input-format {name} {_flags(dialect, text)}".rstrip()
    if (other := other_dialect(path, text)) is not None and other.quotes == dialect.quotes:
        return f"; try: --input-format csv {_flags(dialect, other)}"
    return "; say which with --input-format (lines: a text a line)"


def _foreign(first: bytes) -> str | None:
    """What a file that begins so is, and what to do with it; None where it is of no other program that we know."""
    inside = first[: _LOOKED_AT // 8]
    found = (
        what for magic, what in _FOREIGN.items() if first.startswith(magic) or (magic in inside and magic in _INSIDE)
    )
    return next(found, None)


def _opens(path: Path, name: FileFormat, dialect: Dialect) -> bool:
    """Whether the beginning of `path` is sound in the format `name`."""
    try:
        format_named(name).look([Stamp.of(path)], ReadOptions(dialect=dialect))
    except DataError:
        return False
    return True


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
