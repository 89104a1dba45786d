"""What models and files say of themselves; and what was changed is found, whatever it was, by `--verify`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file

import scorer
from scorer.classifier.labels import LabelSet
from scorer.classifier.metadata import ModelMetadata, sha256
from scorer.errors import DataError, ModelError
from scorer.scoring.inspection import inspect_file, inspect_model, verify_file, verify_model
from scorer.stores.location import Location
from tests.scoring.files import write
from tests.scoring.oracle import mixed_texts


def test_a_model_that_scorer_fitted(tiny_model, tmp_path):
    directory = shutil.copytree(tiny_model("bert"), tmp_path / "fitted")
    labels = LabelSet.from_values([1, 2, 3, 4, 5])
    ModelMetadata(
        base_model="base", text_columns=("text",), label_column="l", labels=labels, max_length=64, metrics={"f1": 0.5}
    ).write(directory)
    document = inspect_model(str(directory))
    json.dumps(document)
    assert document["kind"] == "model"
    assert document["fitted_by_scorer"]
    assert document["labels"] == {"names": ("1", "2", "3", "4", "5"), "kind": "int", "multi": False, "nominal": False}
    assert document["metrics"] == {"f1": 0.5}
    assert document["files"]["config.json"] == sha256(directory / "config.json")
    parts = dict(document["parameters"])
    assert parts.pop("total") == sum(parts.values())


def test_a_model_of_somebody_else_still_tells_its_labels(tiny_model):
    document = inspect_model(str(tiny_model("roberta", labels=("bad", "good"))))
    assert not document["fitted_by_scorer"]
    assert document["labels"] == {"names": ("bad", "good"), "kind": "string", "multi": False, "nominal": False}
    assert len(document["fingerprint"]) == 32


@pytest.mark.parametrize("kind", ["parquet", "csv", "arrow", "jsonl"])
def test_a_file_before_and_after_scoring(tiny_model, tmp_path, kind):
    source = write(tmp_path / f"in.{kind}", pa.table({"id": [1, 2], "text": ["good room", None]}))
    plain = inspect_file(Location.of_path(source))
    assert (plain["kind"], plain["format"], plain["rows"], plain["scored"]) == ("file", kind, 2, False)
    assert plain["columns"] == {"id": "int64", "text": "string"}
    assert (plain["lineage"], plain["written_by"]) == (None, None)

    scorer.score(source, tmp_path / "out.parquet", model=str(tiny_model("bert")))
    scored = inspect_file(Location.of_path(tmp_path / "out.parquet"))
    json.dumps(scored)
    assert (scored["scored"], scored["written_by"]) == (True, "score")
    assert list(scored["columns"]) == ["id", "text", "score", "confidence", "score_status"]
    assert scored["lineage"]["counts"] == {"rows": 2, "statuses": {"null": 1, "ok": 1}}
    assert scored["lineage"]["model"]["fingerprint"] == inspect_model(str(tiny_model("bert")))["fingerprint"]


def test_what_is_neither(tmp_path):
    with pytest.raises(ModelError):
        inspect_model(str(tmp_path))
    (tmp_path / "x.parquet").write_bytes(b"")
    with pytest.raises(DataError):
        inspect_file(Location.of_path(tmp_path / "x.parquet"))


@pytest.fixture
def model(tiny_model, tmp_path) -> Path:
    """A directory as `scorer fit` leaves it."""
    directory = Path(shutil.copytree(tiny_model("bert"), tmp_path / "model"))
    (directory / "report.html").write_text("<html/>")
    record(directory)
    return directory


def record(directory: Path) -> None:
    labels = LabelSet.from_values([1, 2, 3, 4, 5])
    ModelMetadata(base_model="b", text_columns=("text",), label_column="l", labels=labels, max_length=64).write(
        directory
    )


def test_a_model_as_it_was_written(model):
    verified = verify_model(str(model))
    assert verified.error is None
    found = json.loads(json.dumps(verified.document))
    assert found["verified"]["ok"]
    assert found["verified"]["weights"] == "finite"
    assert set(found["verified"]["files"].values()) == {"ok"}
    assert {path.name for path in model.iterdir()} == {*found["verified"]["files"], "scorer.json"}


def test_every_difference_is_told_file_by_file(model):
    (model / "report.html").write_text("<html></html>")
    (model / "tokenizer_config.json").unlink()
    (model / "notes.txt").write_text("mine")
    verified = verify_model(str(model))
    assert isinstance(verified.error, ModelError)
    assert "and 2 more" in str(verified.error)
    states = verified.document["verified"]["files"]
    assert not verified.document["verified"]["ok"]
    assert {name: state for name, state in states.items() if state != "ok"} == {
        "report.html": "changed",
        "tokenizer_config.json": "missing",
        "notes.txt": "unlisted",
    }


def test_weights_that_are_not_finite_are_found_though_their_hash_is_right(model):
    weights = load_file(model / "model.safetensors")
    weights["classifier.bias"][0] = torch.nan
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    record(model)
    verified = verify_model(str(model))
    assert isinstance(verified.error, ModelError)
    assert "classifier.bias holds non-finite weights" in verified.document["verified"]["weights"]
    assert set(verified.document["verified"]["files"].values()) == {"ok"}


def test_a_model_of_somebody_else_has_no_hashes_but_weights(tiny_model):
    verified = verify_model(str(tiny_model("roberta")))
    assert verified.error is None
    assert set(verified.document["verified"]["files"].values()) == {"not recorded"}


def test_a_model_that_breaks_the_rules_of_trust_is_refused_at_once(model):
    (model / "own.py").write_text("")
    with pytest.raises(ModelError, match="code in a model directory"):
        verify_model(str(model))


def make_scored(tmp_path: Path, model: Path, prefix: str) -> Path:
    source = write(tmp_path / "in.parquet", pa.table({"id": range(300), "text": pa.array(mixed_texts(300))}))
    target = tmp_path / "out.parquet"
    scorer.score(source, target, model=str(model), prefix=prefix, window_rows=100)
    return target


@pytest.fixture
def scored(tiny_model, tmp_path) -> Path:
    return make_scored(tmp_path, tiny_model("bert"), "")


def test_a_scored_file_with_a_prefix(tmp_path, tiny_model):
    verified = verify_file(Location.of_path(make_scored(tmp_path, tiny_model("bert"), "my_")))
    assert verified.error is None
    assert verified.document["verified"]["statuses"] == verified.document["lineage"]["counts"]["statuses"]


def test_a_scored_file_as_it_was_written(scored):
    verified = verify_file(Location.of_path(scored))
    assert verified.error is None
    found = json.loads(json.dumps(verified.document))
    assert found["verified"] == {"ok": True, "problems": []} | found["lineage"]["counts"]


@pytest.mark.parametrize("kind", ["parquet", "csv", "arrow", "jsonl"])
def test_a_file_without_lineage_is_only_read(tmp_path, kind):
    path = write(tmp_path / f"in.{kind}", pa.table({"id": [1, 2], "text": ["good room", None]}))
    verified = verify_file(Location.of_path(path))
    assert verified.error is None
    assert verified.document["verified"] == {"ok": True, "problems": [], "rows": 2}


def test_a_flipped_bit_is_found_by_its_page_checksum(scored):
    content = bytearray(scored.read_bytes())
    page = pq.read_metadata(scored).row_group(1).column(1)
    content[page.dictionary_page_offset + page.total_compressed_size - 3] ^= 1
    scored.write_bytes(content)
    verified = verify_file(Location.of_path(scored))
    assert isinstance(verified.error, DataError)
    assert verified.error.exit_code == 65
    assert not verified.document["verified"]["ok"]
    assert verified.document["lineage"] is not None


def rewrite(path: Path, change) -> None:
    """What a tool would do that keeps the footer's metadata but not what it says."""
    metadata = {key: value for key, value in pq.read_metadata(path).metadata.items() if key != b"ARROW:schema"}
    pq.write_table(change(pq.read_table(path)).replace_schema_metadata(metadata), path)


