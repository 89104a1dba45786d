"""Evaluations, compared with transformers and scikit-learn."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import confusion_matrix, f1_score, log_loss

from scorer import load, score
from scorer.classifier.decision import Decision
from scorer.classifier.long_text import LongText
from scorer.classifier.metadata import ModelMetadata
from scorer.classifier.profile import LENGTH_EDGES
from scorer.errors import DataError, ModelError, OutputRefused, UsageError
from scorer.evaluation.evaluate_job import EvaluationSummary
from scorer.scoring.inspection import verify_file
from scorer.stores.location import Location
from scorer.tables.sink import Sink, table_file
from tests.evaluation.fitted import TEMPERATURE, logits, make_fitted, run, texts
from tests.reports.test_evaluate_page import SECTIONS
from tests.reports.test_fit_page import headings
from tests.training.fits import Remembering, write_csv

WITHOUT_TEXT = 7
FLIPPED = range(0, 60, 10)
BEYOND_32 = LENGTH_EDGES.index(32) + 1


def probabilities(model: Path, rows: list[str]) -> np.ndarray:
    exponentials = np.exp(logits(model, rows) / TEMPERATURE)
    return exponentials / exponentials.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def data(fitted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 rows with a shop beside them, of which every tenth has a wrong label and one no text."""
    rows = texts(60)
    answers = probabilities(fitted, rows).argmax(axis=1)
    labels = [(1, 5)[answer ^ (number in FLIPPED)] for number, answer in enumerate(answers)]
    rows[WITHOUT_TEXT] = ""
    table = [(text, labels[number], f"shop {number % 3}") for number, text in enumerate(rows)]
    return write_csv(tmp_path_factory.mktemp("data") / "data.csv", ("sentence", "score", "shop"), table)


@pytest.fixture(scope="module")
def found(fitted: Path, data: Path) -> EvaluationSummary:
    written = {"rows": data.with_name("rows.parquet"), "report": data.with_name("page.html")}
    return run(data, fitted, slice=("shop",), show=5, **written)


def test_a_row_whose_confidence_is_the_threshold_is_kept(tmp_path: Path) -> None:
    """As `score` keeps it: dividing the logits in float32 would put some such rows below their own confidence."""
    model = make_fitted(tmp_path / "model", ("1", "5"))
    every_row = write_csv(tmp_path / "d.csv", ("sentence", "score"), [(text, 1) for text in texts(60)])
    scored = load(str(model), precision="fp32", device="cpu").score_frame(pa.table({"sentence": texts(60)}))
    confidence = sorted(scored["confidence"].to_pylist())
    metadata = ModelMetadata.read(model)
    for least in confidence[::6]:
        dataclasses.replace(metadata, decision=Decision((TEMPERATURE,), abstain_below=least)).write(model)
        kept = run(every_row, model).findings.metrics.more["coverage"]
        assert kept == pytest.approx(np.mean(np.array(confidence) >= least))


def test_the_calibration_of_the_model_is_told_and_used(data: Path, tmp_path: Path) -> None:
    model = make_fitted(tmp_path / "model", ("1", "5"))
    metadata = ModelMetadata.read(model)
    plain = run(data, model).as_dict()
    dataclasses.replace(metadata, decision=Decision((TEMPERATURE,), exponent=1.5)).write(model)
    raised = run(data, model).as_dict()
    assert (plain["exponent"], raised["exponent"]) == (1.0, 1.5)
    assert plain["temperature"] == raised["temperature"] == [TEMPERATURE]
    assert raised["metrics"]["accuracy"] == plain["metrics"]["accuracy"]
    assert raised["metrics"]["nll"] != plain["metrics"]["nll"]


