"""Columns of bytes, as some databases have texts: texts and labels are read where they are UTF-8, in every command."""

from __future__ import annotations

import csv
import json
import uuid

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.test_rejects import COMMANDS, HOW
from tests.training.fits import reviews

KINDS = {
    "binary": pa.binary(),
    "large_binary": pa.large_binary(),
    "binary_view": pa.binary_view(),
    "dictionary": pa.dictionary(pa.int32(), pa.binary()),
}


def bytes_of(values, kind):
    array = pa.array([value if isinstance(value, bytes) else value.encode() for value in values], pa.binary())
    return array.dictionary_encode() if pa.types.is_dictionary(kind) else array.cast(kind)


@pytest.fixture
def write(tmp_path):
    def write(kind, *, texts=None, labels=None, **others):
        rows = reviews(60)
        texts, labels = texts or [text for text, _ in rows], labels or [mood for _, mood in rows]
        table = {"text": bytes_of(texts, kind), "label": bytes_of(labels, kind)}
        path = tmp_path / "in.arrow"
        with pa.ipc.new_file(
            path, pa.schema([(name, column.type) for name, column in (table | others).items()])
        ) as sink:
            sink.write_table(pa.table(table | others))
        return path.name

    return write


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("command", COMMANDS)
def test_labels_and_texts_that_are_bytes_are_read(cli, tiny_model, write, command, kind):
    ran = cli(*COMMANDS[command](tiny_model("bert", labels=("bad", "good")), write(kind)))
    assert ran.code == 0, ran.err
    if command == "check":
        assert set(json.loads(ran.out)["labels"]["rows"]) == {"bad", "good"}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_label_that_is_no_text_is_told_with_its_place(cli, tiny_model, write, command):
    labels = [mood for _, mood in reviews(60)]
    labels[40] = b"\xff"
    ran = cli(*COMMANDS[command](tiny_model("bert", labels=("bad", "good")), write(pa.binary(), labels=labels)))
    assert ran.code == 65
    assert ran.err.count("column 'label', row 41: a label is not UTF-8; write it as UTF-8") == 1


def test_lists_of_labels_and_columns_of_0_and_1_may_be_bytes_too(cli, tiny_model, write):
    lists = pa.array([[b"x", b"y"], [b"y"], []] * 20)
    ran = cli("check", write(pa.binary(), tags=lists), "--label-column", "tags", "--base-model", tiny_model("bert"))
    assert json.loads(ran.out)["labels"]["rows"] == {"y": 40, "x": 20}
    wrong = pa.array([[b"x", b"y"], [b"y", b"\xfe"], []] * 20)
    ran = cli("check", write(pa.binary(), tags=wrong), "--label-column", "tags", "--base-model", tiny_model("bert"))
    assert (ran.code, "column 'tags', row 2: a label is not UTF-8" in ran.err) == (65, True)
    ones = {"a": pa.array([b"0", b"1"] * 30), "b": pa.array([b"1", b"0"] * 30)}
    flags = ("--label-column", "a", "--label-column", "b", "--base-model", tiny_model("bert"))
    assert json.loads(cli("check", write(pa.binary(), **ones), *flags).out)["labels"]["rows"] == {"a": 30, "b": 30}


def test_bytes_beside_other_columns_are_none_of_labels_or_texts(cli, tiny_model, write):
    """A file in which the name of one column was telling before is read as before."""
    stars = pa.array([1, 2, 3] * 20)
    ran = cli("check", write(pa.binary(), stars=stars), "--base-model", tiny_model("bert"))
    assert json.loads(ran.out)["label_column"] == "stars"


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("out", ["out.csv", "out.tsv.gz", "out.jsonl", "out.parquet", "out.arrow"])
def test_in_text_a_text_is_text_and_other_bytes_are_base64(cli, tiny_model, write, tmp_path, out, kind):
    other = pa.array([b"\xff\x00"] * 60, pa.binary())
    source = write(kind, other=other)
    assert cli("score", source, out, "-m", tiny_model("bert"), *HOW).code == 0
    if out in ("out.parquet", "out.arrow"):
        if out == "out.arrow":
            with pa.OSFile(str(tmp_path / out)) as stream:
                assert pa.ipc.open_file(stream).schema.field("text").type == kind
        return
    if out == "out.jsonl":
        rows = [json.loads(line) for line in (tmp_path / out).read_text().splitlines()]
    elif out == "out.csv":
        rows = list(csv.DictReader((tmp_path / out).read_text().splitlines()))
    else:
        import gzip

        rows = list(
            csv.DictReader(gzip.decompress((tmp_path / out).read_bytes()).decode().splitlines(), delimiter="\t")
        )
    assert [row["text"] for row in rows] == [text for text, _ in reviews(60)]
    assert {row["other"] for row in rows} == {"/wA="}


def test_changed_rows_have_texts_as_text(cli, tiny_model, write, tmp_path):
    models = [tiny_model("bert", labels=("bad", "good"), seed=seed) for seed in (1, 2)]
    ran = cli("diff", *models, write(pa.binary()), "--rows", "rows.csv", *HOW)
    assert ran.code == 0, ran.err
    texts = {text for text, _ in reviews(60)}
    assert {row["text"] for row in csv.DictReader((tmp_path / "rows.csv").read_text().splitlines())} <= texts


@pytest.mark.parametrize("command", [*COMMANDS, "score"])
def test_odd_columns_beside_do_not_matter(cli, tiny_model, tmp_path, command):
    """A type of which Arrow makes no empty column, nested in a struct, and others that few programs write."""
    rows = reviews(60)
    ids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([uuid.uuid4().bytes] * 60, pa.binary(16)))
    odd = {
        "nest": pa.StructArray.from_arrays([ids], ["id"]),
        "lists": pa.ListArray.from_arrays(list(range(61)), ids),
        "json": pa.ExtensionArray.from_storage(pa.json_(), pa.array(["{}"] * 60)),
        "runs": pa.RunEndEncodedArray.from_arrays([60], ["x"]),
        "fixed": pa.ExtensionArray.from_storage(
            pa.fixed_shape_tensor(pa.int8(), [1]), pa.array([[1]] * 60, pa.list_(pa.int8(), 1))
        ),
    }
    table = pa.table({"text": [text for text, _ in rows], "label": [mood for _, mood in rows], **odd})
    with pa.ipc.new_file(tmp_path / "in.arrow", table.schema) as sink:
        sink.write_table(table)
    model = tiny_model("bert", labels=("bad", "good"))
    score = ("score", "in.arrow", "out.arrow", "-m", model, *HOW)
    ran = cli(*(score if command == "score" else COMMANDS[command](model, "in.arrow")))
    assert ran.code == 0, ran.err


def test_parquet_of_bytes(cli, tiny_model, tmp_path):
    table = pa.table({"text": bytes_of([text for text, _ in reviews(8)], pa.binary())})
    pq.write_table(table, tmp_path / "in.parquet")
    assert cli("score", "in.parquet", "out.parquet", "-m", tiny_model("bert"), *HOW).code == 0
    assert pq.read_table(tmp_path / "out.parquet").schema.field("text").type == pa.binary()
