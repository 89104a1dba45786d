"""What models and files say of themselves."""

from __future__ import annotations

import json
import shutil

import pyarrow as pa
import pytest

import scorer
from scorer.classifier.labels import LabelSet
from scorer.classifier.metadata import ModelMetadata, sha256
from scorer.errors import DataError, ModelError
from scorer.scoring.inspection import inspect_file, inspect_model
from tests.scoring.files import write


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
    plain = inspect_file(source)
    assert (plain["kind"], plain["format"], plain["rows"], plain["scored"]) == ("file", kind, 2, False)
    assert plain["columns"] == {"id": "int64", "text": "string"}
    assert (plain["lineage"], plain["written_by"]) == (None, None)

    scorer.score(source, tmp_path / "out.parquet", model=str(tiny_model("bert")))
    scored = inspect_file(tmp_path / "out.parquet")
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
        inspect_file(tmp_path / "x.parquet")
