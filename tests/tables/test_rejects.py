"""Malformed records set aside: byte for byte, numbered, the rest read as if they were not there."""

from __future__ import annotations

import base64
import codecs
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from scorer.errors import DataError, ScorerError, UsageError
from scorer.stores.fingerprints import Stamp
from scorer.tables.dialect import Dialect
from scorer.tables.formats.csv import DelimitedReader, read_header
from scorer.tables.rejects import CountedRejects, Malformed, Rejects
from scorer.tables.source import Source
from tests.tables.oracle import slow_pieces, slow_record

LIMITS = {"max_rows": 1000, "max_bytes": 64 << 20}


def write(folder: Path, content: str | bytes, name: str = "in.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def whole(reader: Any) -> pa.Table:
    windows = list(reader.windows(**LIMITS))
    assert reader.rows == sum(window.num_rows for window in windows)
    return pa.concat_tables(windows) if windows else reader.schema.empty_table()


def read(path: Path, *text_columns: str) -> tuple[pa.Table, list[dict[str, Any]]]:
    """The rows of `path` and the records that were rejected."""
    rejects = Rejects(path.with_name("rejects.jsonl"))
    try:
        table = whole(Source.open(str(path), rejects=rejects).read(text_columns))
        rejects.commit()
    finally:
        rejects.discard()
    found = kept(rejects.target)
    assert rejects.count == len(found)
    return table, found


def kept(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def content(rejected: dict[str, Any]) -> bytes:
    assert ("text" in rejected) != ("base64" in rejected)
    return rejected["text"].encode() if "text" in rejected else base64.b64decode(rejected["base64"])


@pytest.mark.parametrize(
    ("bad", "reasons"),
    [
        (b"3\n", ["1 field instead of 2"]),
        (b"3,4,5\r\n", ["3 fields instead of 2"]),
        (b'"3\n,4"\n', ["1 field instead of 2"]),
        (b"\n", []),
        (b"\r\n\r", []),
        (b" \n", ["1 field instead of 2"]),
        (b'3,a "stray" quote\n', ["a quote inside a field"]),
        (b'3,"closed" early\n', ["text after a closing quote"]),
        (
            b'3,"backslash \\"quoted\\""\n',
            ["text after a closing quote; a quote inside a quoted field must be doubled; the"],
        ),
        (b'3,"two\nlines" and more\n', ["text after a closing quote", "a quote inside a field"]),
        (b"3,caf\xe9\n", ["byte 13 is not UTF-8 (0xe9"]),
        (b"3,\xed\xa0\x80\n", ["byte 10 is not UTF-8 (an encoded surrogate)"]),
        (b'3,"\xff\xfe" \n', ["text after a closing quote"]),
    ],
)
def test_a_malformed_record_is_set_aside(tmp_path: Path, bad: bytes, reasons: list[str]) -> None:
    table, found = read(write(tmp_path, b"a,b\n1,2\n" + bad + b"6,7\n"))
    assert table.to_pydict() == {"a": [1, 6], "b": [2, 7]}
    assert b"".join(map(content, found)) == (bad if reasons else b"")
    assert [rejected["record"] for rejected in found] == list(range(2, 2 + len(reasons)))
    assert [rejected["line"] for rejected in found] == list(range(3, 3 + len(reasons)))
    for rejected, reason in zip(found, reasons, strict=True):
        assert rejected["reason"].startswith(reason)
        assert rejected["file"] == str(tmp_path / "in.csv")


def test_an_unclosed_quote_costs_its_own_line_only(tmp_path: Path) -> None:
    table, found = read(write(tmp_path, 'a,b\n1,2\n3,"x\n4,5\n6,"y\nz"\n7,8'))
    assert table.to_pylist() == [{"a": 1, "b": "2"}, {"a": 4, "b": "5"}, {"a": 6, "b": "y\nz"}, {"a": 7, "b": "8"}]
    assert [(rejected["record"], rejected["line"], rejected["text"]) for rejected in found] == [(2, 3, '3,"x\n')]
    table, found = read(write(tmp_path, 'a,b\n1,2\n3,"x'))
    assert table.to_pylist() == [{"a": 1, "b": 2}]
    assert found[0]["text"] == '3,"x'
    assert "never closed" in found[0]["reason"]


def test_rejected_records_have_no_say_in_the_types(tmp_path: Path) -> None:
    table, found = read(write(tmp_path, 'n,f\n1,0.5\nx,y,z\n"q" ,\n\xe9\n2,1.5\n'.encode("latin-1")))
    assert table.schema.types == [pa.int64(), pa.float64()]
    assert len(found) == 3


def test_every_record_may_be_malformed(tmp_path: Path) -> None:
    table, found = read(write(tmp_path, "text,b\n" + 'say "it"\n' * 5000), "text")
    assert (table.num_rows, table.column_names) == (0, ["text", "b"])
    assert [rejected["record"] for rejected in found] == list(range(1, 5001))


def test_a_malformed_header_is_refused_all_the_same(tmp_path: Path) -> None:
    for header in (b'a,b"c"\n', b"a,a\n", b'"a,b\n', b"a\xff,b\n", b""):
        with pytest.raises(DataError):
            read(write(tmp_path, header + b"1,2\n" * bool(header)))


def test_a_missing_column_is_refused_all_the_same(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no column 'txt'"):
        read(write(tmp_path, "text,b\n1\n"), "txt")


def test_records_are_numbered_by_file(tmp_path: Path) -> None:
    write(tmp_path, "a,b\n1\n", "1.csv")
    write(tmp_path, gzip.compress(b"a,b\n1,2\n1,2,3\n"), "2.csv.gz")
    rejects = Rejects(tmp_path / "out" / "rejects.jsonl")
    rejects.target.parent.mkdir()
    assert whole(Source.open(str(tmp_path), rejects=rejects).read()).to_pydict() == {"a": [1], "b": [2]}
    rejects.commit()
    found = [(Path(rejected["file"]).name, rejected["record"]) for rejected in kept(rejects.target)]
    assert found == [("1.csv", 1), ("2.csv.gz", 2)]


def test_a_line_break_far_away_is_found(tmp_path: Path) -> None:
    long = "x" * 3_000_000
    table, found = read(write(tmp_path, f'a,b\n1,"{long}" {long}\n2,3\n4,"5\n' + "6,7\n" * 400_000))
    assert [rejected["record"] for rejected in found] == [1, 3]
    assert len(found[0]["text"]) == 6_000_006
    assert table.num_rows == 400_001
    assert table.slice(0, 2).to_pylist() == [{"a": 2, "b": 3}, {"a": 6, "b": 7}]


@pytest.mark.slow
def test_a_quote_that_is_not_closed_within_the_longest_record(tmp_path: Path) -> None:
    path = write(tmp_path, 'a,b\n1,"2\n' + "3,4\n" * (20 << 20))
    table, found = read(path)
    assert (table.num_rows, len(found)) == (20 << 20, 1)
    assert "longer than 64 MiB" in found[0]["reason"]
    with pytest.raises(DataError, match=r"record 1 .*longer than 64 MiB"):
        read(write(tmp_path, "a,b\n" + "x" * (65 << 20)))


def read_in_blocks(path: Path, block_bytes: int, rows: int | None) -> tuple[pa.Table, list[dict[str, Any]]]:
    rejects = Rejects(path.with_name("rejects.jsonl"), rows=rows)
    stamp = Stamp.of(path)
    names = read_header(stamp, Dialect())
    reader = DelimitedReader([stamp], names, names, dialect=Dialect(), block_bytes=block_bytes, rejects=rejects)
    table = whole(reader)
    rejects.commit()
    return table, kept(rejects.target)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.lists(
        st.one_of(
            st.binary(max_size=1),
            st.sampled_from([b"1,2\n", b'"x\ny",\r\n', b"a", b'"', b'""', b",", b"\r", b"\n", b"\xc3\xa9", b"\xe9"]),
        ),
        max_size=24,
    ).map(b"".join),
    header=st.sampled_from(["a\n", "a,b\r\n", "a,b,c\r"]),
    block_bytes=st.integers(1, 40),
    wanted=st.one_of(st.none(), st.integers(1, 4)),
)
def test_what_is_kept_and_what_is_rejected_is_what_the_slow_reader_says(
    tmp_path: Path, body: bytes, header: str, block_bytes: int, wanted: int | None
) -> None:
    assume(not (header.endswith("\r") and body.startswith(b"\n")))
    path = write(tmp_path, header.encode() + body)
    names = header.strip().split(",")
    table, found = read_in_blocks(path, block_bytes, wanted)
    pieces = slow_pieces(body.decode("latin-1"), len(names))
    sound = [is_text(piece) and record is not None for piece, record in pieces]
    assert [(rejected["record"], content(rejected).decode("latin-1")) for rejected in found] == [
        (number, piece)
        for number, ((piece, _), good) in enumerate(zip(pieces, sound, strict=True), 1)
        if not good and (wanted is None or sum(sound[:number]) < wanted)
    ]
    expected = [
        [slow_value(field, len(names)) for field in record]
        for (_, record), good in zip(pieces, sound, strict=True)
        if good and record is not None
    ]
    assert [list(row.values()) for row in table.to_pylist()] == expected
    assert slow_record(header, 0, ",")[1] == len(header)


@pytest.mark.parametrize(("wanted", "expected"), [(1, 1), (2, 3), (3, 4), (4, 5), (5, 6), (None, 6)])
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_of_the_first_rows_only_what_comes_before_the_last_of_them(
    tmp_path: Path, ending: str, wanted: int | None, expected: int
) -> None:
    """A file with rows 1 to 3 among malformed records, and one with row 4 between two more."""
    (tmp_path / "in").mkdir()
    if ending == "csv":
        write(tmp_path / "in", 'a,b\n1\n1,2\n1,2,3\n\n1\n1,2\n1,say "it"\n1,2\n', "1.csv")
        write(tmp_path / "in", "a,b\n1\n1,2\n1\n", "2.csv")
    else:
        huge = '{"a": "\\ud800"}'
        write(tmp_path / "in", f'{{"a"\n\n{{"a": 1}}\n{huge}\n[]\n{{"a": 1}}\n{huge}\n\n{{"a": 1}}\n', "1.jsonl")
        write(tmp_path / "in", '{"a"\n{"a": 1}\n[]\n', "2.jsonl")
    rejects = Rejects(tmp_path / "rejects.jsonl", rows=wanted)
    assert whole(Source.open(str(tmp_path / "in"), rejects=rejects).read()).num_rows == 4
    rejects.commit()
    found = kept(rejects.target)
    assert len(found) == rejects.count == expected
    assert found == sorted(found, key=lambda rejected: (rejected["file"], rejected["line"]))


def is_text(piece: str) -> bool:
    try:
        piece.encode("latin-1").decode()
    except UnicodeDecodeError:
        return False
    return True


def slow_value(field: Any, width: int) -> str | None:
    if width > 1 and not field.quoted and not field.value:
        return None
    return str(field.value.encode("latin-1").decode())


# JSON lines.


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b'{"a": 1\n', "not JSON at character 8"),
        (b"[1]\r\n", "a list instead of an object"),
        (b'{"a": NaN}\n', "NaN is not JSON"),
        (b'{"a": 1, "a": 2}\n', "a key stands twice"),
        (b'{"t": "caf\xe9"}\n', "byte 30 is not UTF-8"),
        (b'{"t": "\\ud800"}\n', "a text with an unpaired surrogate"),
        (b'{"a": ' + b"[" * 100_000 + b"\n", "nested too deeply"),
    ],
)
def test_a_malformed_line_is_set_aside(tmp_path: Path, bad: bytes, reason: str) -> None:
    path = write(tmp_path, b'{"a": 1, "t": "x"}\n\n' + bad + b'{"a": 2, "t": null}', "in.jsonl")
    table, found = read(path, "t")
    assert table.to_pylist() == [{"a": 1, "t": "x"}, {"a": 2, "t": None}]
    assert list(map(content, found)) == [bad]
    assert (found[0]["record"], found[0]["line"]) == (3, 3)
    assert found[0]["reason"].startswith(reason)


