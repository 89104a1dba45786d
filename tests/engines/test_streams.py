"""A stream into a stream: what comes out is what comes out of a file, and comes before the input ends."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scorer
from scorer.errors import ConfigError, DataError, ScorerError, UsageError
from tests.models import sentences


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


ROWS = [(number, text) for number, text in enumerate(sentences(40, seed=5))]
CSV = "id,text\n" + "".join(f"{number},{quoted(text)}\n" for number, text in ROWS)
LINES = "".join(json.dumps({"id": number, "text": text}) + "\n" for number, text in ROWS)
# Windows are not cut by the clock, so that batches are those of a file.
WHOLE = {"flush_seconds": 600.0, "precision": "fp32"}


class Standard:
    """Stands for sys.stdin or sys.stdout where a job wants their bytes."""

    def __init__(self, buffer: Any = None) -> None:
        self.buffer = buffer or io.BytesIO()


@pytest.fixture
def stream(tiny_model: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., bytes | ScorerError]:
    """`stream(parts, **options)`: score a pipe into which `parts` are written, one after the other. It gives what comes
    out; `stream.out` holds what came out before an error, `stream.summary` the summary."""

    def run(parts: bytes | Iterable[bytes], **options: Any) -> bytes:
        read, write = os.pipe()

        def produce() -> None:
            with os.fdopen(write, "wb", buffering=0) as pipe:
                try:
                    for part in [parts] if isinstance(parts, bytes) else parts:
                        pipe.write(part)
                except BrokenPipeError:
                    return

        writer = threading.Thread(target=produce)
        out = Standard()
        run.out = out.buffer  # type: ignore[attr-defined]
        with os.fdopen(read, "rb") as pipe:
            monkeypatch.setattr(sys, "stdin", Standard(pipe))
            monkeypatch.setattr(sys, "stdout", out)
            writer.start()
            try:
                run.summary = scorer.score(  # type: ignore[attr-defined]
                    "-", "-", **{"model": str(tiny_model("bert")), "precision": "fp32"} | options
                )
            finally:
                monkeypatch.undo()
        writer.join()
        return out.buffer.getvalue()

    return run


@pytest.fixture
def of_file(tmp_path: Path, tiny_model: Any) -> Callable[..., bytes]:
    """`of_file(content, name, out)`: the bytes that the file `name` is scored into."""

    def run(content: bytes, name: str, out: str, **options: Any) -> bytes:
        (tmp_path / name).write_bytes(content)
        how = {"model": str(tiny_model("bert")), "precision": "fp32", "force": True} | options
        scorer.score(tmp_path / name, tmp_path / out, **how)
        return (tmp_path / out).read_bytes()

    return run


def test_the_bytes_are_those_of_a_file(stream, of_file):
    options = WHOLE | {"types": "id=string"}
    assert stream(CSV.encode(), **options) == of_file(CSV.encode(), "in.csv", "out.csv", **options)
    tabs = CSV.replace(",", "\t")
    assert stream(tabs.encode(), **options) == of_file(tabs.encode(), "in.tsv", "out.tsv", **options)
    # Whatever the pieces are in which it arrives.
    pieces = (CSV.encode()[at : at + 7] for at in range(0, len(CSV.encode()), 7))
    assert stream(pieces, **options) == of_file(CSV.encode(), "in.csv", "out.csv", **options)
    assert stream(LINES.encode(), **WHOLE) == of_file(LINES.encode(), "in.jsonl", "out.jsonl", **WHOLE)
    lines = stream(CSV.encode(), output_format="jsonl", **options)
    assert lines == of_file(CSV.encode(), "in.csv", "out.jsonl", **options)
    assert json.loads(lines.splitlines()[3])["id"] == "3"


DIALECTS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "semicolons": (b"id;text\n1;good, bad\n", {"delimiter": ";"}),
    "a line that says it": (b"sep=;\nid;text\n1;good, bad\n", {}),
    "no quotes": (b'id\ttext\n1\ta 5" cup\n', {"quote": "none", "delimiter": "tab"}),
    "windows-1252": (
        "id,text\n1,caf\xe9 \x80\n".replace("\x80", "\u20ac").encode("windows-1252"),
        {"encoding": "cp1252"},
    ),
    "UTF-16": ("id,text\n1,caf\xe9\n2,x\n".encode("utf-16"), {"encoding": "utf-16"}),
    "no header": (b"1,good\n2,bad\n", {"no_header": True, "columns": "id,text"}),
    "a byte-order mark, blank lines": (b"\xef\xbb\xbfid,text\n\n1,good\n\n", {}),
    "lines": (b'one "text" a line\nanother, too\n', {"input_format": "lines"}),
    "CR alone": (b"id,text\r1,good\r2,bad\r", {}),
}


@pytest.mark.parametrize("case", DIALECTS)
def test_dialects_hold_for_streams(stream, of_file, case):
    content, options = DIALECTS[case]
    expected = of_file(content, "in.data", "out.csv", **{"input_format": "csv"} | options)
    assert stream(content, **options) == expected
    assert stream((bytes([byte]) for byte in content), **options) == expected


def test_blank_lines_are_counted(stream):
    stream(b"id,text\n1,good\n\n2,bad\n\n")
    assert stream.summary.blank_lines == 2


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, lambda data: pa.compress(data, "zstd")])
def test_compressed_streams_come_as_they_are(stream, pack):
    expected = stream(CSV.encode(), **WHOLE)
    packed = bytes(pack(CSV.encode()))
    assert stream((packed[at : at + 5] for at in range(0, len(packed), 5)), **WHOLE) == expected
    with pytest.raises(DataError, match=r"^standard input: the \w+ stream is damaged or cut short$"):
        stream(packed[:-9], **WHOLE)


def arrow(tables: Iterable[pa.Table], *, whole: bool = True) -> bytes:
    out = io.BytesIO()
    tables = list(tables)
    with (pa.ipc.new_file if not whole else pa.ipc.new_stream)(out, tables[0].schema) as writer:
        for table in tables:
            writer.write_table(table)
    return out.getvalue()


def table(begin: int, end: int) -> pa.Table:
    numbers = pa.array([number for number, _ in ROWS[begin:end]], pa.int32())
    words = pa.array([f"w{number}" for number, _ in ROWS[begin:end]]).dictionary_encode()
    return pa.table({"n": numbers, "text": [text for _, text in ROWS[begin:end]], "word": words})


def test_arrow_streams(stream):
    """Each batch has a dictionary of its own, as it may in a stream."""
    tables = [table(0, 10), table(10, 20), table(20, 40)]
    sent = arrow(tables)
    for content in (sent, arrow([pa.concat_tables(tables).unify_dictionaries()], whole=False)):
        with pa.ipc.open_stream(stream(content, window_rows=8)) as reader:
            got = reader.read_all()
        assert (
            got.drop_columns(["score", "confidence", "score_status"]).to_pylist()
            == pa.concat_tables(tables).to_pylist()
        )
        assert got.schema.field("n").type == pa.int32()
        assert got["score_status"].to_pylist() == ["ok"] * 40
    assert stream(sent, output_format="csv").startswith(b"n,text,word,score,")
    with pytest.raises(DataError, match=r"^standard input: damaged Arrow data: the stream has no end"):
        stream(sent[:-8])
    with pytest.raises(DataError, match=r"^standard input: more follows the end of the Arrow stream"):
        stream(sent + b"x")
    with pytest.raises(DataError, match=r"^standard input: damaged Arrow data"):
        stream(sent[: len(sent) // 2])


def test_other_readers_take_arrow_from_a_stream(stream):
    polars = pytest.importorskip("polars")
    frame = polars.read_ipc_stream(stream(arrow([table(0, 10), table(10, 40)]), window_rows=8))
    assert frame["n"].to_list() == list(range(40))
    assert frame["word"].to_list() == [f"w{number}" for number in range(40)]


def test_types_that_were_said(stream, of_file):
    content = b"id,price,yes,text\n1,1.50,true,good\n,2,False,bad\n"
    options = {"types": "id=int64,price=double,yes=bool"}
    with pa.ipc.open_stream(stream(content, output_format="arrow", **options)) as reader:
        rows = reader.read_all()
    assert rows.schema.types[:4] == [pa.int64(), pa.float64(), pa.bool_(), pa.string()]
    assert rows["price"].to_pylist() == [1.5, 2.0]
    assert pq.read_table(io.BytesIO(of_file(content, "in.csv", "out.parquet", **options))).schema.types[:3] == [
        pa.int64(),
        pa.float64(),
        pa.bool_(),
    ]
    text = stream(content, output_format="jsonl")
    assert json.loads(text.splitlines()[0])["price"] == "1.50"


@pytest.mark.parametrize(
    ("types", "error", "message"),
    [
        ("id=int64", DataError, r"row 2: column 'id': not the int64 that --types says"),
        ("price=double", DataError, r"row 2: column 'price': not the double that --types says"),
        ("flag=bool", DataError, r"row 2: column 'flag': not the bool that --types says"),
        ("no=bool", UsageError, "--types: no column 'no'"),
        ("text=int64", UsageError, "--types: column 'text' holds the texts"),
        ("id=number", UsageError, "--types id=number: NAME=TYPE is needed"),
        ("id", UsageError, "--types id: NAME=TYPE is needed"),
    ],
)
def test_what_is_not_of_the_type_that_was_said(stream, of_file, types, error, message):
    content = b"id,price,flag,text\n1,1.50,true,good\n007,nan,yes,bad\n"
    with pytest.raises(error, match=message):
        stream(content, types=types)
    if error is DataError:
        assert len(stream.out.getvalue().splitlines()) == 2
    with pytest.raises(error, match=message):
        of_file(content, "in.csv", "out.csv", types=types)


BROKEN: dict[str, tuple[bytes, type[ScorerError], str]] = {
    "a record of another width": (b"id,text\n1,good\n2,bad\n3\n4,x\n", DataError, r"record 3 \(line 4\): 1 field"),
    "a stray quote": (b'id,text\n1,good\n2,bad\n3,x"y\n4,x\n', DataError, r"record 3 \(line 4\): a quote inside"),
    "a quote never closed": (b'id,text\n1,good\n2,bad\n3,"y\n', DataError, r"record 3 \(line 4\): a quote that opens"),
    "no UTF-8": (b"id,text\n1,good\n2,bad\n3,\xe9\n4,x\n", DataError, r"record 3 \(line 4\): byte \d+ is not UTF-8"),
    "no JSON": (b'{"text":"good"}\n{"text":"bad"}\n{"text"}\n{"text":"x"}\n', DataError, "line 3: not JSON"),
    "another kind": (b'{"text":"good"}\n{"text":"bad"}\n{"text":1}\n', DataError, "line 3: column 'text' is a number"),
    "an object": (b'{"text":"good"}\n{"text":"bad"}\n{"text":{}}\n', ConfigError, "line 3: column 'text' is an object"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_rows_before_a_broken_one_are_out(stream, case):
    content, error, message = BROKEN[case]
    with pytest.raises(error, match=f"^standard input: {message}"):
        stream(content)
    lines = stream.out.getvalue().splitlines()
    assert len(lines) == (2 if content.startswith(b"{") else 3), lines


def test_a_key_of_ours_in_a_later_line(stream):
    with pytest.raises(UsageError, match=r"^the input has a column 'score'"):
        stream(b'{"text":"good"}\n{"score":1}\n')
    many = b'{"text":"good"}\n' * 10_000
    with pytest.raises(UsageError, match=r"^standard input: line 10001: the input has a column 'score'"):
        stream(many + b'{"score":1}\n')
    assert stream.out.getvalue().count(b"\n") == 10_000


def test_a_byte_that_is_none_of_the_encoding(stream):
    content = "id,text\n1,gut\n2,schlecht\n".encode("utf-16") + b"\x33\x00\x00\xd8\x2c\x00"
    with pytest.raises(DataError, match=r"^standard input: --encoding utf-16: byte \d+ "):
        stream(content, encoding="utf-16")
    assert stream.out.getvalue().count(b",ok\n") == 2
    # The very last byte, which only the end tells to be none.
    with pytest.raises(DataError, match=r"^standard input: --encoding utf-16: byte \d+ "):
        stream("id,text\n1,gut\n".encode("utf-16") + b"\x33", encoding="utf-16")


def test_rejects_take_one_pass(stream, tmp_path):
    rejects = tmp_path / "rejects.jsonl"
    out = stream(b"id,text\n1,good\n2\n3,bad\n", rejects=rejects)
    assert out.count(b"\n") == 3
    (record,) = map(json.loads, rejects.read_text().splitlines())
    assert (record["file"], record["record"], record["text"]) == ("standard input", 2, "2\n")
    out = stream(b'{"text":"good"}\n{"text"\n{"text":1}\n{"text":"bad"}\n', rejects=rejects)
    assert (out.count(b"\n"), stream.summary.rejected) == (2, 2)
    assert [json.loads(line)["line"] for line in rejects.read_text().splitlines()] == [2, 3]


def test_a_text_column_that_no_line_has(stream):
    out = stream(b'{"a":1}\n{"text":"good"}\n', text_column=("text",))
    assert [json.loads(line)["score_status"] for line in out.splitlines()] == ["null", "ok"]
    with pytest.raises(UsageError, match=r"^standard input: no column 'txet'"):
        stream(b'{"a":1}\n{"text":"good"}\n', text_column=("txet",))


def test_a_wrong_delimiter_and_a_missing_header_are_told(stream):
    with pytest.raises(DataError, match=r"^standard input: one column only, .* try: --delimiter ';'$"):
        stream(b"id;text\n1;good\n")
    with pytest.raises(DataError, match=r"^standard input: the first line looks like data"):
        stream(b"1,the food was very good today\n2,bad\n")


def test_limit_stops_reading(stream):
    ended = threading.Event()

    def endless() -> Iterable[bytes]:
        yield b"id,text\n"
        while True:
            yield b"1,good\n" * 1000
        ended.set()

    out = stream(endless(), limit=5)
    assert out.count(b",ok\n") == 5
    assert not ended.is_set()


FORMATS: dict[str, tuple[bytes, str]] = {
    "csv": (b"text\ngood\n", "text,score,"),
    "tsv": (b"id\ttext\n1\tgood\n", "id\ttext\tscore\t"),
    "jsonl": (b'{"text": "good"}\n', '{"text": "good","score":'),
    "json": (b'[\n{"text": "good"}]', '{"text": "good","score":'),
}


@pytest.mark.parametrize("case", FORMATS)
def test_a_stream_has_the_text_format_of_its_input(stream, case):
    content, begin = FORMATS[case]
    assert stream(content).decode().startswith(begin)


def test_what_has_to_be_seen_whole_is_spooled_and_called_by_its_own_name(stream):
    """A table of JSON lines, Parquet: the types are those of a file."""
    out = stream(b'{"text":"good","n":1}\n{"text":"bad","n":2,"more":true}\n', output_format="csv")
    assert out.startswith(b"text,n,more,score,")
    got = pq.read_table(io.BytesIO(stream(b"id,text\n1,good\n", output_format="parquet")))
    assert got.schema.field("id").type == pa.int64()
    for content, options in (
        (b"id,text\n1,good\n2\n", {"output_format": "parquet"}),
        (b'{"text":"good"}\n{"text"}\n', {"output_format": "csv"}),
        (b'[{"text":"good"},{"text"}]', {}),
        (b"PK\x03\x04" + bytes(40), {}),
        (b"PAR1" * 9, {}),
        (b"ARROW1\0\0" + bytes(99), {}),
        (b"", {}),
        ("id,text\n".encode("utf-16"), {}),
    ):
        with pytest.raises(DataError, match=r"^standard input: ") as caught:
            stream(content, **options)
        assert "scorer-stdin" not in str(caught.value)
