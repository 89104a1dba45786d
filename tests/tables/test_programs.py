"""Files as other programs write them: what is read right, and what is refused with what to do instead.

Each file here was written by the program, or is what it writes byte for byte, made small.
"""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from scorer.errors import ConfigError, DataError, InputMissing, ScorerError, UsageError
from scorer.tables.dialect import Dialect
from scorer.tables.source import Source

TAB = "\t"


def put(path: Path, content: str | bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def rows(where: str, *texts: str, **dialect: Any) -> list[dict[str, Any]]:
    windows = Source.open(where, dialect=Dialect(**dialect)).read(texts).windows(max_rows=1000, max_bytes=1 << 20)
    return [row for window in windows for row in window.to_pylist()]


def refused(where: str, *texts: str, **dialect: Any) -> str:
    with pytest.raises(ScorerError) as caught:
        rows(where, *texts, **dialect)
    assert caught.value.exit_code in (2, 65, 66, 78)
    assert "\n" not in str(caught.value)
    return str(caught.value)


GOOD = [{"id": 1, "text": 'a "b", c'}, {"id": 2, "text": None}]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("duckdb.csv", 'id,text\n1,"a ""b"", c"\n2,\n', GOOD),
        ("psql.csv", 'id,text\n1,"a ""b"", c"\n2,\n', GOOD),
        ("sqlite.csv", 'id,text\r\n1,"a ""b"", c"\r\n2,\r\n', GOOD),
        ("jq.csv", '"id","text"\n1,"a ""b"", c"\n2,\n', GOOD),
        ("excel.csv", b'\xef\xbb\xbfid,text\r\n1,"a ""b"", c"\r\n2,\r\n', GOOD),
        ("numbers.csv", 'sep=;\r\nid;text\r\n1;"a ""b"", c"\r\n2;\r\n', GOOD),
        ("polars.ndjson", '{"id":1,"text":"a \\"b\\", c"}\n{"id":2,"text":null}\n', GOOD),
        ("bigquery-000.json", '{"id":1,"text":"a \\"b\\", c"}\n{"id":2}\n', GOOD),
        ("sqlite.json", '[{"id":1,"text":"a \\"b\\", c"},\n{"id":2,"text":null}]\n', GOOD),
        ("psql_json_agg.json", '[{"id":1,"text":"a \\"b\\", c"}, \n {"id":2,"text":null}]\n', GOOD),
        ("duckdb_array.json", '[\n\t{"id":1,"text":"a \\"b\\", c"},\n\t{"id":2,"text":null}\n]\n', GOOD),
        ("pandas_index.csv", ',text\n0,x\n1,"y\nz"\n', [{"": 0, "text": "x"}, {"": 1, "text": "y\nz"}]),
        ("r.csv", '"","text"\n"1","x"\n"2",NA\n', [{"": "1", "text": "x"}, {"": "2", "text": "NA"}]),
        ("doccano.jsonl", '{"id":1,"text":"x","label":["a"],"Comments":[]}\n', None),
        ("mongoexport.json", '{"_id":{"$oid":"5f"},"text":"x"}\n', [{"_id": {"$oid": "5f"}, "text": "x"}]),
    ],
)
def test_what_is_read(tmp_path: Path, name: str, content: str | bytes, expected: list[dict[str, Any]] | None) -> None:
    found = rows(put(tmp_path / name, content), "text")
    assert found == (expected or [json.loads(content)])


def test_compressed_shards(tmp_path: Path) -> None:
    """Snowflake's, whose fields have no header, and Spark's beside what it leaves in the folder."""
    put(tmp_path / "snow" / "data_0_0_0.csv.gz", gzip.compress(b'1,"x"\n2,\\N\n'))
    assert "say --no-header" in refused(str(tmp_path / "snow"), "text")
    assert rows(str(tmp_path / "snow"), "c2", names=()) == [{"c1": 1, "c2": "x"}, {"c1": 2, "c2": "\\N"}]
    for name, content in (("_SUCCESS", ""), (".part-0.json.crc", "crc"), ("part-0.json", '{"a":1}\n'), ("p1.json", "")):
        put(tmp_path / "spark" / name, content)
    assert rows(str(tmp_path / "spark")) == [{"a": 1}]