def test_a_first_or_last_line_may_be_malformed(tmp_path: Path) -> None:
    path = write(tmp_path, b'\xef\xbb\xbf{"a": "x"\n{"t": "x"}\n{"a', "in.jsonl")
    table, found = read(path, "t")
    assert table.to_pylist() == [{"t": "x"}]
    assert list(map(content, found)) == [b'\xef\xbb\xbf{"a": "x"\n', b'{"a']


def test_lines_without_any_object_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no line holds an object"):
        read(write(tmp_path, '{"a": 1\n', "in.jsonl"))


# Formats without records, and the file itself.


@pytest.mark.parametrize("name", ["in.parquet", "in.arrow"])
def test_formats_without_records_reject_nothing(tmp_path: Path, name: str) -> None:
    table = pa.table({"text": ["a", None]})
    path = tmp_path / name
    if name == "in.parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    assert read(path, "text") == (table, [])


def a_record(number: int = 1) -> Malformed:
    return Malformed(Path("in.csv"), number, number + 1, "1 field instead of 2", b"x\n")


def test_nothing_is_created_before_there_is_something_to_keep(tmp_path: Path) -> None:
    target = tmp_path / "rejects.jsonl"
    rejects = Rejects(target)
    rejects.discard()
    assert list(tmp_path.iterdir()) == []
    rejects = Rejects(target)
    rejects.add(a_record())
    assert [path.name for path in tmp_path.iterdir()] == ["rejects.jsonl.partial"]
    rejects.commit()
    rejects.discard()
    assert kept(target) == [{"file": "in.csv", "record": 1, "line": 2, "reason": "1 field instead of 2", "text": "x\n"}]


