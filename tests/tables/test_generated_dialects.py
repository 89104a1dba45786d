"""Generated files in every dialect and many encodings, against Python's csv module, Python's decoders, and the same
rows as plain CSV in UTF-8.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import strategies as st

from scorer.errors import DataError
from scorer.stores.fingerprints import Stamp
from scorer.tables.dialect import Dialect
from scorer.tables.encodings import MalformedText, encoding_named
from scorer.tables.formats.csv import DelimitedReader, read_header
from scorer.tables.rejects import CountedRejects, Malformed, Rejects
from tests.tables.generated import count_kinds

# Characters that each encoding has, beside ASCII; U+8868 has a backslash's byte in Shift JIS, and others a pipe's.
ENCODINGS = {
    "utf-8": "\u00e9\u4e2d\U0001f600\ufeff",
    "latin-1": "\u00e9\xff\x85\xa0",
    "windows-1252": "\u00e9\u201c\u20ac",
    "windows-1251": "\u0436\u042f",
    "gb18030": "\u4e2d\u00e9\U0001f600",
    "big5": "\u4e2d\u529f",
    "shift_jis": "\u3042\u8868\u30dd",
    "euc-kr": "\ud55c",
    "koi8-r": "\u0416\u044f",
    "windows-1253": "\u03b1\u03a9",
    "euc-jp": "\u3042\u8868",
    "gbk": "\u4e2d",
    "mac-roman": "\u00e9\u201c",
    "utf-16": "\u00e9\u4e2d\U0001f600\u0a0d\u2c22",
    "utf-16-le": "\u00e9\U0001f600\u0a0d\u2c22",
    "utf-16-be": "\u00e9\U0001f600\u0a0d\u2c22",
    "utf-32": "\u00e9\U0001f600",
}
DELIMITERS = [",", ";", "\t", "|", " ", "\x01", "~"]


@dataclass(frozen=True)
class Case:
    """`rows` are the values with whether each stands in quotes; `content` is them in the dialect."""

    rows: list[list[tuple[str, bool]]]
    delimiter: str
    quotes: bool
    encoding: str
    content: bytes
    damaged: bool
    block_bytes: int
    stated: bool


@st.composite
def cases(draw: st.DrawFn) -> Case:
    delimiter, quotes = draw(st.sampled_from(DELIMITERS)), draw(st.booleans())
    encoding = draw(st.sampled_from(sorted(ENCODINGS)))
    forbidden = "" if quotes else f"\r\n{delimiter}"
    alphabet = sorted(set('a7,;"\r\n\t |\\') - set(forbidden)) + list(ENCODINGS[encoding])
    width = draw(st.integers(1, 4))
    value = st.one_of(st.text(alphabet=st.sampled_from(alphabet), max_size=8), st.sampled_from(["", "0456", "1.5"]))
    body = draw(st.lists(st.lists(st.tuples(value, st.booleans()), min_size=width, max_size=width), max_size=8))
    rows = [[(f"c{index}", False) for index in range(width)], *body]
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    stated = draw(st.booleans()) and delimiter != " "
    text = f"sep={delimiter}{end}" if stated else ""
    text += "".join(delimiter.join(field(*item, delimiter, quotes=quotes) for item in row) + end for row in rows)
    content = text.encode(encoding)
    damaged = draw(st.booleans())
    if damaged:
        at = draw(st.integers(0, len(content)))
        content = content[:at] + draw(st.sampled_from([b"", b"\xff", b"\x81", b"\xd8"])) + content[at + 1 :]
    return Case(rows, delimiter, quotes, encoding, content, damaged, draw(st.integers(1, 64)), stated)


def field(value: str, quoted: bool, delimiter: str, *, quotes: bool) -> str:
    if not quotes or not (quoted or set(value) & set(f'"\r\n{delimiter}')):
        return value
    return '"' + value.replace('"', '""') + '"'


def check(case: Case, folder: Path) -> str:
    """Compare on one case; the answer is what kind of file it was."""
    path = folder / "in.csv"
    path.write_bytes(case.content)
    said = None if case.stated else case.delimiter
    dialect = Dialect(delimiter=said, quotes=case.quotes, encoding=encoding_named(case.encoding))
    if case.damaged and case.encoding != "utf-8":
        against_utf8(path, dialect, case)
        return against_decoder(path, dialect, case)
    if case.damaged:
        return "damaged UTF-8"  # what the other generated files are about
    found = read(path, dialect, case.block_bytes)
    plain = folder / "plain.csv"
    lines = (",".join(field(value, quoted, ",", quotes=True) for value, quoted in row) for row in case.rows)
    if case.quotes:
        plain.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="")
        assert found == read(plain, Dialect(), case.block_bytes)
    text = case.content.decode(case.encoding).removeprefix("\ufeff")
    text = re.sub(r"\Asep=.(\r\n?|\n)", "", text) if case.stated else text
    assert [[value or "" for value in row] for row in found] == counted(text, case)
    return f"sound, {'quotes' if case.quotes else 'no quotes'}"


def counted(text: str, case: Case) -> list[list[str]]:
    """The records after the header, as Python's csv module reads them."""
    how = csv.QUOTE_MINIMAL if case.quotes else csv.QUOTE_NONE
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=case.delimiter, quoting=how, strict=True)
    return [record or [""] for record in reader][1:]