def test_the_figures_are_those_of_transformers_and_scikit_learn(found: EvaluationSummary, fitted: Path) -> None:
    expected = probabilities(fitted, [text for number, text in enumerate(texts(60)) if number != WITHOUT_TEXT])
    table = pq.read_table(found.config.rows).sort_by("row").to_pylist()
    answers, given = [row["score"] for row in table], [row["label"] for row in table]
    assert answers == [(1, 5)[index] for index in expected.argmax(axis=1)]
    assert [row["confidence"] for row in table] == pytest.approx(expected.max(axis=1), abs=1e-5)

    document = found.as_dict()
    assert document["metrics"]["confusion"] == confusion_matrix(given, answers).tolist()
    assert document["metrics"]["macro_f1"] == pytest.approx(f1_score(given, answers, average="macro"))
    assert document["metrics"]["nll"] == pytest.approx(log_loss(given, expected[:, 1]), rel=1e-4)
    assert np.mean([row["loss"] for row in table]) == pytest.approx(document["metrics"]["nll"], rel=1e-5)
    assert document["uncalibrated"]["nll"] != pytest.approx(document["metrics"]["nll"], rel=1e-3)


def test_rows_without_a_text_are_left_out_and_row_numbers_are_those_of_the_file(found: EvaluationSummary) -> None:
    assert found.as_dict()["rows"] == {"read": 60, "left_out": 1, "unscored": 0}
    table = pq.read_table(found.config.rows)
    assert sorted(table["row"].to_pylist()) == [number for number in range(1, 61) if number != WITHOUT_TEXT + 1]
    assert all(row["text"] == texts(60)[row["row"] - 1] for row in table.to_pylist())


def test_suspects_come_first_and_then_the_hardest(found: EvaluationSummary) -> None:
    table = pq.read_table(found.config.rows).to_pylist()
    suspects = [row for row in table if row["suspect_rank"] is not None]
    assert suspects
    assert table[: len(suspects)] == suspects
    assert [row["suspect_rank"] for row in suspects] == [*range(1, len(suspects) + 1)]
    assert all(row["suggested"] != row["label"] for row in suspects)
    assert {row["row"] for row in suspects} <= {number + 1 for number in FLIPPED}
    for part, name in ((suspects, "suspect_score"), (table[len(suspects) :], "loss")):
        values = [row[name] for row in part]
        assert values == sorted(values, reverse=True)
    document = found.as_dict()
    assert [row["row"] for row in document["label_errors"]["first"]] == [row["row"] for row in suspects[:5]]
    losses = sorted((row["loss"] for row in table), reverse=True)
    assert [row["loss"] for row in document["hardest"]] == pytest.approx(losses[:5])


def test_ranked_rows_are_no_scored_file(found: EvaluationSummary) -> None:
    verified = verify_file(Location.of_path(found.config.rows))
    assert verified.error is None
    assert (verified.document["scored"], verified.document["written_by"]) == (False, "evaluate")
    assert verified.document["verified"] == {"ok": True, "problems": [], "rows": 59}


def test_a_signal_between_two_files_leaves_both(fitted: Path, data: Path, tmp_path: Path) -> None:
    @contextmanager
    def stopped_after(*arguments: Any, **options: Any) -> Iterator[Sink]:
        with table_file(*arguments, **options) as sink:
            yield sink
        os.kill(os.getpid(), signal.SIGTERM)

    run(data, fitted, table_file=stopped_after, rows=tmp_path / "r.csv", report=tmp_path / "r.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.csv", "r.html"]


def test_slices_are_by_length_and_by_the_column_asked_for(found: EvaluationSummary) -> None:
    parts = found.as_dict()["slices"]
    assert [part["value"] for part in parts if part["column"] == "shop"] == ["shop 0", "shop 2", "shop 1"]
    for column in ("characters", "tokens", "shop"):
        members = [part for part in parts if part["column"] == column]
        assert sum(part["rows"] for part in members) == 59
        right = sum(part["accuracy"] * part["rows"] for part in members)
        assert right / 59 == pytest.approx(found.findings.metrics.accuracy)


