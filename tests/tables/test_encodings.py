"""Text in other encodings: what is read, where it is refused, and what it is taken for."""

from __future__ import annotations

import codecs
import gzip
import io
from pathlib import Path

import pyarrow as pa
import pytest

from scorer.errors import DataError, UsageError
from scorer.tables.dialect import Dialect
from scorer.tables.encodings import MalformedText, Transcoded, encoding_named, open_text, plausible_encoding
from scorer.tables.source import Source

TEXTS = {
    "windows-1252": "Das Zimmer war sch\u00f6n \u2013 na\u00efve d\u00e9j\u00e0 vu, gr\u00f6\u00dfer",
    "shift_jis": "このホテルはとてもよかったです。部屋がきれい",
    "euc-jp": "このホテルはとてもよかったです。部屋がきれい",
    "gb18030": "这家酒店非常好，房间很干净。",
    "big5": "這家酒店非常好，房間很乾淨。",
    "euc-kr": "이 호텔은 정말 좋았어요",
    "windows-1251": "Отличный отель, очень понравилось",
    "koi8-r": "Отличный отель, очень понравилось",
    "windows-1253": "Πολύ καλό ξενοδοχείο",
    "utf-16": "caf\u00e9 \U0001f600",
    "utf-16-le": "caf\u00e9",
    "utf-16-be": "caf\u00e9",
    "utf-32": "caf\u00e9",
}


def rows(path: Path, dialect: Dialect) -> list[str | None]:
    windows = Source.open(str(path), dialect=dialect).read(["text"]).windows(max_rows=1000, max_bytes=1 << 20)
    return [text for window in windows for text in window["text"].to_pylist()]


@pytest.mark.parametrize("encoding", TEXTS)
@pytest.mark.parametrize("name", ["in.csv", "in.tsv.gz", "in.jsonl"])
def test_texts_are_read_and_their_encoding_is_named(tmp_path: Path, encoding: str, name: str) -> None:
    delimiter = "\t" if "tsv" in name else ","
    text = TEXTS[encoding]
    lines = [f"text{delimiter}n", *(f'"{text}"{delimiter}{number}' for number in range(50))]
    if name.endswith("jsonl"):
        lines = [f'{{"text": "{text}"}}'] * 50
    data = "\n".join(lines).encode(encoding)
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    with pytest.raises(DataError, match=f"try: --encoding {encoding}$"):
        Source.open(str(path)).read(["text"])
    assert rows(path, Dialect(encoding=encoding_named(encoding))) == [text] * 50


def whole(path: Path, encoding: str, block: int = 1 << 16) -> list[bytes]:
    with open_text(path, encoding) as stream:
        return list(iter(lambda: stream.read(block), b""))


@pytest.mark.parametrize("block", [1, 2, 3, 7, 1 << 20])
@pytest.mark.parametrize("encoding", [*TEXTS, "utf-7", "iso2022_jp", "utf-8-sig"])
def test_pieces_of_any_size(tmp_path: Path, encoding: str, block: int) -> None:
    text = TEXTS.get(encoding, "x" if encoding != "iso2022_jp" else TEXTS["euc-jp"]) * 20
    path = tmp_path / "in"
    path.write_bytes(text.encode(encoding))
    parts = whole(path, encoding, block)
    assert b"".join(parts).decode("utf-8-sig") == text
    assert all(len(part) == block for part in parts[:-1])


@pytest.mark.parametrize(
    ("encoding", "data", "at"),
    [
        ("windows-1252", b"text\n" + b"x" * (3 << 20) + b"\x81\n", 5 + (3 << 20)),
        ("shift_jis", "あ".encode("shift_jis") * 700_000 + b"\x81", 1_400_000),
        ("gb18030", "中".encode("gb18030") * 700_000 + b"\xff\n", 1_400_000),
        ("big5", "中".encode("big5") * 700_000 + b"\xff\n", 1_400_000),
        ("utf-16-le", "x\n".encode("utf-16-le") * 3 + b"\x00\xd8x\0", 12),
        ("utf-16", "x".encode("utf-16") + b"\0", 4),
        ("ascii", b"text\ncaf\xe9\n", 8),
        ("utf-8", b"text\ncaf\xe9\n", 8),
    ],
)
def test_the_byte_that_is_none_is_named(tmp_path: Path, encoding: str, data: bytes, at: int) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(data)
    with pytest.raises(MalformedText, match=rf"byte {at} \(0x{data[at]:02x}\) is not ") as caught:
        whole(path, encoding)
    assert caught.value.fault == "encoding"


def test_the_byte_order_must_be_certain(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes("text\nx\n".encode("utf-16-le"))
    with pytest.raises(DataError, match="no byte-order mark; say utf-16-le or utf-16-be"):
        rows(path, Dialect(encoding="utf-16"))
    path.write_bytes(codecs.BOM_UTF16_BE + "text\nx\n".encode("utf-16-be"))
    with pytest.raises(DataError, match="the other byte order"):
        rows(path, Dialect(encoding="utf-16-le"))
    assert rows(path, Dialect(encoding="utf-16-be")) == ["x"]
    with pytest.raises(DataError, match="the byte-order mark of UTF-16"):
        rows(path, Dialect(encoding="latin-1"))


def test_no_encoding_is_named_that_does_not_decode_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    text = b"caf\xe9 na\xefve\n" * 300_000
    path.write_bytes(text)
    assert plausible_encoding(path) == "windows-1252"
    path.write_bytes(text + b"\x81\n")
    assert plausible_encoding(path) is None
    path.write_bytes("caf\u00e9\n".encode() * 300_000)
    assert plausible_encoding(path) is None
    # UTF-8 with a damaged place is no other encoding.
    path.write_bytes("caf\u00e9\n".encode() * 30 + b"\xe9\n")
    assert plausible_encoding(path) is None


@pytest.mark.parametrize("text", ["Das Hotel war sch\u00f6n", "caf\u00e9", "Stra\u00dfe", "na\u00efve \u00e9t\u00e9"])
def test_a_few_accents_are_no_chinese(tmp_path: Path, text: str) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(f"id;text\n1;{text}\n".encode("windows-1252"))
    assert plausible_encoding(path) == "windows-1252"


def test_names_of_encodings() -> None:
    assert encoding_named("UTF8") is encoding_named("utf-8-sig") is None
    assert encoding_named("Latin-1") == encoding_named("ISO-8859-1")
    for name in ("", "latin-99", "rot13", "base64", "idna", "utf-7", "unicode_escape", "a\0b", "\u00e9"):
        with pytest.raises(UsageError, match="no encoding of texts"):
            encoding_named(name)


def test_other_formats_say_themselves_how_texts_are_written(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": ["x"]}), tmp_path / "a.parquet")
    with pytest.raises(UsageError, match="--encoding is for text"):
        rows(tmp_path / "a.parquet", Dialect(encoding="cp1252"))


@pytest.mark.parametrize("prompt", [False, True])
@pytest.mark.parametrize(("encoding", "cut"), [("utf-16-le", 1), ("shift_jis", 1), ("gb18030", 1), ("utf-32-le", 3)])
def test_a_character_that_is_cut_short_at_the_end_is_an_error(encoding: str, cut: int, prompt: bool) -> None:
    content = "text\nab\u8868".encode(encoding)[:-cut]
    stream = Transcoded(io.BytesIO(content), Path("in.csv"), encoding, prompt=prompt)
    with pytest.raises(MalformedText, match=f"--encoding {encoding}: byte"):
        list(iter(lambda: stream.read(4), b""))
    with pytest.raises(MalformedText):
        stream.read(4)
