"""Every file format that there is, and which one a name, an ending or first bytes mean."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path, PurePath
from typing import get_args

from scorer.config import FileFormat
from scorer.errors import DataError, UsageError
from scorer.tables.formats.format import Format
from scorer.tables.streams import WRITTEN, compression_of

SNIFF_BYTES = 4096
"""How many first bytes `sniff` wants."""

_UTF16_OR_32 = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")


@cache
def format_named(name: FileFormat) -> Format:
    """The format called `name`; UsageError where there is none."""
    if name not in get_args(FileFormat):
        raise UsageError(f"{name}: no format that we know; one of {', '.join(get_args(FileFormat))}")
    found = import_module(f"scorer.tables.formats.{name}").FORMAT
    assert isinstance(found, Format), f"{name} is no Format; this is a bug"
    assert found.name == name, f"{name} calls itself {found.name}; this is a bug"
    return found


@cache
def formats() -> tuple[Format, ...]:
    """Every format."""
    return tuple(map(format_named, get_args(FileFormat)))


def endings() -> tuple[str, ...]:
    """The usual ending of each format that has one."""
    return tuple(format.endings[0] for format in formats() if format.endings)


def format_of(path: PurePath | str) -> FileFormat | None:
    """The format that the ending of `path` promises; None when it promises none that we know."""
    inner = PurePath(path)
    compressed = compression_of(inner) is not None
    if compressed:
        inner = inner.with_suffix("")
    return _format_of_ending(inner.suffix.lower(), compressed)


@cache
def _format_of_ending(ending: str, compressed: bool) -> FileFormat | None:
    # One after the other: the usual ones stand first, and the files of others need not be imported.
    found = map(format_named, get_args(FileFormat))
    fitting = (format for format in found if ending in format.endings and (format.text or not compressed))
    return next((format.name for format in fitting), None)


def is_read_alone(path: PurePath | str) -> bool:
    """Whether the ending of `path` promises a format or a compression in which nothing is written."""
    named, compression = format_of(path), compression_of(path)
    return (named is not None and not format_named(named).written) or compression not in (None, *WRITTEN)


def output_format(path: PurePath | str) -> FileFormat | None:
    """The format that the ending of the output `path` promises, None when it promises none that we know; UsageError for
    one that is for reading alone."""
    if is_read_alone(path):
        written = " ".join(format.endings[0] for format in formats() if format.written)
        raise UsageError(f"{path}: this ending is for reading alone; write {written}, text also with .gz or .zst")
    return format_of(path)


def stream_format(given: FileFormat | None) -> FileFormat:
    """The format of an output without a name, whose input is in the format `given`: the same, or where that is for
    reading alone, the text that is nearest to it."""
    if given is None:
        return "csv"
    if format_named(given).written:
        return given
    return "jsonl" if given == "json" else "csv"


def sniff(first_bytes: bytes) -> FileFormat | None:
    """The format that (decompressed) `first_bytes` show; None for no bytes at all and for what is no UTF-8 text."""
    if not first_bytes:
        return None
    by_evidence = {format.name: format.evidence(first_bytes) for format in formats()}
    best = max(by_evidence, key=lambda name: by_evidence[name])
    if by_evidence[best] < 3 and is_utf16(first_bytes):
        return None
    return best if by_evidence[best] else None


def is_binary(first_bytes: bytes) -> bool:
    """Whether `first_bytes` begin with the magic number of a format."""
    return any(format.evidence(first_bytes) == 3 for format in formats())


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
    format = format_named(promised)
    if format.evidence(first_bytes) == 3:
        return
    shown = sniff(first_bytes)
    if format.text:
        if shown is None:
            raise DataError(f"{path}: the text is UTF-16 or UTF-32; convert it to UTF-8")
        if not format_named(shown).text:
            raise DataError(f"{path}: expected {promised}, but the first bytes are those of {shown}; rename it")
    if format.proof and shown != promised:
        advice = "; try: --input-format json" if shown == "json" else ""
        raise DataError(f"{path}: expected {promised}, but {format.proof}{advice}")