def test_the_document_is_json_without_any_text_and_the_page_has_some(found: EvaluationSummary) -> None:
    document = json.dumps(found.as_dict(), allow_nan=False)
    told = found.as_dict()
    assert told["decision"] == {"thresholds": None, "abstain_below": None}
    assert sum(told["lengths"]["rows"]) == told["metrics"]["rows"]
    assert len(told["lengths"]["edges"]) + 1 == len(told["lengths"]["rows"])
    assert sum(bin_["rows"] for bin_ in told["uncalibrated"]["reliability"]) == told["metrics"]["rows"]
    assert not any(text in document for text in texts(60))
    page = found.config.report.read_text(encoding="utf-8")
    suspect = pq.read_table(found.config.rows)["text"][0].as_py()
    assert suspect.split()[-2] in page
    assert "Suspected label errors" in page
    assert sorted(path.name for path in found.config.report.parent.iterdir()) == [
        "data.csv",
        "page.html",
        "rows.parquet",
    ]


def test_the_page_shows_how_often_each_label_is_given_and_how_long_the_texts_are(found: EvaluationSummary) -> None:
    answers = pq.read_table(found.config.rows)["score"].to_pylist()
    assert [label.predicted for label in found.findings.metrics.labels] == [answers.count(1), answers.count(5)]
    assert (sum(found.findings.lengths), found.findings.truncated_share) == (59, 0.0)
    page = found.config.report.read_text(encoding="utf-8")
    assert headings(page) == ["Before you read on", *SECTIONS]
    assert f"{answers.count(1)}</span>" in page.split('id="label-frequencies"')[1]
    assert "0.0 % of the texts are longer than the max length of 32 tokens" in page


def test_texts_that_the_model_does_not_see_at_once_are_told(tmp_path: Path) -> None:
    model = make_fitted(tmp_path / "model", ("1", "5"))
    rows = [*texts(30), *(f"{number} {'good room ' * 40}" for number in range(10))]
    data = write_csv(tmp_path / "d.csv", ("sentence", "score"), list(zip(rows, [1, 5] * 20, strict=True)))
    truncated = run(data, model, report=tmp_path / "truncated.html").findings
    assert (truncated.truncated_share, sum(truncated.lengths[BEYOND_32:])) == (0.25, 0)
    assert "25.0 % of the texts are longer than" in (tmp_path / "truncated.html").read_text(encoding="utf-8")
    dataclasses.replace(ModelMetadata.read(model), long_text=LongText("window", 4)).write(model)
    whole = run(data, model, report=tmp_path / "whole.html").findings
    assert (whole.truncated_share, sum(whole.lengths[BEYOND_32:])) == (0.0, 10)
    assert "in windows of at most 32 tokens" in (tmp_path / "whole.html").read_text(encoding="utf-8")


def test_other_formats_of_rows(fitted: Path, data: Path, tmp_path: Path) -> None:
    run(data, fitted, rows=tmp_path / "rows.jsonl.gz", limit=12)
    run(data, fitted, rows=tmp_path / "rows.csv", limit=12)
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == 12
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.csv", "rows.jsonl.gz"]


def test_what_cannot_be_is_refused_before_the_model_is_loaded(fitted: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "there.csv").write_text("old")
    for error, part, options in (
        (UsageError, "did you mean 'score'", {"slice": ("scores",)}),
        (OutputRefused, "--force", {"rows": tmp_path / "there.csv"}),
        (UsageError, "no format has this ending", {"rows": tmp_path / "rows.ods"}),
        (UsageError, "is the input itself", {"rows": data, "force": True}),
        (UsageError, "named twice", {"rows": tmp_path / "a.csv", "report": tmp_path / "a.csv"}),
        (UsageError, "a file is needed", {"rows": Path("-")}),
    ):
        with pytest.raises(error, match=part):
            run(data, fitted, **options)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]
    (tmp_path / "folder").mkdir()
    shutil.copy(data, tmp_path / "folder")
    with pytest.raises(UsageError, match="would be part of the input"):
        run(tmp_path / "folder", fitted, rows=tmp_path / "folder" / "more.csv")


def test_labels_that_the_model_lacks_are_an_error_with_counts(fitted: Path, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "d.csv", ("sentence", "score"), [("good", 5), ("bad", 3), ("bad", 2), ("so", 3)])
    with pytest.raises(DataError, match="3 of 4 rows have one of 2 labels in column 'score' that the model lacks"):
        run(data, fitted)


