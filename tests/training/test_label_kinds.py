"""Fits on every kind of labels, from the file to the scores: several a row, numbers, and answers that abstain."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from transformers import pipeline

from scorer.classifier.metadata import ModelMetadata
from scorer.config import EvaluateConfig, FrameConfig
from scorer.errors import UsageError
from scorer.evaluation.evaluate_job import evaluate
from scorer.examples.label_form import LabelOptions
from scorer.examples.reading import read_examples
from scorer.scoring.frames import FrameScorer
from tests.conftest import TinyModel
from tests.models import sentences
from tests.training.fits import Remembering, reviews, run, write_csv, write_reviews

TOPICS = {"food": "soup bread coffee", "noise": "loud quiet night", "price": "cheap dear money"}


def complaints(count: int, *, seed: int = 0) -> tuple[list[str], list[list[str]]]:
    """Texts, and the topics of which they hold a word: none, some or all of them."""
    draw = random.Random(seed)
    topics = [[name for name in TOPICS if draw.random() < 0.4] for _ in range(count)]
    words = [" ".join(" ".join(draw.choices(TOPICS[name].split(), k=2)) for name in row) for row in topics]
    rest = [f"{draw.choice(['rude', 'kind', 'late', 'early'])} {number}" for number in range(count)]
    return [f"{word} {text}".strip() for word, text in zip(words, rest, strict=True)], topics


def write_complaints(path: Path, count: int = 240) -> Path:
    texts, topics = complaints(count)
    pq.write_table(pa.table({"text": texts, "topics": pa.array(topics, pa.large_list(pa.string()))}), path)
    return path


@pytest.fixture(scope="module")
def model(tiny_model: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of complaints, fitted on lists."""
    folder = tmp_path_factory.mktemp("complaints")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        train = write_complaints(Path("train.parquet"))
        run(train, tiny_model("bert"), label_column="topics", epochs=10.0, learning_rate=3e-3, output=Path("model"))
    return folder / "model"


def scored(model: Path, texts: Sequence[str], **options: object) -> pa.Table:
    config = FrameConfig(model=str(model), precision="fp32", device="cpu", **options)
    return FrameScorer(config).score_frame(pa.table({"text": pa.array(texts, pa.string())}))


def test_the_directory_of_several_labels_a_row(model: Path) -> None:
    metadata = ModelMetadata.read(model)
    assert metadata is not None
    assert (metadata.labels.names, metadata.labels.multi) == (tuple(TOPICS), True)
    thresholds = metadata.decision.thresholds
    assert thresholds is not None
    assert len(thresholds) == len(metadata.decision.temperature) == 3
    assert json.loads((model / "config.json").read_text())["problem_type"] == "multi_label_classification"
    metrics = json.loads((model / "metrics.json").read_text())
    assert metrics["micro_f1"] > 0.6
    assert metrics["confusion"] is None
    assert metrics["nll"] <= metrics["uncalibrated"]["nll"]
    assert {"ece", "brier", "macro_f1"} <= metrics["uncalibrated"].keys()
    assert "complaints" not in (model / "report.html").read_text()


def test_it_has_learned(model: Path) -> None:
    texts, topics = complaints(100, seed=5)
    found = scored(model, texts)["score"].to_pylist()
    truth = np.array([[name in row for name in TOPICS] for row in topics])
    said = np.array([[name in row for name in TOPICS] for row in found])
    assert (truth == said).mean() > 0.75


def test_score_and_confidence_are_lists_of_the_labels_above_their_thresholds(model: Path) -> None:
    texts = [*complaints(60, seed=5)[0], None, " "]
    table = scored(model, texts, probabilities=True, top_k=2)
    metadata = ModelMetadata.read(model)
    assert metadata is not None
    assert metadata.decision.thresholds is not None
    assert table.schema.field("score").type == pa.list_(pa.string())
    assert table.schema.field("confidence").type == pa.list_(pa.float32())
    assert table["score_status"].to_pylist() == ["ok"] * 60 + ["null", "empty"]
    assert table["score"].to_pylist()[60:] == table["confidence"].to_pylist()[60:] == [None, None]
    for row in table.slice(0, 60).to_pylist():
        limits = dict(zip(TOPICS, metadata.decision.thresholds, strict=True))
        given = {name: p for name, p in row["probabilities"].items() if p >= np.float32(limits[name])}
        assert (row["score"], row["confidence"]) == (list(given), list(given.values()))
        assert [entry["label"] for entry in row["top_k"]] == sorted(
            TOPICS, key=lambda name: -row["probabilities"][name]
        )[:2]
    assert [] in table["score"].to_pylist()


