"""What is answered over HTTP: what `scorer predict` answers, in each of the forms."""

from __future__ import annotations

import pytest

import scorer
from tests.scoring.oracle import mixed_texts
from tests.serving.served import Served


def assert_like(found, expected):
    """Equal rows, but for the last bits that depend on what stood beside them in a batch."""
    assert len(found) == len(expected)
    for row, other in zip(found, expected, strict=True):
        assert row.keys() == other.keys()
        assert (row["score"], row["score_status"]) == (other["score"], other["score_status"])
        for key, value in other.items():
            assert row[key] == (pytest.approx(value, abs=1e-5) if isinstance(value, float | dict) else value)


@pytest.fixture(scope="module")
def loaded(tiny_model):
    return scorer.load(tiny_model("bert"), precision="fp32", probabilities=True, token_count=True, expected=True)


def test_predict_answers_as_the_command_does(server, loaded):
    texts = mixed_texts(200, seed=3)
    asked = {"texts": texts, "probabilities": True, "token_count": True, "expected": True}
    reply = server.post("/predict", asked)
    assert reply.status == 200
    assert_like(reply.document["predictions"], loaded.score_texts(texts))


def test_one_text_is_answered_by_one_object(server, loaded):
    [expected] = loaded.score_texts(["a good room"])
    found = server.post("/predict", {"text": "a good room", "top_k": 2}).document
    assert (found["score"], found["score_status"]) == (expected["score"], "ok")
    best = sorted(expected["probabilities"].items(), key=lambda item: -item[1])[:2]
    assert [str(entry["label"]) for entry in found["top_k"]] == [name for name, _ in best]
    assert [entry["probability"] for entry in found["top_k"]] == pytest.approx([value for _, value in best], abs=1e-5)
    assert server.post("/predict", {"text": None}).document["score_status"] == "null"
    assert server.post("/predict", {"text": "  "}).document["score_status"] == "empty"
    assert server.post("/predict", {"texts": []}).document == {"predictions": []}


def test_classify_answers_as_vllm_and_sglang_do(server, loaded):
    expected = loaded.score_texts(["a good room", "", "bad food"])
    found = server.post("/v1/classify", {"model": "stars", "input": ["a good room", "", "bad food"]}).document
    assert found.keys() == {"id", "object", "created", "model", "data", "usage"}
    assert (found["object"], found["model"]) == ("list", "stars")
    assert [data["index"] for data in found["data"]] == [0, 1, 2]
    assert [data["label"] for data in found["data"]] == [row["score"] and str(row["score"]) for row in expected]
    assert [data["num_classes"] for data in found["data"]] == [5, 5, 5]
    assert found["data"][0]["probs"] == pytest.approx(list(expected[0]["probabilities"].values()), abs=1e-5)
    assert found["data"][1]["probs"] == []
    tokens = sum(row["token_count"] or 0 for row in expected)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens, "completion_tokens": 0, "prompt_tokens_details": None}
    assert found["usage"] == usage
    assert len(server.post("/classify", {"input": "alone"}).document["data"]) == 1


def tensor(name, *data, shape=None):
    return {"name": name, "shape": shape or [len(data)], "datatype": "BYTES", "data": list(data)}


def test_kserve_answers_in_tensors(server, loaded):
    expected = loaded.score_texts(["a good room", ""])
    asked = {"id": "7", "inputs": [tensor("text", "a good room", "")]}
    found = server.post("/v2/models/stars/infer", asked).document
    assert (found["model_name"], found["id"]) == ("stars", "7")
    outputs = {output["name"]: output for output in found["outputs"]}
    assert outputs["score"] == {
        "name": "score",
        "datatype": "BYTES",
        "shape": [2],
        "data": [str(expected[0]["score"]), ""],
    }
    assert outputs["score_status"]["data"] == ["ok", "empty"]
    assert outputs["confidence"]["data"] == [pytest.approx(expected[0]["confidence"], abs=1e-5), None]
    assert outputs["probabilities"]["shape"] == [2, 5]
    assert outputs["probabilities"]["data"][5:] == [None] * 5

    metadata = server.get("/v2/models/stars").document
    assert metadata["versions"] == [found["model_version"]]
    assert {output["name"] for output in metadata["outputs"]} == set(outputs)
    versioned = f"/v2/models/stars/versions/{found['model_version']}"
    few = {"inputs": [tensor("text", "a", "b", shape=[2, 1])], "outputs": [{"name": "score"}]}
    assert [output["name"] for output in server.post(f"{versioned}/infer", few).document["outputs"]] == ["score"]
    assert server.get(f"{versioned}/ready").document == {"name": "stars", "ready": True}
    assert server.get("/v2/health/live").document == {"live": True}
    assert server.get("/v2/health/ready").document == {"ready": True}
    assert server.get("/v2").document["name"] == "scorer"


def test_pairs(server, tiny_model):
    model = scorer.load(tiny_model("bert"), precision="fp32")
    texts, others = ["a good room", "bad food", ""], ["the staff", "", ""]
    found = server.post("/predict", {"texts": texts, "pairs": others}).document["predictions"]
    assert_like(found, model.score_texts(texts, others))
    one = server.post("/predict", {"text": "a good room", "pair": "the staff"}).document
    assert_like([one], model.score_texts(texts[:1], others[:1]))
    asked = {"inputs": [tensor("pair", *others), tensor("text", *texts)]}
    outputs = server.post("/v2/models/stars/infer", asked).document["outputs"]
    assert outputs[0]["data"] == [str(row["score"]) if row["score"] is not None else "" for row in found]


def test_columns_that_the_server_was_started_with(tiny_model):
    with Served(f"a={tiny_model('bert')}", f"b={tiny_model('roberta')}", top_k=2) as served:
        assert len(served.post("/models/a/predict", {"text": "good"}).document["top_k"]) == 2
        assert len(served.post("/predict", {"text": "good", "model": "b", "top_k": 3}).document["top_k"]) == 3
        refused = served.post("/predict", {"text": "good"})
        assert (refused.status, refused.document) == (422, {"error": "which model? say it; there are a, b"})
        assert served.post("/models/c/predict", {"text": "good"}).status == 404
        assert served.post("/models/a/predict", {"text": "good", "model": "a"}).status == 200
        assert served.post("/models/a/predict", {"text": "good", "model": "b"}).status == 422
        names = [model["name"] for model in served.get("/info").document["models"]]
    assert names == ["a", "b"]
    assert served.summary is not None
    assert served.summary["texts"] == {"ok": 3}