@pytest.mark.parametrize("name", ["text.tsv", "n.csv"])
def test_the_null_of_databases_is_a_text_and_told(tmp_path: Path, name: str) -> None:
    delimiter = TAB if name.endswith("tsv") else ","
    lines = ["a,b", "x,1", "\\N,2", "\\N,\\N", "\\Nope,3"]
    where = put(tmp_path / name, "\n".join(line.replace(",", delimiter) for line in lines))
    reader = Source.open(where).read(["a"])
    found = next(iter(reader.windows(max_rows=9, max_bytes=99)))
    assert found["a"].to_pylist() == ["x", "\\N", "\\N", "\\Nope"]
    (warning,) = reader.warnings
    assert "'a', 'b': up to 2 values are \\N, as databases mark a null" in warning
    plain = Source.open(put(tmp_path / "plain.csv", "a,b\nx\\n,\\Nix\n")).read(["a"])
    assert plain.warnings == ()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ('text,n\n"he said \\"no\\"",1\n', 'option("escape", "\\"")'),
        ('1\tit was "fine"\\\nreally\t2\n', "backslashes escape line ends in it: write"),
        ("text\tn\nx\\\ny\t2\n", "a backslash before its end"),
        (
            '"text","n"\n"1","x",2\n',
            "if the first one is the name of the row, as R writes it, write with row.names = FALSE",
        ),
        ('"text"|"n"\n"x"|2\n', "try: --delimiter '|'"),
        ("text;n\nx, y;2\n", "try: --delimiter ';'"),
    ],
)
def test_the_refusal_says_what_to_write_instead(tmp_path: Path, content: str, what: str) -> None:
    name = "in.tsv" if TAB in content else "in.csv"
    assert what in refused(put(tmp_path / name, content), "text")


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("jq_pretty.json", '{\n  "text": "x"\n}\n', "line 1: not JSON at character 2"),
        ("jq_pretty.jsonl", '{\n  "text": "x"\n}\n', "an object must stand on one line: write them so (jq -c .)"),
        ("search.json", '{"took": 1,\n "hits": []}', "an object must stand on one line"),
        ("amazon.json", "{'text': \"it's\"}\n", "it is of Python, where texts may have single quotes"),
        ("values.json", '[["x", 1]]', "entry 1: a list instead of an object"),
        ("columns.json", '{"text": {"0": "x", "1": "y"}}', "write a row for each text in it"),
        ("lists.json", '{"text": ["x", "y"]}', "column 'text' is list<item: string>, not text"),
        ("tweets.json", '[{"text": {"id": 1, "full_text": "x"}}]', "make its field 'full_text' a column of its own"),
        ("split.json", '{"columns":["text"],"data":[["x"]]}', "no column 'text'; there are 'columns', 'data'"),
    ],
)
def test_json_in_other_shapes(tmp_path: Path, name: str, content: str, what: str) -> None:
    assert what in refused(put(tmp_path / name, content), "text")


def test_a_type_of_any_number_of_fields_is_shortened(tmp_path: Path) -> None:
    where = put(tmp_path / "in.json", json.dumps({"text": {f"a text {n}": "x" for n in range(5000)}}))
    with pytest.raises(ConfigError) as caught:
        rows(where, "text")
    assert len(str(caught.value)) < 300 + len(where)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ('{"text": "x"}\n{"text": "y"}\n', "try: --input-format jsonl"),
        ('[\n{"text": "x"}]', "try: --input-format json"),
        ("text\tn\nx, y\t1\n", "try: --input-format tsv"),
        ("text,n\nx,1\n", "try: --input-format csv"),
        ("text;n\nx;1\n", "try: --input-format csv --delimiter ';'"),
        ("text\tn\r\ncaf\u00e9\t1\r\n".encode("utf-16"), "try: --input-format tsv --encoding utf-16"),
        ("one text\nand another\n", "say which with --input-format (lines: a text a line)"),
        ("<p>x</p>\n", "say which with --input-format (lines: a text a line)"),
        (b"SQLite format 3\0\x10\0", "it is a database of SQLite: export it"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0",
            "it is an old Office file, perhaps of Excel: save it as .xlsx or CSV",
        ),
        (b"PK\3\4\x14\0\0\0\0\0mimetypeapplication/vnd.oasis.opendocument\xff", "it is an OpenDocument file"),
        (b"Obj\1\x04\x14\xff", "it is an Avro file: export it as CSV, Parquet or JSON lines"),
        (b"\x80\x04\x95\0\0\0\xff", "it is no text: export it"),
        (b"data/in.csv" + bytes(246) + b"ustar  \0", "it is a tar archive: unpack it"),
        (b"\x04\x22\x4d\x18\x64@\xa7\xff", "it is compressed with LZ4: unpack it"),
        (b"ORC of the north: a story\n", "say which with --input-format (lines"),
        ("text\tn\nx\t1\n".encode("utf-16-le"), "try: --input-format tsv --encoding utf-16-le"),
        (b"", "say which with --input-format"),
    ],
)
def test_an_unknown_ending_gets_flags_that_were_tried(tmp_path: Path, content: str | bytes, what: str) -> None:
    where = put(tmp_path / "part-00000", content)
    with pytest.raises(UsageError) as caught:
        Source.open(where)
    message = str(caught.value)
    assert message.startswith(f"{where}: the ending tells no format")
    assert what in message
    if "try: " not in message:
        return
    flags = message.split("try: ")[1].split()
    said = dict(zip(flags[::2], flags[1::2], strict=True))
    dialect = Dialect(
        format=said["--input-format"],  # type: ignore[arg-type]
        delimiter=said.get("--delimiter", "").strip("'") or None,
        encoding=said.get("--encoding"),
    )
    assert "text" in Source.open(where, dialect=dialect).read(["text"]).names


