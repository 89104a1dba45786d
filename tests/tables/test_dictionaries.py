"""Dictionaries, run ends, unions and nests of them: through reader and sink unchanged, or refused before the rows."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from scorer.errors import DataError
from scorer.tables.dictionaries import JoinedDictionaries, castable, may_not_join, without_null_values
from scorer.tables.formats.registry import format_named
from scorer.tables.source import Source
from tests.tables.passing import OUTPUTS, pass_through
from tests.tables.views import categories, lists_of_categories

# "a", null (of the dictionary), null (of the index), "b"
HOLES = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 2], pa.int8()), pa.array(["a", None, "b"]))
VALUES = ["a", None, None, "b"]
NESTS = {
    "alone": HOLES,
    "ordered": pa.DictionaryArray.from_arrays(HOLES.indices, HOLES.dictionary, ordered=True),
    "struct": pa.StructArray.from_arrays([HOLES], names=["d"], mask=pa.array([False, False, True, False])),
    "list": pa.ListArray.from_arrays(pa.array([0, 1, None, 3, 4], pa.int32()), HOLES),
    "large list": pa.LargeListArray.from_arrays(pa.array([0, 2, 2, 3, 4], pa.int64()), HOLES),
    "fixed list": pa.FixedSizeListArray.from_arrays(HOLES, 1),
    "list view": pa.ListViewArray.from_arrays(pa.array([3, 2, 1, 0], pa.int32()), pa.array([1] * 4, pa.int32()), HOLES),
    "map": pa.MapArray.from_arrays(pa.array([0, 1, 2, 3, 4], pa.int32()), pa.array(list("wxyz")), HOLES),
    "runs": pa.RunEndEncodedArray.from_arrays(pa.array([1, 2, 3, 4], pa.int32()), HOLES),
    "dense union": pa.UnionArray.from_dense(
        pa.array([0] * 4, pa.int8()), pa.array(range(4), pa.int32()), [HOLES, pa.array([1])]
    ),
    "sparse union": pa.UnionArray.from_sparse(pa.array([0, 0, 1, 0], pa.int8()), [HOLES, pa.array([1, 2, 3, 4])]),
    "of numbers": pa.DictionaryArray.from_arrays(pa.array([1, 0, 1, 0], pa.uint16()), pa.array([None, 7])),
    "all null": pa.DictionaryArray.from_arrays(pa.array([0, None, 0, 0], pa.int8()), pa.array([None], pa.string())),
}


def written(folder: Path, *columns: pa.Array, stream: bool = False) -> Path:
    """A file with a batch for each of `columns`, which are called x."""
    path = folder / "in.arrow"
    schema = pa.schema([pa.field("x", columns[0].type)])
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(path, schema) as writer:
        for column in columns:
            writer.write_batch(pa.record_batch([column], schema=schema))
    return path


@pytest.mark.parametrize("nest", NESTS)
def test_a_null_among_the_values_of_a_dictionary_becomes_one_of_the_index(nest: str) -> None:
    array = NESTS[nest]
    normal = without_null_values(array)
    normal.validate(full=True)
    assert normal.type == array.type
    assert normal.to_pylist() == array.to_pylist()
    assert without_null_values(HOLES).dictionary.to_pylist() == ["a", "b"]
    if pa.types.is_dictionary(array.type):
        assert normal.null_count == array.to_pylist().count(None)


@pytest.mark.parametrize("nest", NESTS)
@pytest.mark.parametrize("out", OUTPUTS)
def test_such_dictionaries_pass_in_two_batches(tmp_path: Path, nest: str, out) -> None:
    path = written(tmp_path, NESTS[nest], NESTS[nest])
    refusal = pass_through(path, "arrow", out, tmp_path)
    untyped = out == "parquet" and nest in ("runs", "dense union", "sparse union")
    assert bool(refusal) == untyped
    if untyped:
        assert refusal.startswith("column 'x': ")
        assert "which Parquet has no type for; name an output of Arrow (.arrow)" in refusal
        assert not (tmp_path / "out.parquet").exists()
    if out == "jsonl":
        rows = [json.loads(line)["x"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
        alone = nest in ("alone", "ordered", "runs", "dense union")
        assert len(rows) == 8
        assert not alone or rows == 2 * VALUES


def int8_chunk(begin: int) -> pa.Array:
    return (
        pa.array([str(begin + index) for index in range(100)])
        .dictionary_encode()
        .cast(pa.dictionary(pa.int8(), pa.string()))
    )


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("out", OUTPUTS)
def test_more_values_in_all_batches_than_the_index_counts(tmp_path: Path, nested: bool, out) -> None:
    chunks = [int8_chunk(0), int8_chunk(100)]
    if nested:
        chunks = [pa.StructArray.from_arrays([chunk], names=["d"]) for chunk in chunks]
    path = written(tmp_path, *chunks, stream=True)
    refusal = pass_through(path, "arrow", out, tmp_path)
    if out != "arrow":
        assert not refusal
        return
    assert refusal.startswith("column 'x': its dictionaries cannot be joined to one")
    assert not (tmp_path / "out.arrow").exists()
    path = written(tmp_path, chunks[0], chunks[0], stream=True)
    assert not pass_through(path, "arrow", out, tmp_path)


def test_dictionaries_of_lists_that_are_alike_need_no_joining(tmp_path: Path) -> None:
    lists = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), pa.array([["a"], ["b", None]]))
    others = pa.DictionaryArray.from_arrays(pa.array([0, 0], pa.int32()), pa.array([["c"]]))
    for out in ("arrow", "csv", "jsonl"):
        assert not pass_through(written(tmp_path, lists, lists, stream=True), "arrow", out, tmp_path)
    path = written(tmp_path, lists, others, stream=True)
    assert "column 'x': its dictionaries" in pass_through(path, "arrow", "arrow", tmp_path)
    assert not pass_through(path, "arrow", "csv", tmp_path)
    assert "column 'x': dictionary<values=list" in pass_through(path, "arrow", "parquet", tmp_path)


def test_which_dictionaries_may_not_join() -> None:
    wide, narrow = (pa.dictionary(index, pa.string()) for index in (pa.int32(), pa.int16()))
    assert [may_not_join(kind) for kind in (wide, narrow, pa.list_(narrow), pa.int8())] == [False, True, True, False]
    assert may_not_join(pa.dictionary(pa.int64(), pa.list_(pa.int8())))


def test_joining_keeps_the_values_and_names_the_column() -> None:
    joined = JoinedDictionaries(pa.schema([("n", pa.int8()), ("d", HOLES.type)]))
    first = joined.join(pa.table({"n": [1], "d": pa.array(["a"]).dictionary_encode().cast(HOLES.type)}))
    second = joined.join(pa.table({"n": [2], "d": pa.array(["b"]).dictionary_encode().cast(HOLES.type)}))
    assert [table["d"].to_pylist() for table in (first, second)] == [["a"], ["b"]]
    assert second["d"].chunk(0).dictionary.to_pylist() == ["a", "b"]
    joined.join(pa.table({"n": [0] * 100, "d": int8_chunk(0)}))
    with pytest.raises(DataError, match="column 'd': its dictionaries cannot be joined"):
        joined.join(pa.table({"n": [0] * 100, "d": int8_chunk(100)}))


@pytest.mark.parametrize("out", OUTPUTS)
def test_identifiers_in_a_struct_and_empty_inputs_pass(tmp_path: Path, out) -> None:
    ids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0123456789abcdef", None], pa.binary(16)))
    path = written(tmp_path, pa.StructArray.from_arrays([ids], names=["id"]))
    assert not pass_through(path, "arrow", out, tmp_path)
    path = written(tmp_path, pa.StructArray.from_arrays([ids], names=["id"]).slice(0, 0))
    assert not pass_through(path, "arrow", out, tmp_path)


def months() -> pa.DataType:
    """The type of intervals of months, which pyarrow reads and cannot make: another one's description, one byte of it
    changed."""
    described = pa.schema([("x", pa.month_day_nano_interval())]).serialize().to_pybytes()
    for place in range(len(described)):
        changed = described[:place] + b"\0" + described[place + 1 :]
        try:
            kind = pa.ipc.read_schema(pa.py_buffer(changed)).field(0).type
        except (pa.ArrowException, OSError, IndexError, UnicodeDecodeError):
            continue
        if str(kind) == "month_interval":
            return kind
    raise AssertionError


@pytest.mark.parametrize("wrap", [lambda kind: kind, pa.list_, lambda kind: pa.struct([("i", kind)])])
def test_month_intervals_have_no_text_and_no_place_in_parquet(wrap) -> None:
    schema = pa.schema([("n", pa.int8()), ("x", wrap(months()))])
    for out in ("csv", "tsv", "jsonl"):
        with pytest.raises(DataError, match=r"column 'x': a month_interval, .*name an output of Arrow"):
            format_named(out).check_schema(schema)
    with pytest.raises(DataError, match=r"column 'x': .*which Parquet has no type for"):
        format_named("parquet").check_schema(schema)
    format_named("arrow").check_schema(schema)


VIEWS = categories(["a", None, None, "b"])
OF_VIEWS = {
    "alone": VIEWS,
    "bytes": pa.DictionaryArray.from_arrays(pa.array([0, None]), pa.array([b"\xff"]).cast(pa.binary_view())),
    "ordered": pa.DictionaryArray.from_arrays(VIEWS.indices, VIEWS.dictionary, ordered=True),
    "struct": pa.StructArray.from_arrays([VIEWS, pa.array(range(4))], names=["d", "n"]),
    "list": lists_of_categories([["a", None], [], ["b"]]),
    "large list": pa.LargeListArray.from_arrays(pa.array([0, 2, 2, 4], pa.int64()), VIEWS),
    "fixed list": pa.FixedSizeListArray.from_arrays(VIEWS, 2),
    "map": pa.MapArray.from_arrays(pa.array([0, 1, 2, 3, 4], pa.int32()), pa.array(list("wxyz")), VIEWS),
    "deep": pa.StructArray.from_arrays([lists_of_categories([["a"], ["b", "a"]])], names=["d"]),
}


@pytest.mark.parametrize("nest", OF_VIEWS)
def test_dictionaries_of_views_become_such_of_plain_values(nest: str) -> None:
    column = pa.chunked_array([OF_VIEWS[nest].slice(0, 1), OF_VIEWS[nest].slice(1)])
    found = castable(column)
    assert "view" not in str(found.type)
    assert str(found.type) == str(column.type).replace("_view", "")
    assert found.to_pylist() == column.to_pylist()
    assert castable(found) is found


@pytest.mark.parametrize("nest", OF_VIEWS)
@pytest.mark.parametrize("ending", OUTPUTS)
def test_dictionaries_of_views_are_written_however_deep(tmp_path: Path, nest: str, ending: str) -> None:
    assert not pass_through(written(tmp_path, OF_VIEWS[nest]), "arrow", ending, tmp_path)


@pytest.mark.parametrize("first", ["a", "b"])
def test_dictionaries_of_views_here_and_texts_there(tmp_path: Path, first: str) -> None:
    for name, column in (("a", categories(["x", None])), ("b", pa.array(["y", "x"]))):
        table = pa.table({"t": ["1", "2"], "x": column})
        with pa.ipc.new_file(tmp_path / f"{name if first == 'a' else 'cb'[name == 'b']}.arrow", table.schema) as sink:
            sink.write_table(table)
    windows = Source.open(str(tmp_path)).read(("t", "x")).windows(max_rows=9, max_bytes=100)
    found = [value for window in windows for value in window["x"].to_pylist()]
    assert sorted(map(str, found)) == ["None", "x", "x", "y"]