def test_a_model_that_scorer_did_not_fit(tiny_model, tmp_path: Path) -> None:
    rows = texts(9)
    answers = [index + 1 for index in logits(tiny_model("bert"), rows).argmax(axis=1)]
    pq.write_table(pa.table({"text": rows, "stars": answers}), tmp_path / "d.parquet")
    found = run(tmp_path / "d.parquet", tiny_model("bert"), report=tmp_path / "page.html").as_dict()
    assert (found["metrics"]["accuracy"], found["metrics"]["within_one"]) == (1.0, 1.0)
    assert found["label_errors"]["suspects"] == 0
    assert "brought no calibration along" in (tmp_path / "page.html").read_text(encoding="utf-8")
    with pytest.raises(UsageError, match="does not say how it was fitted"):
        run(tmp_path / "d.parquet", tiny_model("bert"), folds=2)


def test_rows_of_several_labels(tmp_path: Path) -> None:
    model = make_fitted(tmp_path / "model", ("anger", "joy", "love"), multi=True)
    rows = texts(40)
    likely = 1 / (1 + np.exp(-logits(model, rows) / TEMPERATURE))
    true = likely >= 0.4
    true[3] = ~true[3]
    names = ["|".join(np.array(["anger", "joy", "love"])[row]) for row in true]
    data = tmp_path / "d.parquet"
    pq.write_table(pa.table({"sentence": rows, "score": names}), data)
    found = run(data, model, rows=tmp_path / "rows.parquet", report=tmp_path / "page.html")
    document = found.as_dict()
    assert document["metrics"]["accuracy"] == pytest.approx(39 / 40)
    assert document["metrics"]["macro_f1"] == pytest.approx(f1_score(true, likely >= 0.4, average="macro"))
    assert len(document["label_thresholds"]) > 10
    table = pq.read_table(tmp_path / "rows.parquet").sort_by("row").to_pylist()
    assert [row["label"] for row in table] == [name.split("|") if name else [] for name in names]
    assert table[3]["label"] != table[3]["score"]
    loss = -np.where(true, np.log(likely), np.log(1 - likely)).mean(axis=1)
    assert [row["loss"] for row in table] == pytest.approx(loss, abs=1e-5)
    assert document["hardest"][0]["row"] == 4


@pytest.mark.parametrize("by_scorer", [True, False])
def test_a_separator_that_the_model_does_not_know(tmp_path: Path, by_scorer: bool) -> None:
    """One was fitted on lists of numbers, the other comes from the hub."""
    model = make_fitted(tmp_path / "model", ("1", "2", "3"), multi=True)
    temperature, threshold = (TEMPERATURE, 0.4) if by_scorer else (1.0, 0.5)
    if by_scorer:
        dataclasses.replace(ModelMetadata.read(model), label_separator=None).write(model)
    else:
        (model / "scorer.json").unlink()
    rows = texts(20)
    true = 1 / (1 + np.exp(-logits(model, rows) / temperature)) >= threshold
    names = [";".join(np.array(["1", "2", "3"])[row]) for row in true]
    data = tmp_path / "d.parquet"
    pq.write_table(pa.table({"sentence": rows, "score": names}), data)
    assert run(data, model, label_separator=";").findings.metrics.accuracy == 1.0
    with pytest.raises(UsageError, match="--label-separator: empty"):
        run(data, model, label_separator="")


@pytest.mark.parametrize("name", ["out.parquet", "out.csv"])
def test_answers_of_scorer_are_not_taken_for_labels_unasked(fitted: Path, tiny_model, tmp_path: Path, name) -> None:
    pq.write_table(pa.table({"sentence": texts(20)}), tmp_path / "in.parquet")
    score(tmp_path / "in.parquet", tmp_path / name, model=str(fitted), precision="fp32", device="cpu")
    for model in (fitted, tiny_model("bert")):
        with pytest.raises(UsageError, match=r"column 'score' holds predictions .* --label-column"):
            run(tmp_path / name, model)
    assert run(tmp_path / name, fitted, label_column="score").findings.metrics.accuracy == 1.0


