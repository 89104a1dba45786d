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
    record: list[SlowField] = []
    at = 0
    while at < len(text) or record:
        field, at = _field(text, at, delimiter)
        if field is None:
            return None
        record.append(field)
        if at < len(text) and text[at] == delimiter:
            at += 1
            continue
        records.append(record)
        record = []
        if text[at : at + 2] == "\r\n":
            at += 2
        elif at < len(text):
            at += 1
    return records


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
