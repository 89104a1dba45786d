"""Models with one output: which number is made of the logit follows from the configuration, as elsewhere."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scorer.classifier.classifier import Classifier
from scorer.classifier.decision import Decision
from scorer.classifier.directory import open_model
from scorer.classifier.labels import LabelSet
from scorer.errors import ModelError
from tests.models import sentences

SIGMOID, IDENTITY = "torch.nn.modules.activation.Sigmoid", "torch.nn.modules.linear.Identity"
CONFIGURATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "nothing said": ({}, "sigmoid"),
    "several labels": ({"problem_type": "multi_label_classification"}, "sigmoid"),
    "regression": ({"problem_type": "regression"}, "identity"),
    "a number": ({"sentence_transformers": {"activation_fn": IDENTITY}}, "identity"),
    "a probability": ({"sentence_transformers": {"activation_fn": SIGMOID}}, "sigmoid"),
    "a probability of a regression": (
        {"problem_type": "regression", "sentence_transformers": {"activation_fn": SIGMOID}},
        "sigmoid",
    ),
    "as before version 4": ({"sbert_ce_default_activation_function": IDENTITY}, "identity"),
    "nothing said before version 4": ({"sbert_ce_default_activation_function": None}, "sigmoid"),
    "both ways": (
        {"sbert_ce_default_activation_function": SIGMOID, "sentence_transformers": {"activation_fn": IDENTITY}},
        "identity",
    ),
    "another version only": ({"sentence_transformers": {"version": "4.1.0"}}, "sigmoid"),
}


@pytest.fixture
def model(tiny_model, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_model("bert", labels=("LABEL_0",)), tmp_path / "model"))


def configure(model: Path, **changes: Any) -> None:
    file = model / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize("said", CONFIGURATIONS)
def test_the_activation_that_a_configuration_names(model, said):
    changes, expected = CONFIGURATIONS[said]
    configure(model, **changes)
    classifier = Classifier(open_model(str(model)), precision="fp32")
    assert classifier.labels == open_model(str(model)).labels == LabelSet.of_number("LABEL_0")
    assert classifier.decision == Decision(activation=expected)


@pytest.mark.parametrize("said", ["nothing said", "a number", "a probability", "as before version 4"])
def test_numbers_are_those_of_sentence_transformers(model, said):
    library = pytest.importorskip("sentence_transformers")
    configure(model, **CONFIGURATIONS[said][0])
    texts, others = sentences(8, seed=1), sentences(8, seed=2)
    expected = library.CrossEncoder(str(model), device="cpu").predict(list(zip(texts, others, strict=True)))
    classifier = Classifier(open_model(str(model)), precision="fp32")
    logits, _ = classifier.logits(classifier.encode(texts, others))
    np.testing.assert_allclose(classifier.decision.numbers(logits), expected, atol=1e-5)


def test_what_sentence_transformers_saves_today_is_read(model, tmp_path):
    library = pytest.importorskip("sentence_transformers")
    from torch import nn

    saved = tmp_path / "saved"
    library.CrossEncoder(str(model), device="cpu", activation_fn=nn.Identity()).save_pretrained(str(saved))
    assert Classifier(open_model(str(saved)), precision="fp32").decision == Decision(activation="identity")


@pytest.mark.parametrize("named", ["torch.nn.modules.activation.Tanh", "other.Sigmoid", "Sigmoid", "", 3])
def test_an_activation_that_is_not_computed_is_refused(model, named):
    configure(model, sentence_transformers={"activation_fn": named})
    with pytest.raises(ModelError, match="asks for an activation that is not computed here"):
        Classifier(open_model(str(model)))


def test_one_output_that_has_a_name_of_its_own_or_none(model):
    configure(model, id2label={"0": "relevance"}, label2id={"relevance": 0})
    assert open_model(str(model)).labels == LabelSet.of_number("relevance")
    document = json.loads((model / "config.json").read_text())
    del document["id2label"], document["label2id"]
    (model / "config.json").write_text(json.dumps(document | {"num_labels": 1}))
    classifier = Classifier(open_model(str(model)))
    assert classifier.labels == open_model(str(model)).labels == LabelSet.of_number("LABEL_0")


def test_the_smallest_and_the_largest_logits_give_numbers_in_order():
    logits = np.array([[-700.0], [-40.0], [0.0], [30.0], [3e38]], np.float32)
    numbers = Decision(activation="sigmoid").numbers(logits)
    assert numbers.tolist() == sorted(numbers.tolist())
    assert math.isclose(numbers[1], math.exp(-40), rel_tol=1e-9)
    assert 0 < numbers[0] < numbers[1] < numbers[2] == 0.5 < numbers[3] < numbers[4] == 1.0
    assert Decision(activation="identity").numbers(logits).tolist() == logits[:, 0].tolist()


def test_documents_of_models_with_labels_do_not_change():
    assert "activation" not in Decision().as_document()
    assert Decision(activation="identity").as_document()["activation"] == "identity"
