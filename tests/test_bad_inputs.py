"""Bad input from end to end: each case of CSV and Parquet input gets its exit code, or its rows get their status.

Numbered as in the list of cases. What a reader answers in detail, the tests of `tables` know.
"""

from __future__ import annotations

import gzip
import os
import random
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scorer
from scorer.errors import DataError, ScorerError
from scorer.tables.source import Source

OK, FLAGGED_EMPTY, FLAGGED_NULL, TRUNCATED = "ok", "empty", "null", "truncated"


@pytest.fixture(scope="module")
def model(tiny_model) -> str:
    return str(tiny_model("bert"))


@pytest.fixture
def score(model, tmp_path):
    """Score a file into `out.parquet`; the rows, or the exit code after which there is no output."""

    def run(source: Path, **options: Any) -> list[dict[str, Any]] | int:
        before = {path.name for path in tmp_path.iterdir()}
        target = tmp_path / "out.parquet"
        try:
            summary = scorer.score(source, target, **{"model": model, "precision": "fp32"} | options)
        except ScorerError as error:
            refusal = error
        else:
            rows = pq.read_table(target).to_pylist()
            assert summary.rows == len(rows)
            return rows
        assert "\n" not in str(refusal)
        # A run that began keeps its scores for the next one, in a folder that is no output.
        assert {path.name for path in tmp_path.iterdir()} <= before | {"out.parquet.unfinished"}
        return refusal.exit_code

    return run


