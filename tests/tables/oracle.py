"""A slow, obvious reader of delimited text: one character at a time, as RFC 4180 says, strictly."""

from __future__ import annotations

from typing import NamedTuple


class SlowField(NamedTuple):
    raw: str
    value: str
    quoted: bool


def slow_records(text: str, delimiter: str = ",") -> list[list[SlowField]] | None:
    """All records, the header too; None when the text is malformed."""
    records: list[list[SlowField]] = []
    at = 0
    while at < len(text):
        record, at = slow_record(text, at, delimiter)
        if record is None:
            return None
        records.append(record)
    return records


def slow_pieces(text: str, width: int, delimiter: str = ",") -> list[tuple[str, list[SlowField] | None]]:
    """What records (of `width` fields) and malformed pieces a text is made of: all its characters, in order.

    A record with a quote out of place ends at its first line break. Among several columns, blank lines are left out.
    """
    pieces: list[tuple[str, list[SlowField] | None]] = []
    at = 0
    while at < len(text):
        begin = at
        record, at = slow_record(text, begin, delimiter)
        if record is None:
            at = begin
            while at < len(text) and text[at] not in "\r\n":
                at += 1
            at = _after_line_end(text, at)
        if width == 1 or text[begin:at].strip("\r\n"):
            pieces.append((text[begin:at], record if record and len(record) == width else None))
    return pieces


def without_blank_lines(text: str, delimiter: str = ",") -> str:
    """`text` without the blank lines before its first record, where that has several fields."""
    rest = text.lstrip("\r\n")
    record = slow_record(rest, 0, delimiter)[0] if rest else None
    return rest if record is not None and len(record) > 1 else text


def slow_record(text: str, begin: int, delimiter: str) -> tuple[list[SlowField] | None, int]:
    """The record that begins at `begin`, and where the next one does; None when its quotes are out of place."""
    record: list[SlowField] = []
    at = begin
    while True:
        field, at = _field(text, at, delimiter)
        if field is None:
            return None, at
        record.append(field)
        if at == len(text) or text[at] != delimiter:
            return record, _after_line_end(text, at)
        at += 1


def _after_line_end(text: str, at: int) -> int:
    return at + 2 if text[at : at + 2] == "\r\n" else min(at + 1, len(text))


def _field(text: str, begin: int, delimiter: str) -> tuple[SlowField | None, int]:
    stops = {delimiter, "\r", "\n"}
    if text[begin : begin + 1] != '"':
        end = begin
        while end < len(text) and text[end] not in stops:
            if text[end] == '"':
                return None, end
            end += 1
        return SlowField(text[begin:end], text[begin:end], False), end
    value = ""
    at = begin + 1
    while True:
        if at >= len(text):
            return None, at
        if text[at : at + 2] == '""':
            value += '"'
            at += 2
        elif text[at] == '"':
            break
        else:
            value += text[at]
            at += 1
    at += 1
    if at < len(text) and text[at] not in stops:
        return None, at
    return SlowField(text[begin:at], value, True), at
