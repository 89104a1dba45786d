"""Models with one output, from text to file: what transformers' own pipeline gives, row by row, and no confidence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from transformers import pipeline

import scorer
from scorer.classifier.forward.openvino import is_installed
from scorer.errors import ModelError, UsageError
from scorer.scoring.inspection import inspect_model, verify_file
from scorer.stores.location import Location
from scorer.tables.sink import lineage_metadata, read_lineage
from scorer.testing import FakeScorer
from tests.models import sentences
from tests.scoring.files import read, write

BACKENDS = ["packed", "padded", pytest.param("openvino", marks=pytest.mark.skipif(not is_installed(), reason="extra"))]


@pytest.fixture(params=[None, "regression"])
def model(request, tiny_model, tmp_path) -> Path:
    directory = Path(shutil.copytree(tiny_model("bert", labels=("LABEL_0",)), tmp_path / "model"))
    file = directory / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"problem_type": request.param}))
    return directory


def expected(model: Path, *columns: list[str]) -> list[float]:
    scoring = pipeline("text-classification", model=str(model), device="cpu", dtype="float64")
    names = ("text", "text_pair")[: len(columns)]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    return [scoring(row, truncation=True, max_length=128)["score"] for row in rows]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("pair", [False, True], ids=["single", "pair"])
def test_numbers_are_those_of_the_pipeline(model, tmp_path, backend, pair):
    texts, others = sentences(40, seed=1, longest=200), sentences(40, seed=2)
    names = ("a", "b")[: 2 if pair else 1]
    source = write(tmp_path / "in.parquet", pa.table({"a": texts, "b": others}).select(names))
    scorer.score(
        source, tmp_path / "out.parquet", model=str(model), text_column=names, precision="fp32", backend=backend
    )
    rows = read(tmp_path / "out.parquet")
    columns = [texts, others] if pair else [texts]
    assert [row["score"] for row in rows] == pytest.approx(expected(model, *columns), abs=2e-5)
    assert {row["confidence"] for row in rows} == {None}
    assert {row["score_status"] for row in rows} == {"ok", "truncated"}


@pytest.mark.parametrize("architecture", ["roberta", "deberta-v2", "modernbert"])
def test_other_architectures(tiny_model, architecture):
    model, texts = tiny_model(architecture, labels=("LABEL_0",)), sentences(12, seed=3)
    rows = scorer.load(model, precision="fp32").score_texts(texts)
    assert [row["score"] for row in rows] == pytest.approx(expected(model, texts), abs=1e-5)


@pytest.mark.parametrize("kind", ["parquet", "csv", "tsv", "jsonl", "arrow"])
def test_rows_without_a_text_have_no_number_in_any_format(model, tmp_path, kind):
    source = write(tmp_path / f"in.{kind}", pa.table({"id": [1, 2, 3], "text": ["good room", None, " "]}))
    scorer.score(source, tmp_path / f"out.{kind}", model=str(model), precision="fp32")
    rows = read(tmp_path / f"out.{kind}")
    assert [row["score_status"] for row in rows] == ["ok", "null", "empty"]
    assert float(rows[0]["score"]) == pytest.approx(expected(model, ["good room"])[0], abs=1e-5)
    assert [row["score"] or None for row in rows[1:]] == [None, None]
    assert [row["confidence"] or None for row in rows] == [None] * 3


def test_a_scored_file_proves_right_and_is_not_made_again(model, tmp_path):
    source, target = write(tmp_path / "in.parquet", pa.table({"text": ["good room", None]})), tmp_path / "out.parquet"
    first = scorer.score(source, target, model=str(model))
    found = verify_file(Location.of_path(target))
    assert found.error is None
    assert found.document["columns"]["score"] == "double"
    assert read_lineage(target).job.models["model"].decision["activation"] == inspect_model(str(model))["activation"]
    assert not first.finished_before
    assert scorer.score(source, target, model=str(model)).finished_before


def test_another_activation_is_another_job_of_the_same_logits(model, tmp_path):
    source, target, cache = tmp_path / "in.parquet", tmp_path / "out.parquet", tmp_path / "cache"
    write(source, pa.table({"text": ["good room", "bad soup"]}))
    scorer.score(source, target, model=str(model), cache=cache)
    beside = {"activation_fn": "torch.nn.modules.linear.Identity"}
    if inspect_model(str(model))["activation"] == "identity":
        beside = {"activation_fn": "torch.nn.modules.activation.Sigmoid"}
    (model / "config_sentence_transformers.json").write_text(json.dumps(beside))
    before = [row["score"] for row in read(target)]
    again = scorer.score(source, target, model=str(model), cache=cache, force=True)
    assert (again.finished_before, again.reused_rows) == (False, 2)
    assert [row["score"] for row in read(target)] != before


def test_a_confidence_beside_a_number_is_found(model, tmp_path):
    target = tmp_path / "out.parquet"
    scorer.score(write(tmp_path / "in.parquet", pa.table({"text": ["a", "b"]})), target, model=str(model))
    table, lineage = pq.read_table(target), lineage_metadata(read_lineage(target))
    place = table.column_names.index("confidence")
    forged = table.set_column(place, "confidence", pa.array([0.5, None], pa.float32()))
    with pq.ParquetWriter(target, forged.schema) as writer:
        writer.write_table(forged)
        writer.add_key_value_metadata(lineage)
    assert "1 rows whose score and status contradict" in str(verify_file(Location.of_path(target)).error)


@pytest.mark.parametrize("asked", [{"expected": True}, {"probabilities": True}, {"top_k": 1}])
def test_columns_of_labels_are_refused(asked):
    flag = "--" + next(iter(asked)).replace("_", "-")
    with pytest.raises(UsageError, match=f"{flag}: this model has one output"):
        FakeScorer(activation="sigmoid", **asked)


def test_frames_in_memory(model):
    frame = polars.DataFrame({"text": ["good room", None]})
    scored = scorer.load(model, token_count=True).score_frame(frame)
    assert scored.schema["score"] == polars.Float64
    assert scored.schema["confidence"] == polars.Float32
    assert scored["score"].null_count() == 1


def test_prediction_on_the_command_line(model, run_scorer):
    result = run_scorer("predict", "-m", model, "--precision", "fp32", "good room", "")
    first, second = map(json.loads, result.stdout.splitlines())
    assert first["score"] == pytest.approx(expected(model, ["good room"])[0], abs=1e-5)
    assert (first["confidence"], first["score_status"]) == (None, "ok")
    assert (second["score"], second["score_status"]) == (None, "empty")


def test_numbers_are_not_compared_with_the_labels_of_another_model(model, tiny_model, tmp_path, run_scorer):
    data = write(tmp_path / "data.csv", pa.table({"text": ["good room", "bad"], "label": [1, 2]}))
    other = tiny_model("bert")
    for command in (["diff", model, other, data], ["diff", other, model, data]):
        result = run_scorer(*command)
        assert result.returncode == ModelError.exit_code
        assert "gives numbers (one output)" in result.stderr
        assert len(result.stderr.splitlines()) == 1