def written(folder: Path, content: str | bytes, name: str = "in.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


REFUSED: dict[str, bytes] = {
    "01 an empty file": b"",
    "04 UTF-16": "text,n\nx,1\n".encode("utf-16"),
    "05 Latin-1": b"text,n\ncaf\xe9,1\n",
    "06 an encoded surrogate": b"text,n\n\xed\xa0\x80,1\n",
    "08 too few fields": b"text,n\nx,1\ny\n",
    "09 too many fields": b"text,n\nx,1\ny,2,3\n",
    "10 a stray quote": b'text,n\nx "y",1\n',
    "11 an unclosed quote": b'text,n\n"x,1\ny,2\n',
    "12 text after a closing quote": b'text,n\n"x" y,1\n',
    "13 quotes escaped with a backslash": b'text,n\n"x \\"y\\"",1\n',
    "20 a duplicate header": b"text,text\nx,1\n",
    "29 first bytes of another format": b"PAR1" * 9,
    "29 compressed without saying so": gzip.compress(b"text,n\nx,1\n", mtime=0),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_file_is_refused(tmp_path, score, case):
    assert score(written(tmp_path, REFUSED[case])) == 65


def test_22_a_wrong_delimiter_is_refused(tmp_path, score):
    assert score(written(tmp_path, "text;n\nx;1\n"), text_column=("text",)) == 65


# The texts and the status that each must get.
SCORED: dict[str, tuple[bytes, list[tuple[str | None, str]]]] = {
    "02 a header only": (b"text,n\n", []),
    "03 a byte-order mark": (b"\xef\xbb\xbftext,n\ngood,1\n", [("good", OK)]),
    "07 a NUL": (b"text,n\ngo\0od,1\n", [("go\0od", OK)]),
    "14 quoted line breaks": (b'text,n\r\n"a\r\nb",1\r\n"c\nd",2\r\n', [("a\r\nb", OK), ("c\nd", OK)]),
    "16 a blank line among columns": (b"text,n\nx,1\n\ny,2\n\n", [("x", OK), ("y", OK)]),
    "15 a blank line in one column": (b"text\ngood\n\nbad\n", [("good", OK), ("", FLAGGED_EMPTY), ("bad", OK)]),
    "17 CR only": (b"text,n\rgood,1\rbad,2\r", [("good", OK), ("bad", OK)]),
    "18 mixed line ends": (b"text,n\rgood,1\nbad,2\r\nsoup,3", [("good", OK), ("bad", OK), ("soup", OK)]),
    "19 no line end at the end": (b"text,n\ngood,1", [("good", OK)]),
    "21 an empty column name": (b"text,\ngood,1\n", [("good", OK)]),
    "25 words for nothing": (b"text,n\nNA,1\nnull,2\nnan,3\n", [("NA", OK), ("null", OK), ("nan", OK)]),
    "26 nothing and empty": (b'text,n\n,1\n"",2\n', [(None, FLAGGED_NULL), ("", FLAGGED_EMPTY)]),
}


@pytest.mark.parametrize("case", SCORED)
def test_an_unusual_file_is_scored(tmp_path, score, case):
    content, expected = SCORED[case]
    rows = score(written(tmp_path, content))
    assert [(row["text"], row["score_status"]) for row in rows] == expected
    assert all((row["score"] is None) == (row["score_status"] not in (OK, TRUNCATED)) for row in rows)


def test_23_24_columns_that_only_look_like_numbers_stay_text(tmp_path, score):
    lines = "".join(f"good,0{index},{index}{'0' * 20},{index}\n" for index in range(1, 9))
    rows = score(written(tmp_path, f"text,zip,long,n\n{lines}bad,1,2,last\n"), window_rows=4)
    assert [row["zip"] for row in rows] == [*(f"0{index}" for index in range(1, 9)), "1"]
    assert rows[0]["long"] == "1" + "0" * 20
    assert [row["n"] for row in rows] == [*map(str, range(1, 9)), "last"]


def test_28_42_files_that_differ(tmp_path, score):
    folder = tmp_path / "parts"
    folder.mkdir()
    written(folder, "text,n\nx,1\n", "1.csv")
    written(folder, "n,text\n2,y\n", "2.csv")
    assert [(row["text"], row["n"]) for row in score(folder)] == [("x", 1), ("y", 2)]
    pq.write_table(pa.table({"text": ["x"], "n": [1]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"text": ["x"], "n": ["one"]}), tmp_path / "2.parquet")
    assert score(tmp_path / "[12].parquet") == 65


@pytest.fixture
def parquet(tmp_path) -> Path:
    chooser = random.Random(3)
    path = tmp_path / "in.parquet"
    texts = [" ".join(chooser.choices(["good", "bad", "soup"], k=5)) for _ in range(400)]
    pq.write_table(pa.table({"text": texts, "n": range(400)}), path, write_page_checksum=True)
    return path


def test_37_a_truncated_parquet_file(score, parquet):
    whole = parquet.read_bytes()
    parquet.write_bytes(whole[: len(whole) // 2])
    assert score(parquet) == 65


def test_38_a_page_that_contradicts_its_checksum(score, parquet):
    damaged = bytearray(parquet.read_bytes())
    column = pq.read_metadata(parquet).row_group(0).column(0)
    damaged[column.dictionary_page_offset + column.total_compressed_size - 5] ^= 1
    parquet.write_bytes(damaged)
    assert score(parquet) == 65


@pytest.mark.parametrize("values", [[1], [{"a": "x"}], [["x"]]], ids=["int", "struct", "list"])
def test_39_a_text_column_of_another_type(tmp_path, score, values):
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"text": values}), path)
    assert score(path) == 78


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())], ids=str)
def test_39_every_type_of_text_is_scored(tmp_path, score, kind):
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"text": pa.array(["good", None, ""]).cast(kind)}), path)
    assert [row["score_status"] for row in score(path)] == [OK, FLAGGED_NULL, FLAGGED_EMPTY]


@pytest.mark.parametrize(
    "kind",
    [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(4), pa.dictionary(pa.int8(), pa.binary())],
    ids=str,
)
@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_39_texts_as_bytes_are_scored_when_they_are_utf8(tmp_path, score, kind, ending):
    path = tmp_path / f"in.{ending}"

    def write(values: list[bytes | None]) -> None:
        plain = kind.value_type if pa.types.is_dictionary(kind) else kind
        column = pa.array(values, plain)
        table = pa.table({"text": column.dictionary_encode().cast(kind) if plain != kind else column})
        if ending == "parquet":
            pq.write_table(table, path)
        else:
            with pa.ipc.new_file(path, table.schema) as writer:
                writer.write_table(table)

    write([b"good", None, b"t\xc3\xb6o"])
    assert [(row["text"], row["score_status"]) for row in score(path)] == [
        (b"good", OK),
        (None, FLAGGED_NULL),
        ("t\u00f6o".encode(), OK),
    ]
    (tmp_path / "out.parquet").unlink()
    write([b"good"] * 300 + [b"caf\xe9"])
    assert score(path) == 65
    with pytest.raises(DataError, match="column 'text', row 301: a text is not UTF-8"):
        score_in_memory(path)