def test_a_folder_of_other_names_says_the_flag(tmp_path: Path) -> None:
    """Hive's text files, whose fields have a control character between them."""
    put(tmp_path / "hive" / "000000_0", "1\x01x y\x01\\N\n")
    with pytest.raises(InputMissing, match="such as 000000_0; if they are data, say --input-format"):
        Source.open(str(tmp_path / "hive"))
    found = rows(str(tmp_path / "hive"), format="csv", delimiter="\x01", quotes=False, names=())
    assert found == [{"c1": 1, "c2": "x y", "c3": "\\N"}]


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("out", ["out.parquet", "out.arrow", "out.csv", "out.jsonl"])
def test_categories_of_polars(tmp_path: Path, tiny_model: Any, out: str, ordered: bool) -> None:
    """Dictionaries of views, of which Parquet has none."""
    import scorer

    values = pa.array(["x", "y"]).cast(pa.string_view())
    kinds = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 0], pa.uint8()), values, ordered=ordered)
    table = pa.table({"text": pa.array(["a", "b", "c", None]).cast(pa.string_view()), "kind": kinds})
    with pa.ipc.new_file(tmp_path / "in.arrow", table.schema) as sink:
        sink.write_table(table)
    done = scorer.score(tmp_path / "in.arrow", tmp_path / out, model=str(tiny_model("bert")))
    assert done.rows == 4
    if out in ("out.parquet", "out.arrow"):
        scored = rows(str(tmp_path / out), "text")
        assert [row["kind"] for row in scored] == ["x", "y", None, "x"]


def test_what_no_flag_reads_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        rows(put(tmp_path / "in.tsv", 'text\tn\nit was "fine"\nreally\t2\n'), "text")
    assert "try:" not in str(caught.value)


def test_archives_of_one_file_of_data(tmp_path: Path) -> None:
    def archive(**members: str) -> str:
        with zipfile.ZipFile(tmp_path / "in.zip", "w") as made:
            for name, content in members.items():
                made.writestr(name.replace("_dot_", "."), content)
        return str(tmp_path / "in.zip")

    found = rows(archive(**{"a/in_dot_csv": "text\nx\n", "a/_dot_DS_Store": "q", "__MACOSX/a/_dot__in_dot_csv": "q"}))
    assert found == [{"text": "x"}]
    assert "the archive holds a file of excel; unpack it" in refused(archive(in_dot_xlsx="PK"))
    assert "the archive holds a file of parquet; unpack it" in refused(archive(in_dot_parquet="PAR1"))


def test_the_mark_of_utf8_in_another_encoding(tmp_path: Path) -> None:
    where = put(tmp_path / "in.csv", b"\xef\xbb\xbftext\ncaf\xc3\xa9\n")
    for encoding in ("latin-1", "cp1252", "gb18030"):
        assert "begins with the byte-order mark of UTF-8, so it is that" in refused(where, "text", encoding=encoding)
    assert rows(where, "text") == [{"text": "caf\u00e9"}]


def test_utf16_of_ascii_alone_without_a_mark(tmp_path: Path) -> None:
    for encoding in ("utf-16-le", "utf-16-be"):
        where = put(tmp_path / "in.csv", "text,n\nx,1\n".encode(encoding))
        assert f"try: --encoding {encoding}" in refused(where, "text")
        assert rows(where, "text", encoding=encoding) == [{"text": "x", "n": 1}]


@pytest.mark.parametrize(("value", "what"), [("null", "null"), ("5", "a number"), ("[]", "a list"), ('"x"', "text")])
def test_what_stands_instead_of_an_object(tmp_path: Path, value: str, what: str) -> None:
    assert f"entry 2: {what} instead of an object" in refused(put(tmp_path / "in.json", f'[{{"a": 1}}, {value}]'))


@pytest.mark.parametrize("name", ["in.csv", "in.parquet", "in.jsonl", "in.csv.gz", "in.arrow"])
def test_a_pointer_of_git_lfs(tmp_path: Path, name: str) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    assert "a pointer of Git LFS, and not the file itself; run: git lfs pull" in refused(put(tmp_path / name, pointer))