def test_without_malformed_records_an_earlier_file_gives_way_to_an_empty_one(tmp_path: Path) -> None:
    target = write(tmp_path, "yesterday's\n", "rejects.jsonl")
    Rejects(target).commit()
    assert target.read_bytes() == b""


def test_discarded_rejects_leave_an_earlier_file_alone(tmp_path: Path) -> None:
    target = write(tmp_path, "yesterday's\n", "rejects.jsonl")
    rejects = Rejects(target)
    rejects.add(a_record())
    rejects.discard()
    assert target.read_text() == "yesterday's\n"
    assert [path.name for path in tmp_path.iterdir()] == ["rejects.jsonl"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ScorerError):
        Rejects(tmp_path / "none" / "rejects.jsonl").add(a_record())


KINDS = {bool: "true or false", int: "a number", float: "a number", str: "text", dict: "an object", list: "a list"}
VALUES = st.sampled_from([None, 1, 2.5, True, "x", "", {}, {"a": 1}, {"b": [1, "x"]}, [], [1], ["x", {"c": 1}]])
ROWS = st.lists(st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3), min_size=1, max_size=12)


def contradicting(rows: list[dict[str, Any]], columns: str = "abc") -> list[int]:
    """The numbers of the rows with a value of another kind than the first one of its column in a row that stays."""
    first: dict[str, str] = {}
    found = []
    for number, row in enumerate(rows):
        kinds = {name: KINDS[type(value)] for name, value in row.items() if value is not None and name in columns}
        if any(first.get(name, kind) != kind for name, kind in kinds.items()):
            found.append(number)
        else:
            first = kinds | first
    return found


