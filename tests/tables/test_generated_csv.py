"""Generated CSV files against independent readers: Python's strict csv module for those that are well formed, a reader
that looks at one character after the other for those that were damaged. A 'case' is a file and a block size.
"""

from __future__ import annotations

import csv
import io
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import strategies as st

from scorer.errors import DataError
from scorer.stores.fingerprints import Stamp
from scorer.tables.dialect import Dialect
from scorer.tables.formats.csv import DelimitedReader, read_header
from scorer.tables.rejects import Rejects
from scorer.tables.source import Source
from tests.tables.generated import count_kinds
from tests.tables.oracle import SlowField, slow_pieces, slow_record, slow_records, without_blank_lines

SPECIAL = 'a7,;"\r\n\t \\\0\ufeff\u00e9\u4e2d\U0001f600'
VALUES = st.one_of(
    st.text(alphabet=st.sampled_from(SPECIAL), max_size=8),
    st.sampled_from(["", "0456", "NA", "1.5", "true", '"', '""', "\r\n", "x" * 300, '"\n' * 90, "\u4e2d" * 70]),
)
ENCODINGS = ["utf-8"] * 8 + ["utf-8-sig", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-32-le"]


@dataclass(frozen=True)
class Case:
    content: bytes
    encoding: str
    damaged: bool
    block_bytes: int


@st.composite
def cases(draw: st.DrawFn) -> Case:
    width = draw(st.integers(1, 4))
    names = [f"c{index}" for index in range(width)]
    rows = [names, *draw(st.lists(st.lists(VALUES, min_size=width, max_size=width), max_size=8))]
    text = "".join(
        ",".join(field(value, quoted=draw(st.booleans())) for value in row)
        + draw(st.sampled_from(["\n", "\r\n", "\r"]))
        for row in rows
    )
    if draw(st.booleans()):
        text = text[:-1]
    encoding = draw(st.sampled_from(ENCODINGS))
    content = text.encode(encoding, "replace")
    damaged = draw(st.booleans())
    if damaged:
        at, size = draw(st.integers(0, len(content))), draw(st.integers(0, 2))
        content = content[:at] + draw(st.sampled_from([b"", b'"', b",", b"\r", b"\n", b"\xff"])) + content[at + size :]
    return Case(content, encoding, damaged, draw(st.integers(1, 64)))


def field(value: str, *, quoted: bool) -> str:
    return '"' + value.replace('"', '""') + '"' if quoted or set(value) & set('",\r\n') else value


def check(case: Case, folder: Path) -> str:
    """Compare all readers on one case; the answer is what kind of file it was."""
    path = folder / "in.csv"
    path.write_bytes(case.content)
    if case.encoding.startswith(("utf-16", "utf-32")) and not case.damaged:
        with pytest.raises(DataError, match="UTF-16"):
            Source.open(str(path))
        return "UTF-16 or UTF-32"
    text = case.content.decode("latin-1").removeprefix("\xef\xbb\xbf")
    text = without_blank_lines(text)
    header = slow_record(text, 0, ",")[0] if text else None
    names = [item.value for item in header or ()]
    if header is None or len(set(names)) < len(names) or not utf8(slow_pieces(text, len(names))[0][0]):
        with pytest.raises(DataError):
            read(path, case)
        return "malformed header"
    pieces = slow_pieces(text, len(names))[1:]
    sound = [record if record is not None and utf8(piece) else None for piece, record in pieces]
    rejects = Rejects(folder / "rejects.jsonl")
    try:
        assert read(path, case, rejects) == [values(record) for record in sound if record is not None]
    finally:
        rejects.discard()
    assert rejects.count == sound.count(None)
    if None in sound:
        with pytest.raises(DataError):
            read(path, case)
        return "malformed records"
    records = slow_records(text)
    assert records is not None
    assert read(path, case) == [values(record) for record in records[1:] if not is_blank(record, names)]
    if not case.damaged:
        assert [[value or "" for value in row] for row in read(path, case)] == counted(case.content, names)
    return "sound, damaged" if case.damaged else "sound"


def read(path: Path, case: Case, rejects: Rejects | None = None) -> list[list[str | None]]:
    stamp = Stamp.of(path)
    names = read_header(stamp, Dialect())
    reader = DelimitedReader([stamp], names, names, dialect=Dialect(), block_bytes=case.block_bytes, rejects=rejects)
    windows = list(reader.windows(max_rows=1000, max_bytes=1 << 20))
    table = pa.concat_tables(windows) if windows else reader.schema.empty_table()
    assert reader.rows == table.num_rows
    return [list(row.values()) for row in table.to_pylist()]


def is_blank(record: list[SlowField], names: list[str]) -> bool:
    return len(names) > 1 and len(record) == 1 and not record[0].raw


def counted(content: bytes, names: list[str]) -> list[list[str]]:
    """The records after the header, as Python's csv module reads them."""
    lines = io.StringIO(content.decode("utf-8-sig"), newline="")
    return [record or [""] for record in csv.reader(lines, strict=True) if record or len(names) == 1][1:]


def values(record: list[SlowField]) -> list[str | None]:
    texts = [item.value.encode("latin-1").decode() for item in record]
    alone = len(record) == 1
    return [text if text or item.quoted or alone else None for text, item in zip(texts, record, strict=True)]


def utf8(piece: str) -> bool:
    try:
        piece.encode("latin-1").decode()
    except UnicodeDecodeError:
        return False
    return True


def test_generated_files_are_read_as_independent_readers_read_them(tmp_path: Path) -> None:
    kinds = count_kinds(cases(), lambda case: check(case, tmp_path), 300)
    # Drawn anew each time: about 150 and 60 of them.
    assert kinds["sound"] > 10
    assert kinds["malformed records"] > 10


@pytest.mark.torture
def test_ten_thousand_generated_files(tmp_path: Path) -> None:
    kinds = count_kinds(cases(), lambda case: check(case, tmp_path), 10_000)
    sys.stdout.write(f"\n{kinds.total():,} generated CSV files, 0 mismatches: {dict(kinds)}\n")
    assert kinds.total() >= 10_000
    assert min(kinds["sound"], kinds["malformed records"]) > 1000