def score_in_memory(path: Path) -> None:
    reader = Source.open(str(path)).read(["text"])
    list(reader.windows(max_rows=100, max_bytes=1 << 20))


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_39_a_column_of_nulls_alone_is_flagged(tmp_path, score, ending):
    path = tmp_path / f"in.{ending}"
    table = pa.table({"text": pa.nulls(3), "id": [1, 2, 3]})
    if ending == "parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    assert [(row["text"], row["score_status"]) for row in score(path)] == 3 * [(None, FLAGGED_NULL)]


@pytest.mark.parametrize("out", ["parquet", "jsonl", "csv"])
def test_39_numbers_and_booleans_of_json_are_texts_as_they_are_spelt(tmp_path, model, out):
    source = written(tmp_path, '{"a": 1.50, "b": true, "c": 12}\n{"a": 1e400, "b": false}\n{"a": 7}\n', "in.jsonl")
    for column, texts in (("a", ["1.50", "1e400", "7"]), ("b", ["true", "false", None]), ("c", ["12", None, None])):
        table = pa.concat_tables(Source.open(str(source)).read([column]).windows(max_rows=9, max_bytes=99))
        assert table[column].to_pylist() == texts
        summary = scorer.score(source, tmp_path / f"out.{out}", model=model, text_column=column, force=True)
        assert summary.statuses == {"ok": 3 - texts.count(None)} | (
            {"null": texts.count(None)} if None in texts else {}
        )
    if out == "jsonl":
        lines = (tmp_path / "out.jsonl").read_text().splitlines()
        assert lines[1].startswith('{"a": 1e400, "b": false,')


def test_40_duplicate_columns(tmp_path, score):
    path = tmp_path / "in.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array(["x"]), pa.array(["y"])], names=["text", "text"]), path)
    assert score(path) == 65


def test_41_a_score_that_exists_already(tmp_path, score):
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"text": ["x"], "score": [1]}), path)
    assert score(path) == 2
    assert score(path, prefix="new_")[0].keys() >= {"text", "score", "new_score"}


def test_43_no_row_groups(tmp_path, score):
    path = tmp_path / "in.parquet"
    pq.ParquetWriter(path, pa.schema([("text", pa.string())])).close()
    assert score(path) == []


def test_45_an_input_that_changes_while_it_is_read(tmp_path, model, parquet):
    def touch() -> None:
        deadline = time.monotonic() + 60
        while not (tmp_path / "out.parquet.unfinished").exists() and time.monotonic() < deadline:
            time.sleep(0.001)
        os.utime(parquet, ns=(1, 1))

    toucher = threading.Thread(target=touch)
    toucher.start()
    try:
        with pytest.raises(DataError, match="changed while it was read"):
            scorer.score(parquet, tmp_path / "out.parquet", model=model, window_rows=8)
    finally:
        toucher.join()
    assert not (tmp_path / "out.parquet").exists()


def test_46_47_outputs_that_cannot_be(tmp_path, model, parquet):
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling.parquet").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "fifo.parquet")
    for name, code in (("in.parquet", 2), (".", 2), ("dangling.parquet", 73), ("fifo.parquet", 73)):
        with pytest.raises(ScorerError) as caught:
            scorer.score(parquet, tmp_path / name, model=model, output_format="parquet")
        assert caught.value.exit_code == code, name


def ipc(folder: Path, column: pa.Array) -> Path:
    path = folder / "in.arrow"
    table = pa.table({"text": ["good room"] * len(column), "x": column})
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)
    return path


def test_56_types_that_the_output_has_no_place_for_are_refused_before_the_work(tmp_path, score, model):
    union = pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])])
    source = ipc(tmp_path, union)
    assert score(source) == 65
    with pytest.raises(DataError, match=r"column 'x': .*which Parquet has no type for; name an output of Arrow"):
        scorer.score(source, tmp_path / "out.parquet", model=model)
    scorer.score(source, tmp_path / "out.arrow", model=model)
    assert pa.ipc.open_file(tmp_path / "out.arrow").read_all()["x"].to_pylist() == [1, "b"]


def test_56_a_null_among_the_values_of_a_dictionary_passes(tmp_path, score):
    holes = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), pa.array(["a", None]))
    assert [row["x"] for row in score(ipc(tmp_path, holes))] == ["a", None]


def test_57_names_that_are_not_utf8(tmp_path, score):
    source = ipc(tmp_path, pa.array([1]))
    source.write_bytes(source.read_bytes().replace(b"text", b"t\xe9xt"))
    assert score(source) == 65