def column(table: pa.Table, name: str) -> int:
    return next(index for index, found in enumerate(table.column_names) if found.endswith(name))


def replaced(table: pa.Table, name: str, make) -> pa.Table:
    index = column(table, name)
    return table.set_column(index, table.column_names[index], make(table.column(index)))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda table: table.slice(1), "its lineage counts other rows"),
        (lambda table: table.slice(0, 0), "its lineage counts other rows"),
        (lambda table: pa.concat_tables([table, table]), "its lineage counts other rows"),
        (
            lambda table: replaced(table, "score_status", lambda c: pa.array(["ok"] * len(c))),
            "its lineage counts other",
        ),
        (lambda table: replaced(table, "score_status", lambda c: pa.nulls(len(c), pa.string())), "its lineage counts"),
        (
            lambda table: replaced(table, "score", lambda c: pc.if_else(c.is_null(), 1, c)),
            "rows whose score and status contradict each other",
        ),
        (
            lambda table: replaced(table, "confidence", lambda c: pa.nulls(len(c), pa.float32())),
            "rows whose score and status contradict each other",
        ),
        (lambda table: table.drop_columns([table.column_names[column(table, "confidence")]]), "columns"),
    ],
    ids=["a row less", "no rows", "twice", "all ok", "no status", "a score too much", "no confidence", "a column less"],
)
def test_rows_and_statuses_that_are_not_those_of_the_lineage(scored, change, problem):
    rewrite(scored, change)
    verified = verify_file(Location.of_path(scored))
    assert isinstance(verified.error, DataError)
    assert any(problem in told for told in verified.document["verified"]["problems"])


def test_a_status_that_holds_somebodys_text_is_not_repeated(scored):
    rewrite(scored, lambda table: replaced(table, "score_status", lambda c: pa.array(["CANARY text"] * len(c))))
    verified = verify_file(Location.of_path(scored))
    assert isinstance(verified.error, DataError)
    assert "CANARY" not in json.dumps(verified.document) + str(verified.error)


def test_no_footer_is_an_error_without_a_document(scored):
    scored.write_bytes(scored.read_bytes()[:-20])
    with pytest.raises(DataError):
        verify_file(Location.of_path(scored))


def test_the_command_prints_the_document_and_then_fails(scored, model, run_scorer):
    rewrite(scored, lambda table: table.slice(1))
    (model / "notes.txt").write_text("mine")
    for what, code in ((scored, 65), (model, 78)):
        ran = run_scorer("inspect", "--verify", what)
        assert ran.returncode == code
        assert not json.loads(ran.stdout)["verified"]["ok"]
        assert ran.stderr.count("\n") == 1