def test_a_pipeline_gives_the_same_probabilities_before_calibration(model: Path) -> None:
    texts = complaints(40, seed=6)[0]
    metadata = ModelMetadata.read(model)
    assert metadata is not None
    found = scored(model, texts, probabilities=True)["probabilities"].to_pylist()
    classify = pipeline("text-classification", model=str(model), device="cpu", top_k=None)
    for row, answers in zip(found, classify(list(texts), truncation=True), strict=True):
        theirs = {answer["label"]: answer["score"] for answer in answers}
        for name, temperature in zip(TOPICS, metadata.decision.temperature, strict=True):
            odds = np.log(row[name] / (1 - row[name])) * temperature
            assert 1 / (1 + np.exp(-odds)) == pytest.approx(theirs[name], abs=1e-5)


def test_a_mean_of_several_labels_is_refused(model: Path) -> None:
    with pytest.raises(UsageError, match="--expected: this model gives a row any number of labels"):
        scored(model, ["a"], expected=True)


def test_texts_with_a_separator_are_fitted_and_remembered(
    tiny_model: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    texts, topics = complaints(60)
    rows = [(text, "; ".join(row)) for text, row in zip(texts, topics, strict=True)]
    # A field without quotes would be null, not empty.
    path = write_csv(Path("train.csv"), ("text", "labels"), rows)
    path.write_text(
        "".join(line + ('""' if line.endswith(",") else "") + "\n" for line in path.read_text().splitlines())
    )
    console = Remembering()
    run(path, tiny_model("bert"), console, label_separator=";", max_steps=2, output=Path("model"))
    assert console.having("exact match ")
    metadata = ModelMetadata.read(Path("model"))
    assert metadata is not None
    assert (metadata.label_separator, metadata.labels.names) == (";", tuple(TOPICS))
    again = read_examples(
        "train.csv",
        text_columns=("text",),
        label_columns=("labels",),
        options=LabelOptions(separator=metadata.label_separator),
    )
    assert again.labels == [tuple(row) for row in topics]


def test_a_separator_that_lists_do_not_need_is_not_recorded(
    tiny_model: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    train = write_complaints(Path("train.parquet"), 60)
    run(train, tiny_model("bert"), label_column="topics", label_separator=";", max_steps=1, output=Path("model"))
    metadata = ModelMetadata.read(Path("model"))
    assert metadata is not None
    assert (metadata.label_separator, metadata.labels.names) == (None, tuple(TOPICS))


def test_several_labels_do_not_abstain(tiny_model: TinyModel, tmp_path: Path) -> None:
    train = write_complaints(tmp_path / "train.parquet", 40)
    with pytest.raises(UsageError, match="--abstain: rows have several labels"):
        run(train, tiny_model("bert"), label_column="topics", abstain=0.9, output=tmp_path / "model")


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_to_reach_lies_between_0_and_1(tiny_model: TinyModel, tmp_path: Path, share: float) -> None:
    with pytest.raises(UsageError, match="--abstain"):
        run(write_reviews(tmp_path / "train.csv", 20), tiny_model("bert"), abstain=share, output=tmp_path / "model")


def test_unsure_rows_abstain_and_keep_their_candidate(
    tiny_model: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    draw, console = random.Random(0), Remembering()
    # Half of the texts tell their mood, of the others nobody could.
    clear = [(text, mood == "good") for text, mood in reviews(300)]
    unclear = [(f"{text} {number}", draw.random() < 0.5) for number, text in enumerate(sentences(300, seed=8))]
    train = write_csv(Path("train.csv"), ("text", "label"), clear + unclear)
    options = {"valid_fraction": 0.5, "epochs": 6.0, "learning_rate": 3e-3, "output": Path("model")}
    summary = run(train, tiny_model("bert"), console, abstain=0.8, **options)
    metadata = ModelMetadata.read(Path("model"))
    assert metadata is not None
    limit = metadata.decision.abstain_below
    assert limit is not None
    assert limit < 1
    assert summary.metrics["selective_accuracy"] > 0.8
    assert 0 < summary.metrics["coverage"] < 1
    assert console.having("abstaining leaves")
    long = "it " * 50
    texts = [text for text, _ in reviews(40, seed=3)]
    table = scored(Path("model"), [*texts, *sentences(40, seed=3), "", f"{long} it"])
    for row in table.to_pylist():
        if row["score_status"] == "empty":
            assert (row["score"], row["confidence"]) == (None, None)
        else:
            assert row["score"] in (False, True)
            assert (row["score_status"] == "abstain") == (row["confidence"] < np.float32(limit))
    assert {"ok", "abstain", "empty"} <= set(table["score_status"].to_pylist())


def test_where_no_confidence_is_enough_every_row_abstains(
    tiny_model: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    console = Remembering()
    train = write_reviews(Path("train.csv"), 60)
    summary = run(train, tiny_model("bert"), console, abstain=0.99, max_steps=1, output=Path("model"))
    assert console.having("--abstain: no confidence makes sure of that share on 6 validation rows")
    assert summary.metrics["coverage"] == 0.0
    assert "selective_accuracy" not in summary.metrics
    assert set(scored(Path("model"), ["good", "bad"])["score_status"].to_pylist()) == {"abstain"}


def test_numbers_have_distances(tiny_model: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [(text, 1 + number % 3) for number, text in enumerate(sentences(60))]
    console = Remembering()
    summary = run(write_csv(Path("t.csv"), ("text", "stars"), rows), tiny_model("bert"), console, max_steps=1)
    assert {"mean_absolute_error", "quadratic_weighted_kappa", "within_one"} <= summary.metrics.keys()
    assert console.having(f"mean absolute error {summary.metrics['mean_absolute_error']:.4f}, ")
    assert console.having("(uncalibrated ")


def test_class_ids_have_no_distances(tiny_model: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [(text, 1 + number % 3) for number, text in enumerate(sentences(60))]
    train = write_csv(Path("t.csv"), ("text", "topic"), rows)
    settings = {"label_column": "topic", "nominal": True, "max_steps": 1, "output": Path("model")}
    summary = run(train, tiny_model("bert"), **settings)
    ordinal = {"mean_absolute_error", "quadratic_weighted_kappa", "within_one"}
    assert not ordinal & summary.metrics.keys()
    assert "3 (int, nominal)" in Path("model/report.html").read_text(encoding="utf-8")
    assert "--nominal" in Path("model/README.md").read_text(encoding="utf-8")
    found = evaluate(EvaluateConfig(data="t.csv", model="model", precision="fp32", device="cpu"), Remembering())
    assert not ordinal & found.as_dict()["metrics"].keys()
    assert scored(Path("model"), ["good"])["score"].type == pa.int64()
    with pytest.raises(UsageError, match="nominal numbers"):
        scored(Path("model"), ["good"], expected=True)


def test_pairs_are_scored_and_evaluated_as_a_pipeline_reads_them(
    tiny_model: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [(f"number {number}", text, mood) for number, (text, mood) in enumerate(reviews(60))]
    titles, bodies, _ = zip(*rows, strict=True)
    train = write_csv(Path("train.csv"), ("title", "body", "label"), rows)
    run(train, tiny_model("bert"), text_column=("title", "body"), learning_rate=3e-3, output=Path("model"))
    metadata = ModelMetadata.read(Path("model"))
    assert metadata is not None
    classify = pipeline("text-classification", model="model", device="cpu", top_k=None)
    pairs = [{"text": title, "text_pair": body} for title, body, _ in rows]
    found = [{one["label"]: one["score"] for one in answers} for answers in classify(pairs, truncation=True)]
    theirs = np.array([[scores[name] for name in metadata.labels.names] for scores in found])
    expected = metadata.decision.probabilities(np.log(theirs))
    said = [metadata.labels.names[index] for index in expected.argmax(axis=1)]

    scorer = FrameScorer(FrameConfig(model="model", precision="fp32", device="cpu"))
    table = scorer.score_frame(pa.table({"body": bodies, "title": titles}))
    assert table["score"].to_pylist() == said
    np.testing.assert_allclose(table["confidence"].to_numpy(), expected.max(axis=1), atol=1e-4)

    files = {"rows": Path("rows.parquet"), "report": Path("page.html")}
    evaluate(EvaluateConfig(data="train.csv", model="model", precision="fp32", device="cpu", **files), Remembering())
    ranked = pq.read_table("rows.parquet").sort_by("row").to_pylist()
    assert [(row["text"], row["text_pair"], row["label"]) for row in ranked] == rows
    assert [row["score"] for row in ranked] == said
    hardest = Path("page.html").read_text(encoding="utf-8").split('id="hardest-rows"')[1].split("</section>")[0]
    assert len(re.findall(r"<bdi>number \d+</bdi></blockquote><blockquote>", hardest)) == 20
