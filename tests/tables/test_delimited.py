"""CSV and TSV: every case of bad input, and random files against slow readers, with block edges everywhere."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from scorer.errors import DataError, UsageError
from scorer.stores.fingerprints import Stamp
from scorer.tables.dialect import Dialect
from scorer.tables.formats.csv import DelimitedReader, read_header
from scorer.tables.source import Source
from tests.tables.growth import run
from tests.tables.oracle import slow_records, without_blank_lines

LIMITS = {"max_rows": 65_536, "max_bytes": 64 << 20}


def write(folder: Path, content: str | bytes, name: str = "in.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path, *text_columns: str) -> pa.Table:
    reader = Source.open(str(path)).read(text_columns)
    windows = list(reader.windows(**LIMITS))
    assert reader.rows == sum(window.num_rows for window in windows)
    return pa.concat_tables(windows) if windows else reader.schema.empty_table()


def columns(path: Path, *text_columns: str) -> dict[str, list[Any]]:
    return dict(read(path, *text_columns).to_pydict())


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def read_in_blocks(path: Path, block_bytes: int) -> pa.Table:
    stamp = Stamp.of(path)
    names = read_header(stamp, Dialect())
    reader = DelimitedReader([stamp], names, names, dialect=Dialect(), block_bytes=block_bytes)
    windows = list(reader.windows(**LIMITS))
    return pa.concat_tables(windows) if windows else reader.schema.empty_table()


# The cases of the list of bad input, by number.


def test_01_an_empty_file_is_refused(tmp_path: Path) -> None:
    assert "empty" in refusal(write(tmp_path, ""))
    assert "empty" in refusal(write(tmp_path, b"\xef\xbb\xbf"))
    assert "empty" in refusal(write(tmp_path, gzip.compress(b""), "in.csv.gz"))


def test_02_a_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    table = read(write(tmp_path, "text,id\n"))
    assert table.num_rows == 0
    assert table.schema == pa.schema([("text", pa.string()), ("id", pa.string())])
    assert read(write(tmp_path, "text,id")).num_rows == 0


def test_03_a_byte_order_mark_is_stripped(tmp_path: Path) -> None:
    assert columns(write(tmp_path, b"\xef\xbb\xbfa,b\nx,\xef\xbb\xbfy\n")) == {"a": ["x"], "b": ["\ufeffy"]}
    assert columns(write(tmp_path, b'\xef\xbb\xbf"a",b\nx,y\n')) == {"a": ["x"], "b": ["y"]}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_04_utf_16_and_32_are_refused_by_name(tmp_path: Path, encoding: str) -> None:
    assert "UTF-16" in refusal(write(tmp_path, "text,id\nhello,1\n".encode(encoding)))


def test_05_bytes_that_are_not_utf_8_are_located(tmp_path: Path) -> None:
    content = b"a,b\n1,ok\n2,caf\xe9\n"
    assert f"byte {content.index(0xE9)} is not UTF-8" in refusal(write(tmp_path, content))
    late = b"a\n" + b"fill\n" * 600_000 + b"\xff\n"
    assert f"byte {len(late) - 2} is not UTF-8" in refusal(write(tmp_path, late))
    assert "byte 1 is not UTF-8" in refusal(write(tmp_path, b"a\xff,b\n"))


def test_06_an_encoded_surrogate_is_refused(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, b"a,b\n1,\xed\xa0\x80\n"))
    assert "byte 6" in message
    assert "surrogate" in message


def test_07_a_nul_is_preserved(tmp_path: Path) -> None:
    assert columns(write(tmp_path, "a,b\nx\0y,\0\n")) == {"a": ["x\0y"], "b": ["\0"]}


def test_08_09_a_ragged_record_is_refused_with_its_number(tmp_path: Path) -> None:
    assert "record 2 (line 3): 1 field instead of 2" in refusal(write(tmp_path, "a,b\n1,2\n3\n4,5\n"))
    assert "record 2 (line 4): 3 fields instead of 2" in refusal(write(tmp_path, 'a,b\n"1\n",2\n3,4,5\n'))
    many = "a,b\n" + "1,2\n" * 500_000 + "1\n"
    assert "record 500001 (line 500002): 1 field" in refusal(write(tmp_path, many))


def test_10_a_stray_quote_is_refused(tmp_path: Path) -> None:
    assert "record 2 (line 3): a quote inside a field" in refusal(write(tmp_path, 'a,b\n1,2\n3 "x",y\n'))
    assert "header (line 1): a quote inside" in refusal(write(tmp_path, 'a,b"c"\n1,2\n'))


def test_11_an_unclosed_quote_is_refused_where_it_opens(tmp_path: Path) -> None:
    assert "record 2 (line 3): a quote that opens here" in refusal(write(tmp_path, 'a,b\n1,2\n3,"x\n4,5\n6,7\n'))
    assert "header" in refusal(write(tmp_path, '"a,b\n1,2\n'))


def test_12_text_after_a_closing_quote_is_refused(tmp_path: Path) -> None:
    assert "record 1 (line 2): text after a closing quote" in refusal(write(tmp_path, 'a,b\n"1"x,2\n'))


@pytest.mark.parametrize("record", [r'"he said \"no\"",1', r'"it ends \"",1', r'1,"a\",b"'])
def test_13_backslash_escapes_are_hinted_at(tmp_path: Path, record: str) -> None:
    assert "backslash" in refusal(write(tmp_path, f"a,b\n{record}\n"))


@pytest.mark.parametrize("block_bytes", [*range(1, 24), 1 << 20])
def test_14_quoted_line_breaks_are_exact_at_any_block_edge(tmp_path: Path, block_bytes: int) -> None:
    path = write(tmp_path, 'a,b\r\n"x\r\ny","\n"\r\n"\r","""\r\n"""\r\n')
    table = read_in_blocks(path, block_bytes)
    assert table.to_pydict() == {"a": ["x\r\ny", "\r"], "b": ["\n", '"\r\n"']}


def test_15_a_blank_line_in_a_one_column_file_is_empty_text(tmp_path: Path) -> None:
    assert columns(write(tmp_path, 'a\nx\n\n""\ny\n')) == {"a": ["x", "", "", "y"]}


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("block_bytes", [1, 2, 7, 1 << 20])
@pytest.mark.parametrize(
    ("lines", "blank"),
    [
        (["a,b", "1,x", "", "2,y", ""], 1),
        (["a,b", "", "", "1,x", "2,y", "", "", "", ""], 5),
        (["", "", "a,b", "1,x", "2,y", ""], 2),
        (["a,b", "1,x", "2,y", "", ""], 1),
    ],
)
def test_16_a_blank_line_among_columns_is_no_record(
    tmp_path: Path, lines: list[str], blank: int, ending: str, block_bytes: int
) -> None:
    path = write(tmp_path, ending.join(lines))
    assert read_in_blocks(path, block_bytes).to_pydict() == {"a": ["1", "2"], "b": ["x", "y"]}
    reader = Source.open(str(path)).read(["b"])
    assert (reader.rows, reader.blank_lines) == (2, blank)
    (warning,) = reader.warnings
    assert f"{blank} blank line" in warning
    headless = write(tmp_path, ending.join(lines[lines.index("a,b") :]))
    names = Source.open(str(headless), dialect=Dialect(names=("n", "t"))).read(["t"])
    assert (names.rows, names.names) == (3, ("n", "t"))


def test_16_lines_are_counted_with_blank_ones_and_records_without(tmp_path: Path) -> None:
    assert "record 2 (line 5): 1 field instead of 2" in refusal(write(tmp_path, "a,b\n\n1,2\n\n3\n"))
    for line in (" ", "\t", '""', "\u00a0"):
        assert "record 2 (line 3): 1 field instead of 2" in refusal(write(tmp_path, f"a,b\n1,2\n{line}\n3,4\n"))


@pytest.mark.parametrize("content", ["\na\nx\n", "\n\n\n", "\n\nx"])
def test_16_blank_lines_before_one_column_are_its_name_and_texts(tmp_path: Path, content: str) -> None:
    reader = Source.open(str(write(tmp_path, content))).read([""])
    assert (reader.names, reader.rows, reader.blank_lines) == (("",), 2, 0)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_17_19_line_ends_of_all_kinds(tmp_path: Path, ending: str, last: bool) -> None:
    content = ending.join(["a,b", "1,x", "2,y"]) + ending * last
    assert columns(write(tmp_path, content)) == {"a": [1, 2], "b": ["x", "y"]}


def test_18_mixed_line_ends(tmp_path: Path) -> None:
    assert columns(write(tmp_path, "a,b\r1,x\n2,y\r\n3,z")) == {"a": [1, 2, 3], "b": ["x", "y", "z"]}


def test_20_a_duplicate_header_is_refused(tmp_path: Path) -> None:
    assert "'a'" in refusal(write(tmp_path, "a,b,a\n1,2,3\n"))


def test_21_an_empty_header_name_is_preserved(tmp_path: Path) -> None:
    assert columns(write(tmp_path, "a,,b\n1,2,3\n")) == {"a": [1], "": [2], "b": [3]}


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("id;text\n1;good\n", "try: --delimiter ';'"),
        ("id;text\n1;good, really\n", "try: --delimiter ';'"),
        ("id\ttext\n1\tgood\n", "try: --delimiter tab"),
        ("id|text\n1|good\n", r"try: --delimiter '\|'"),
    ],
)
def test_22_a_wrong_delimiter_is_suggested(tmp_path: Path, content: str, hint: str) -> None:
    with pytest.raises(DataError, match=hint):
        read(write(tmp_path, content), "text")


def test_22_a_missing_column_has_near_misses(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'Text'"):
        read(write(tmp_path, "id,Text\n1,x\n"), "text")
    with pytest.raises(UsageError, match="there are 'id', 'Text'"):
        read(write(tmp_path, "id,Text\n1,x\n"), "zzzz")


def test_23_identifiers_stay_text(tmp_path: Path) -> None:
    path = write(tmp_path, "zip,long\n0456,12345678901234567890\n1234,1\n")
    assert columns(path) == {"zip": ["0456", "1234"], "long": ["12345678901234567890", "1"]}


def test_24_a_type_that_changes_in_the_last_row_is_text(tmp_path: Path) -> None:
    path = write(tmp_path, "n,t\n" + "1,x\n" * 400_000 + "n/a,x\n")
    table = read(path)
    assert table.schema.field("n").type == pa.string()
    assert table["n"][0].as_py() == "1"
    assert table["n"][-1].as_py() == "n/a"


def test_25_words_for_missing_values_are_text(tmp_path: Path) -> None:
    words = ["NA", "null", "nan", "NaN", "None", "inf", "-inf"]
    assert columns(write(tmp_path, "a,b\n" + "".join(f"{word},1\n" for word in words)))["a"] == words
    assert columns(write(tmp_path, "a,b\nnan,1\n1.5,1\n"))["a"] == ["nan", "1.5"]


def test_26_null_is_not_empty_text(tmp_path: Path) -> None:
    table = read(write(tmp_path, 'a,n,b\n,1,""\n"",,x\nz,3,\n'))
    assert table.to_pydict() == {"a": [None, "", "z"], "n": [1, None, 3], "b": ["", "x", None]}


def test_26_a_quoted_number_is_text(tmp_path: Path) -> None:
    assert columns(write(tmp_path, 'a,b\n"1",1\n2,2\n')) == {"a": ["1", "2"], "b": [1, 2]}


def test_27_a_field_of_ten_megabytes(tmp_path: Path) -> None:
    long = 'line "quoted"\r\n' * 720_000
    path = tmp_path / "in.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["a", "b"], ["x", long], ["y", "z"]])
    assert columns(path) == {"a": ["x", "y"], "b": [long, "z"]}


def test_28_columns_of_different_headers_go_by_name(tmp_path: Path) -> None:
    write(tmp_path, "a,b\n1,2\n", "1.csv")
    write(tmp_path, "b,a\n1,2\n", "2.csv")
    assert columns(tmp_path) == {"a": [1, 2], "b": [2, 1]}


def test_30_a_gzip_bomb_stays_within_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(b"a,b\n1,")
        for _ in range(300):
            stream.write(b"x" * (1 << 20))
    program = """
