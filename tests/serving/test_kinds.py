"""Every kind of model answers as by `scorer predict`: several labels, numbers, pairs, abstaining, long texts."""

from __future__ import annotations

import dataclasses
import json

import pytest
from transformers import AutoModelForSequenceClassification

import scorer
from scorer.classifier.decision import Decision
from scorer.classifier.long_text import LongText
from scorer.classifier.metadata import ModelMetadata
from tests.evaluation.fitted import make_fitted
from tests.models import make_model, sentences
from tests.serving.served import Served
from tests.serving.test_answers import assert_like, tensor

TEXTS = [*sentences(30, seed=4, longest=60), "", None, "long " * 300]


def changed(directory, **fields):
    """The model in `directory`, which says other things of itself."""
    metadata = ModelMetadata.read(directory)
    assert metadata is not None
    dataclasses.replace(metadata, **fields).write(directory)
    return directory


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds")
    abstain = Decision((0.8,), abstain_below=0.6)
    number = make_model(folder / "number", labels=("stars",))
    model = AutoModelForSequenceClassification.from_pretrained(number)
    model.config.problem_type = "regression"
    model.config.save_pretrained(number)
    return {
        "several": make_fitted(folder / "several", ("a", "b", "c"), multi=True),
        "abstains": changed(make_fitted(folder / "abstains", ("1", "2", "3")), decision=abstain),
        "pairs": changed(make_fitted(folder / "pairs", ("no", "yes")), text_columns=("premise", "claim")),
        "windows": changed(make_fitted(folder / "windows", ("x", "y")), long_text=LongText("window", stride=8)),
        "number": number,
    }


@pytest.fixture(scope="module")
def served(models):
    with Served(*(f"{name}={path}" for name, path in models.items())) as running:
        yield running


@pytest.mark.parametrize("kind", ["several", "abstains", "windows", "number"])
def test_the_command_and_the_server_agree(served, models, kind):
    expected = scorer.load(models[kind], precision="fp32").score_texts(TEXTS)
    found = served.post(f"/models/{kind}/predict", {"texts": TEXTS}).document["predictions"]
    if kind in ("several", "number"):  # lists and numbers are equal to within the last bits
        for row, other in zip(found, expected, strict=True):
            score = pytest.approx(other["score"], abs=1e-4) if kind == "number" and other["score"] else other["score"]
            assert (row["score"], row["score_status"]) == (score, other["score_status"])
            assert row["confidence"] == (other["confidence"] and pytest.approx(other["confidence"], abs=1e-5))
    else:
        assert_like(found, expected)
    statuses = {row["score_status"] for row in found}
    assert {"ok", "empty", "null"} <= statuses
    assert ("abstain" in statuses) == (kind == "abstains")
    assert ("truncated" in statuses) == (kind != "windows")


def test_pairs_are_asked_for_where_the_model_was_fitted_on_them(served, models):
    texts, others = TEXTS[:20], TEXTS[5:25]
    expected = scorer.load(models["pairs"], precision="fp32").score_texts(texts, others)
    found = served.post("/predict", {"model": "pairs", "texts": texts, "pairs": others}).document["predictions"]
    assert_like(found, expected)
    assert "reads pairs" in served.post("/predict", {"model": "pairs", "text": "a"}).document["error"]
    assert "reads pairs" in served.post("/v1/classify", {"model": "pairs", "input": "a"}).document["error"]["message"]
    refused = served.post("/predict", {"model": "abstains", "text": "a", "pair": "b"})
    assert (refused.status, "reads single texts" in refused.document["error"]) == (422, True)


def test_classify_and_kserve_of_several_labels_and_of_numbers(served, models):
    rows = scorer.load(models["several"], precision="fp32").score_texts(TEXTS[:9])
    asked = {"inputs": [tensor("text", *TEXTS[:9])]}
    outputs = {one["name"]: one["data"] for one in served.post("/v2/models/several/infer", asked).document["outputs"]}
    assert [json.loads(labels) for labels in outputs["score"]] == [row["score"] for row in rows]

    [number] = scorer.load(models["number"], precision="fp32").score_texts(["a good room"])
    outputs = served.post("/v2/models/number/infer", {"inputs": [tensor("text", "a good room", "")]}).document[
        "outputs"
    ]
    assert [one["name"] for one in outputs] == ["score", "score_status"]
    assert outputs[0]["data"] == [pytest.approx(number["score"], abs=1e-4), None]
    [data] = served.post("/v1/classify", {"model": "number", "input": "a good room"}).document["data"]
    assert (data["label"], data["num_classes"]) == ("stars", 1)
    assert data["probs"] == [pytest.approx(number["score"], abs=1e-4)]
    refused = served.post("/predict", {"model": "number", "text": "a", "top_k": 1})
    assert (refused.status, "--top-k: this model has one output" in refused.document["error"]) == (422, True)