@pytest.mark.parametrize("name", ["in.jsonl", "in.json"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_of_two_lines_with_other_kinds_of_values_the_later_is_set_aside(
    tmp_path: Path, name: str, rows: list[dict[str, Any]]
) -> None:
    lines = [json.dumps({**row, "n": number}) for number, row in enumerate(rows)]
    array = "[" + ",\n".join(lines) + "]"
    path = write(tmp_path, array if name == "in.json" else "\n".join(lines), name)
    wrong = contradicting(rows)
    try:
        expected = read(write(tmp_path, "\n".join(line for n, line in enumerate(lines) if n not in wrong), "o.jsonl"))
    except DataError:  # a table that no type holds is none with rejects either
        expected = None
    if expected is None:
        return
    table, found = read(path)
    assert table == expected[0]
    assert [json.loads(content(record))["n"] for record in found] == wrong
    assert [record["record"] for record in found] == [number + 1 for number in wrong]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_lines_that_stay_lines_are_judged_by_their_texts(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    """For an output of JSON lines, whatever stands in the other columns stays as it is."""
    rows = [{"a": "x"}, *rows]
    wrong = contradicting(rows, "a")
    path = write(tmp_path, "".join(json.dumps(row) + "\n" for row in rows), "in.jsonl")
    rejects = Rejects(tmp_path / "rejects.jsonl")
    table = whole(Source.open(str(path), rejects=rejects).read(["a"], appended=["score"]))
    rejects.discard()
    assert rejects.count == len(wrong)
    assert table["a"].to_pylist() == [row.get("a") for number, row in enumerate(rows) if number not in wrong]
    assert table["line"].to_pylist() == [json.dumps(row) for number, row in enumerate(rows) if number not in wrong]


def test_lines_of_one_input_have_one_kind_whatever_file_they_are_in(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder, '{"a": 1}\n{"a": "x"}\n', "1.jsonl")
    write(folder, '{"a": "x"}\n{"a": 2.5}\n', "2.jsonl")
    rejects = Rejects(tmp_path / "rejects.jsonl", rows=2)
    source = Source.open(str(folder), rejects=rejects)
    assert whole(source.read()).to_pydict() == {"a": [1.0, 2.5]}
    assert whole(source.read()).to_pydict() == {"a": [1.0, 2.5]}
    rejects.commit()
    assert [(Path(found["file"]).name, found["record"]) for found in kept(rejects.target)] == [
        ("1.jsonl", 2),
        ("2.jsonl", 1),
    ]


def test_kinds_are_judged_after_the_line_itself(tmp_path: Path) -> None:
    """A line that is refused has no say in the kinds, nor have its other columns."""
    table, found = read(write(tmp_path, '{"a": 1}\n{"a": "x", "b": 1}\n{"b": "y"}\n{"a": "x\n{"a": 2}\n', "in.jsonl"))
    assert table.to_pydict() == {"a": [1, None, 2], "b": [None, "y", None]}
    assert [record["record"] for record in found] == [2, 4]


@pytest.mark.parametrize(
    ("encoding", "text", "bad"),
    [
        ("windows-1252", "\u2019s caf\xe9", b"\x81"),
        ("ascii", "plain", b"\xe9"),
        ("shift_jis", "\u8868\u793a", b"\x96"),
        ("big5", "\u529f\u80fd", b"\xa1"),
        ("gb18030", "\u4f60\U0001f600", b"\x81\x30"),
        ("euc-kr", "\ud55c\uad6d", b"\xb0"),
    ],
)
@pytest.mark.parametrize("name", ["in.csv", "in.jsonl", "in.json"])
def test_bytes_that_the_encoding_does_not_have_cost_their_record(
    tmp_path: Path, name: str, encoding: str, text: str, bad: bytes
) -> None:
    good, wrong = text.encode(encoding), text.encode(encoding) + bad
    if name == "in.csv":
        lines = [b'1,"%s"\n' % good, b'2,"%s"\n' % wrong, b"3,%s\n" % wrong, b'4,"%s\n%s"\n' % (good, good)]
        data = b"n,t\n" + b"".join(lines)
    else:
        lines = [b'{"n": %d, "t": "%s"}\n' % (n, t) for n, t in enumerate((good, wrong, wrong, good), 1)]
        data = b"".join(lines) if name == "in.jsonl" else b"[" + b",\n".join(line[:-1] for line in lines) + b"]"
    path = write(tmp_path, data, name)
    rejects = Rejects(tmp_path / "rejects.jsonl")
    dialect = Dialect(encoding=codecs.lookup(encoding).name)
    table = whole(Source.open(str(path), rejects=rejects, dialect=dialect).read(["t"]))
    rejects.commit()
    found = kept(rejects.target)
    assert table["n"].to_pylist() == [1, 4]
    assert table["t"].to_pylist() == [text, f"{text}\n{text}" if name == "in.csv" else text]
    assert [content(record) for record in found] == lines[1:3]
    assert all(f"is not {codecs.lookup(encoding).name}" in record["reason"] for record in found)
    with pytest.raises(DataError, match="--encoding"):
        Source.open(str(path), dialect=dialect).read(["t"])


def test_bytes_behind_which_no_record_begins_are_an_error_all_the_same(tmp_path: Path) -> None:
    path = write(tmp_path, "n,t\n1,x\n".encode("utf-16") + b"\x00\xd8\n\x00")
    with pytest.raises(DataError, match="nothing tells where the next record begins, so --rejects cannot set it aside"):
        Source.open(str(path), rejects=CountedRejects(), dialect=Dialect(encoding="utf-16")).read()


def test_an_array_keeps_what_is_not_utf8_in_one_entry(tmp_path: Path) -> None:
    table, found = read(write(tmp_path, b'[{"t": "a"}, {"t": "\xff"}, \xfe, {"t": "\xc3\xa9"}]', "in.json"), "t")
    assert table["t"].to_pylist() == ["a", "\xe9"]
    assert [content(record) for record in found] == [b'{"t": "\xff"}\n', b"\xfe\n"]
    assert found[0]["reason"] == "a byte is not UTF-8 (0xff)"