def test_numbers_that_are_written_as_names_are_numbers(fitted: Path, data: Path, tmp_path: Path) -> None:
    rows = pq.read_table(run(data, fitted, rows=tmp_path / "rows.parquet").config.rows)
    named = pa.table({"sentence": rows["text"], "score": rows["label"].cast(pa.string())})
    pq.write_table(named, tmp_path / "named.parquet")
    plain = pa.table({"sentence": rows["text"], "score": rows["label"]})
    pq.write_table(plain, tmp_path / "plain.parquet")
    found, expected = (run(tmp_path / name, fitted).findings for name in ("named.parquet", "plain.parquet"))
    assert found.metrics == expected.metrics


def test_a_file_that_the_model_was_fitted_on_is_warned_of(fitted: Path, data: Path, tmp_path: Path) -> None:
    from scorer.tables.source import Source

    shutil.copytree(fitted, tmp_path / "model")
    document = json.loads((tmp_path / "model" / "scorer.json").read_text())
    document["training_data"] = {"train": {"fingerprint": Source.open(str(data)).fingerprint()}}
    (tmp_path / "model" / "scorer.json").write_text(json.dumps(document))
    console = Remembering()
    flattered = run(data, tmp_path / "model", console).as_dict()["warnings"]
    assert [line for line in flattered if "the model was fitted on this file, so the figures flatter it" in line]
    assert console.having("the model was fitted on this file, so the figures flatter it")
    other = Remembering()
    run(data, fitted, other)
    assert not other.having("flatter")


def test_a_changed_model_is_refused(fitted: Path, data: Path, tmp_path: Path) -> None:
    shutil.copytree(fitted, tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(ModelError, match="changed since"):
        run(data, tmp_path / "model")


def test_slices_of_a_column_of_views(fitted: Path, tmp_path: Path) -> None:
    rows = texts(40)
    shops = pa.array(["north", "south"] * 20, pa.string_view())
    data = tmp_path / "data.arrow"
    table = pa.table({"sentence": rows, "score": [1, 5] * 20, "shop": shops})
    with pa.ipc.new_file(str(data), table.schema) as file:
        file.write_table(table)
    found = run(data, fitted, slice=("shop",))
    shown = [part for part in found.as_dict()["slices"] if part["column"] == "shop"]
    assert {part["value"]: part["rows"] for part in shown} == {"north": 20, "south": 20}


def test_slices_of_a_key_that_json_lines_show_late(fitted: Path, tmp_path: Path) -> None:
    rows = [{"sentence": text, "score": 1 + number % 2 * 4} for number, text in enumerate(texts(40))]
    rows = [row | ({"note": "x" * 100_000} if number < 20 else {"shop": "north"}) for number, row in enumerate(rows)]
    data = tmp_path / "data.jsonl"
    data.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    shown = [part for part in run(data, fitted, slice=("shop",)).as_dict()["slices"] if part["column"] == "shop"]
    assert 20 in [part["rows"] for part in shown if part["value"] == "north"]
    with pytest.raises(UsageError, match="no column 'stop'; did you mean 'shop'"):
        run(data, fitted, slice=("stop",))


def test_few_rows_are_warned_of_on_the_page_too(fitted: Path, data: Path, tmp_path: Path) -> None:
    console = Remembering()
    few = tmp_path / "few.csv"
    few.write_text("".join(data.read_text().splitlines(keepends=True)[:11]))
    found = run(few, fitted, console, report=tmp_path / "few.html")
    [line] = console.having("rows say little")
    assert "9 rows say little: an accuracy on them is uncertain by up to 27 points to either side" in line
    assert len([warning for warning in found.as_dict()["warnings"] if "say little" in warning]) == 1
    assert "rows say little" in (tmp_path / "few.html").read_text()
    enough = Remembering()
    run(data, fitted, enough)
    assert not enough.having("say little")
