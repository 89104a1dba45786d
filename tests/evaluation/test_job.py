"""Evaluations of a small fitted model, compared with transformers and scikit-learn."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import confusion_matrix, f1_score, log_loss

from scorer.errors import DataError, OutputRefused, UsageError
from scorer.evaluation.job import EvaluationSummary
from tests.evaluation.fitted import run
from tests.scoring.oracle import Oracle
from tests.training.fits import Remembering, reviews, write_csv, write_reviews


def with_columns(path: Path, count: int = 60) -> Path:
    """Labelled rows with a shop beside them, of which every tenth has a wrong label and one no text."""
    rows = [
        ("" if number == 7 else text, 5 if (mood == "good") != (number % 10 == 0) else 1, f"shop {number % 3}")
        for number, (text, mood) in enumerate(reviews(count, seed=3))
    ]
    return write_csv(path, ("sentence", "score", "shop"), rows)


@pytest.fixture(scope="module")
def found(fitted: Path, tmp_path_factory: pytest.TempPathFactory) -> EvaluationSummary:
    folder = tmp_path_factory.mktemp("evaluated")
    data = with_columns(folder / "data.csv")
    return run(data, fitted / "model", slice=("shop",), rows=folder / "rows.parquet", show=5)


def test_the_figures_are_those_of_transformers_and_scikit_learn(found: EvaluationSummary, fitted: Path) -> None:
    rows = [row for number, row in enumerate(reviews(60, seed=3)) if number != 7]
    temperature = json.loads((fitted / "model" / "scorer.json").read_text())["decision"]["temperature"][0]
    expected = Oracle(fitted / "model", max_length=32, temperature=temperature).rows([text for text, _ in rows])
    table = pq.read_table(found.config.rows).sort_by("row").to_pylist()
    assert [str(row["score"]) for row in table] == [row["label"] for row in expected]
    confidence = [row["probabilities"].max() for row in expected]
    assert [row["confidence"] for row in table] == pytest.approx(confidence, abs=1e-5)

    given = [row["label"] for row in table]
    answers = [row["score"] for row in table]
    of_five = [row["confidence"] if row["score"] == 5 else 1 - row["confidence"] for row in table]
    document = found.as_dict()
    assert document["metrics"]["confusion"] == confusion_matrix(given, answers).tolist()
    assert document["metrics"]["macro_f1"] == pytest.approx(f1_score(given, answers, average="macro"))
    assert document["metrics"]["nll"] == pytest.approx(log_loss(given, of_five), rel=1e-4)
    assert np.mean([row["loss"] for row in table]) == pytest.approx(document["metrics"]["nll"], rel=1e-5)


def test_rows_without_a_text_are_left_out_and_row_numbers_are_those_of_the_file(found: EvaluationSummary) -> None:
    document = found.as_dict()
    assert document["rows"] == {"read": 60, "left_out": 1, "unscored": 0}
    texts = [text for text, _ in reviews(60, seed=3)]
    table = pq.read_table(found.config.rows)
    assert sorted(table["row"].to_pylist()) == [number for number in range(1, 61) if number != 8]
    assert all(row["text"] == texts[row["row"] - 1] for row in table.to_pylist())


def test_suspects_come_first_and_then_the_hardest(found: EvaluationSummary) -> None:
    table = pq.read_table(found.config.rows).to_pylist()
    ranks = [row["suspect_rank"] for row in table]
    suspects = [row for row in table if row["suspect_rank"] is not None]
    assert ranks == [*range(1, len(suspects) + 1), *[None] * (len(table) - len(suspects))]
    assert suspects
    assert all(row["suggested"] != row["label"] for row in suspects)
    for part, name in ((suspects, "suspect_score"), (table[len(suspects) :], "loss")):
        values = [row[name] for row in part]
        assert values == sorted(values, reverse=True)
    flipped = {number + 1 for number in range(0, 60, 10)}
    assert {row["row"] for row in suspects[:5]} <= flipped
    document = found.as_dict()
    assert [row["row"] for row in document["label_errors"]["first"]] == [row["row"] for row in suspects[:5]]
    losses = sorted((row["loss"] for row in table), reverse=True)
    assert [row["loss"] for row in document["hardest"]] == pytest.approx(losses[:5])


def test_slices_are_by_length_and_by_the_column_asked_for(found: EvaluationSummary) -> None:
    parts = found.as_dict()["slices"]
    assert [part["column"] for part in parts if part["value"].startswith("shop")] == ["shop"] * 3
    for column in ("characters", "tokens", "shop"):
        members = [part for part in parts if part["column"] == column]
        assert sum(part["rows"] for part in members) == 59
        right = sum(part["accuracy"] * part["rows"] for part in members)
        assert right / 59 == pytest.approx(found.findings.metrics.accuracy)


def test_the_document_is_json_without_any_text(found: EvaluationSummary) -> None:
    document = json.dumps(found.as_dict(), allow_nan=False)
    assert not any(text in document for text, _ in reviews(60, seed=3))


def test_the_training_file_itself_is_warned_of(fitted: Path) -> None:
    console = Remembering()
    run(fitted / "train.csv", fitted / "model", console)
    assert console.having("warning:")
    assert console.having("the figures flatter it")


def test_what_cannot_be_is_refused_before_the_model_is_loaded(fitted: Path, tmp_path: Path) -> None:
    data = write_reviews(tmp_path / "d.csv", 20)
    model = fitted / "model"
    (tmp_path / "there.csv").write_text("old")
    with pytest.raises(UsageError, match="did you mean 'score'"):
        run(data, model, slice=("scores",))
    with pytest.raises(OutputRefused, match="--force"):
        run(data, model, rows=tmp_path / "there.csv")
    with pytest.raises(UsageError, match="no format has this ending"):
        run(data, model, rows=tmp_path / "rows.xlsx")
    with pytest.raises(UsageError, match="is the input itself"):
        run(data, model, rows=data, force=True)
    assert (tmp_path / "there.csv").read_text() == "old"


def test_labels_that_the_model_lacks_are_an_error_with_counts(fitted: Path, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "d.csv", ("sentence", "score"), [("good", 5), ("bad", 3), ("bad", 2), ("so", 3)])
    with pytest.raises(DataError, match="3 of 4 rows have one of 2 labels"):
        run(data, fitted / "model")


def test_a_model_that_scorer_did_not_fit(tiny_model, tmp_path: Path) -> None:
    table = pa.table({"text": ["good room", "bad soup", "kind staff"], "stars": [5, 1, 4]})
    pq.write_table(table, tmp_path / "d.parquet")
    found = run(tmp_path / "d.parquet", tiny_model("bert"))
    expected = [int(row["label"]) for row in Oracle(tiny_model("bert")).rows(table["text"].to_pylist())]
    assert found.findings.labels_of(found.findings.judged.predicted) == expected
    with pytest.raises(UsageError, match="does not say how it was fitted"):
        run(tmp_path / "d.parquet", tiny_model("bert"), folds=2)


def test_folds_find_wrong_labels_in_the_training_data(fitted: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = with_columns(tmp_path / "data.csv", 120)
    console = Remembering()
    found = run(data, fitted / "model", console, folds=2, rows=tmp_path / "rows.csv")
    flipped = {number + 1 for number in range(0, 120, 10)}
    first = [row["row"] for row in found.as_dict()["label_errors"]["first"][:6]]
    assert len(flipped.intersection(first)) >= 3
    assert len(console.having("fold ")) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.csv", "rows.csv"]
    assert found.as_dict()["metrics"]["rows"] == 119


def test_a_changed_model_is_refused(fitted: Path, tmp_path: Path) -> None:
    shutil.copytree(fitted / "model", tmp_path / "m")
    weights = bytearray((tmp_path / "m" / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (tmp_path / "m" / "model.safetensors").write_bytes(weights)
    with pytest.raises(Exception, match="changed since"):
        run(write_reviews(tmp_path / "d.csv", 20), tmp_path / "m")