import sys
from scorer.errors import DataError
from scorer.runs.manifest import peak_memory_mib
from scorer.tables.source import Source
source = Source.open(sys.argv[1])
before = peak_memory_mib()
try:
    source.read()
except DataError as error:
    print(peak_memory_mib() - before, error)
"""
    mib, message = run(program, path).split(" ", 1)
    assert "record 1 (line 2): it is longer than 64 MiB" in message
    assert int(mib) < 976


# Properties.

VALUES = st.text(alphabet=st.sampled_from('a7,;"\r\n\t \\\0\u00e9\u4e2d\U0001f600'), max_size=8)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.integers(1, 4).flatmap(
        lambda width: st.lists(st.lists(VALUES, min_size=width, max_size=width), max_size=6)
    ),
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    block_bytes=st.integers(1, 40),
)
def test_what_csv_writer_writes_is_read_as_csv_reader_reads_it(
    tmp_path: Path, rows: list[list[str]], ending: str, quoting: Any, block_bytes: int
) -> None:
    width = len(rows[0]) if rows else 1
    text = io.StringIO(newline="")
    # Python 3.11's writer leaves a CR unquoted that is not part of its own line end.
    breaks = any(mark in value for row in rows for value in row for mark in "\r\n")
    writer = csv.writer(text, lineterminator=ending, quoting=csv.QUOTE_ALL if breaks else quoting)
    writer.writerow([f"c{index}" for index in range(width)])
    writer.writerows(rows)
    table = read_in_blocks(write(tmp_path, text.getvalue()), block_bytes)
    expected = [row or [""] for row in csv.reader(io.StringIO(text.getvalue(), newline=""), strict=True)][1:]
    got = [[value or "" for value in row.values()] for row in table.to_pylist()]
    assert got == expected


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet='a1,"\r\n\u00e9', min_size=1, max_size=30), block_bytes=st.integers(1, 32))
def test_any_text_is_read_or_refused_as_the_slow_reader_does(tmp_path: Path, text: str, block_bytes: int) -> None:
    path = write(tmp_path, text)
    records = slow_records(without_blank_lines(text))
    header = [field.value for field in records[0]] if records else []
    assume(len(set(header)) == len(header))
    if records is not None and len(header) > 1:
        records = [record for record in records if len(record) > 1 or record[0].raw]
    if records is None or any(len(record) != len(header) for record in records):
        with pytest.raises(DataError):
            read_in_blocks(path, block_bytes)
        return
    table = read_in_blocks(path, block_bytes)
    expected = [[_slow_value(field, len(header)) for field in record] for record in records[1:]]
    assert table.column_names == header
    assert [list(row.values()) for row in table.to_pylist()] == expected


def _slow_value(field: Any, width: int) -> str | None:
    return None if width > 1 and not field.quoted and not field.value else field.value


def test_compressed_files_are_read(tmp_path: Path) -> None:
    content = b"a,b\n1,x\n2,y\n"
    expected = {"a": [1, 2], "b": ["x", "y"]}
    assert columns(write(tmp_path, gzip.compress(content), "in.csv.gz")) == expected
    # Members of a concatenated gzip file belong together.
    assert columns(write(tmp_path, gzip.compress(content[:7]) + gzip.compress(content[7:]), "in.csv.gz")) == expected
    zstd = pa.Codec("zstd").compress(content, asbytes=True)
    assert columns(write(tmp_path, zstd, "in.csv.zst")) == expected


def test_a_truncated_gzip_file_is_refused(tmp_path: Path) -> None:
    content = gzip.compress("".join(f"{n},{n * n}\n" for n in range(5000)).encode())
    assert "cut short" in refusal(write(tmp_path, content[:-30], "in.csv.gz"))
    assert "cut short" in refusal(write(tmp_path, content[:-4], "in.csv.gz"))


def test_several_files_are_one_input(tmp_path: Path) -> None:
    write(tmp_path, "a,b\n1,x\n", "2.csv")
    write(tmp_path, "a,b\n0,y", "1.csv")
    write(tmp_path, "not data", "_notes.csv")
    assert columns(tmp_path) == {"a": [0, 1], "b": ["y", "x"]}
    write(tmp_path, "a,b\nz,y", "3.csv")
    assert columns(tmp_path)["a"] == ["0", "1", "z"]


def test_a_file_that_changes_between_the_passes_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b\n1,x\n")
    reader = Source.open(str(path)).read()
    write(tmp_path, "a,b\ntwo,x\n")
    with pytest.raises(DataError, match="changed while"):
        list(reader.windows(**LIMITS))
    with pytest.raises(DataError, match="changed while"):
        reader.check_unchanged()


def test_text_columns_stay_text(tmp_path: Path) -> None:
    assert columns(write(tmp_path, "a,b\n1,2\n"), "a") == {"a": ["1"], "b": [2]}


def test_real_files_read_as_csv_reader_reads_them(realdata: Path) -> None:
    for name in ("sst5_test.csv", "waimai_test.csv", "sst2_test.tsv"):
        path = realdata / name
        with path.open(encoding="utf-8", newline="") as stream:
            expected = list(csv.reader(stream, delimiter="\t" if path.suffix == ".tsv" else ",", strict=True))
        got = read(path, *expected[0]).to_pylist()
        assert [[value or "" for value in row.values()] for row in got] == expected[1:]
