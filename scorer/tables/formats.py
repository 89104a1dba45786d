"""File formats and compressions: which one a file's name promises, and which one its first bytes show.

Owns the tables of endings and magic numbers. Opens nothing and does not know what a column is.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePath
from typing import Final, Literal

from scorer.config import FileFormat
from scorer.errors import DataError

Compression = Literal["gzip", "zstd"]

SNIFF_BYTES: Final = 4096
"""How many first bytes `sniff` wants."""

LONGEST_ROW: Final = 64 << 20
"""A row beyond this many bytes is a bomb, or a quote that is never closed: so memory stays bounded."""

TEXT_FORMATS: Final[frozenset[FileFormat]] = frozenset({"csv", "tsv", "jsonl"})

_FORMATS: Final[dict[str, FileFormat]] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".arrow": "arrow",
    ".feather": "arrow",
}
_COMPRESSIONS: Final[dict[str, Compression]] = {".gz": "gzip", ".zst": "zstd"}
_PARQUET: Final = (b"PAR1", b"PARE")
_ARROW_FILE: Final = b"ARROW1"
_ARROW_STREAM: Final = b"\xff\xff\xff\xff"
_UTF16_OR_32: Final = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")


def endings() -> tuple[str, ...]:
    """The endings of data files, one for each format."""
    return tuple({format: ending for ending, format in reversed(_FORMATS.items())}.values())[::-1]


def compression_of(path: PurePath | str) -> Compression | None:
    """The compression that the ending of `path` promises."""
    return _COMPRESSIONS.get(PurePath(path).suffix.lower())


def format_of(path: PurePath | str) -> FileFormat | None:
    """The format that the ending of `path` promises; None when it promises none that we know."""
    inner = PurePath(path)
    if compression_of(inner):
        inner = inner.with_suffix("")
        found = _FORMATS.get(inner.suffix.lower())
        return found if found in TEXT_FORMATS else None
    return _FORMATS.get(inner.suffix.lower())


def sniff_compression(first_bytes: bytes) -> Compression | None:
    """The compression whose magic number `first_bytes` begin with."""
    if first_bytes.startswith(b"\x1f\x8b"):
        return "gzip"
    return "zstd" if first_bytes.startswith(b"\x28\xb5\x2f\xfd") else None


def sniff(first_bytes: bytes) -> FileFormat | None:
    """The format that (decompressed) `first_bytes` show.

    Parquet and Arrow have magic numbers; `{` and then a `"` or `}` begin JSON lines; of other text, tabs in a first
    line without a comma are TSV, the rest CSV. None for no bytes at all and for what is no UTF-8 text.
    """
    if first_bytes.startswith(_PARQUET):
        return "parquet"
    if first_bytes.startswith(_ARROW_FILE) or is_arrow_stream(first_bytes):
        return "arrow"
    if not first_bytes or is_utf16(first_bytes):
        return None
    text = first_bytes.removeprefix(b"\xef\xbb\xbf")
    if re.match(rb'\s*\{\s*["}]', text):
        return "jsonl"
    line = re.split(rb"[\r\n]", text, maxsplit=1)[0]
    return "tsv" if b"\t" in line and b"," not in line else "csv"


def is_arrow_stream(first_bytes: bytes) -> bool:
    """Whether `first_bytes` open an Arrow IPC stream (an IPC file has a magic number instead)."""
    return first_bytes.startswith(_ARROW_STREAM)


def is_utf16(first_bytes: bytes) -> bool:
    """Whether `first_bytes` are UTF-16 or UTF-32: a byte-order mark, or NULs between the first characters."""
    if first_bytes.startswith(_UTF16_OR_32):
        return True
    # Of the first two characters alone: a name of a column is ASCII more often than what stands below it.
    head = first_bytes[:4]
    return len(head) == 4 and b"\0\0" in (head[::2], head[1::2])


def check_first_bytes(path: Path, first_bytes: bytes, promised: FileFormat) -> None:
    """DataError when (decompressed) `first_bytes` are not those of a file in the `promised` format."""
    if not first_bytes:
        raise DataError(f"{path}: the file is empty; expected {promised}")
    shown = sniff(first_bytes)
    if promised in TEXT_FORMATS:
        if shown is None:
            raise DataError(f"{path}: the text is UTF-16 or UTF-32; convert it to UTF-8")
        if shown not in TEXT_FORMATS:
            raise DataError(f"{path}: expected {promised}, but the first bytes are those of {shown}; rename it")
        if promised == "jsonl" and shown != "jsonl":
            raise DataError(f"{path}: expected jsonl, but the first line does not open an object with a brace")
        return
    if shown != promised:
        raise DataError(f"{path}: expected {promised}, but the first bytes are not those of {promised}")