def against_decoder(path: Path, dialect: Dialect, case: Case) -> str:
    """What Python's decoder refuses is refused at the same byte, and nothing else for its encoding."""
    at = undecodable(case)
    refusal = refused(path, dialect, case.block_bytes)
    if refusal is None:
        assert at is None
        return "damaged, but text"
    if isinstance(refusal, MalformedText) and refusal.fault == "encoding" and "byte-order" not in str(refusal):
        assert f"byte {at} " in str(refusal)
    return "damaged, but text" if at is None else "not text"


def against_utf8(path: Path, dialect: Dialect, case: Case) -> None:
    """Where records are set aside, they are those of the same text in UTF-8, in which the same bytes are none."""
    if case.encoding.startswith("utf-"):
        return  # nothing tells where a record begins behind such a byte
    plain = path.with_name("utf8.csv")
    text = case.content.decode(case.encoding, "surrogateescape")
    plain.write_bytes(text.encode("utf-8", "surrogatepass"))
    expected = lenient(plain, replace(dialect, encoding=None), case.block_bytes)
    assert lenient(path, dialect, case.block_bytes) == expected


def lenient(path: Path, dialect: Dialect, block_bytes: int) -> tuple[list[list[str | None]], list[int]] | None:
    """The rows and the numbers of the records that are set aside; None where the file is refused all the same."""
    found = Collected()
    try:
        return read(path, dialect, block_bytes, found), found.records
    except DataError:
        return None


class Collected(CountedRejects):
    """Keeps the numbers of records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[int] = []

    def add(self, malformed: Malformed) -> None:
        self.records.append(malformed.record)


def undecodable(case: Case) -> int | None:
    try:
        case.content.decode(case.encoding)
    except UnicodeDecodeError as error:
        return error.start
    return None


def refused(path: Path, dialect: Dialect, block_bytes: int) -> DataError | None:
    try:
        read(path, dialect, block_bytes)
    except DataError as error:
        return error
    return None


def read(path: Path, dialect: Dialect, block_bytes: int, rejects: Rejects | None = None) -> list[list[str | None]]:
    stamp = Stamp.of(path)
    names = read_header(stamp, dialect, lenient=rejects is not None)
    reader = DelimitedReader([stamp], names, names, dialect=dialect, block_bytes=block_bytes, rejects=rejects)
    windows = list(reader.windows(max_rows=1000, max_bytes=1 << 20))
    table = pa.concat_tables(windows) if windows else reader.schema.empty_table()
    return [list(row.values()) for row in table.to_pylist()]


def test_generated_dialects_are_read_as_independent_readers_read_them(tmp_path: Path) -> None:
    kinds = count_kinds(cases(), lambda case: check(case, tmp_path), 300)
    assert min(kinds["sound, quotes"], kinds["sound, no quotes"], kinds["not text"]) > 5


@pytest.mark.torture
def test_ten_thousand_generated_dialects(tmp_path: Path) -> None:
    kinds = count_kinds(cases(), lambda case: check(case, tmp_path), 10_000)
    sys.stdout.write(f"\n{kinds.total():,} generated files in dialects, 0 mismatches: {dict(kinds)}\n")
    assert kinds.total() >= 10_000
    assert min(kinds["sound, quotes"], kinds["sound, no quotes"], kinds["not text"]) > 500
