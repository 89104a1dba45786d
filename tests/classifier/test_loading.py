"""Models that do not fit together are refused with a message that names them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer, PretrainedConfig

from scorer.classifier.classifier import Classifier
from scorer.classifier.directory import open_model
from scorer.classifier.feeding import why_no_pairs
from scorer.classifier.labels import LabelSet
from scorer.classifier.loading import load
from scorer.classifier.metadata import ModelMetadata
from scorer.classifier.network import max_positions
from scorer.errors import ModelError
from tests.models import ARCHITECTURES

FIVE = LabelSet.from_values([1, 2, 3, 4, 5])


def refused(model: Path, match: str, **options) -> None:
    with pytest.raises(ModelError, match=match) as raised:
        load(open_model(str(model)), **options)
    message = str(raised.value)
    assert str(model) in message
    assert "\n" not in message


def edit(path: Path, **changes) -> None:
    document = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in document.items() if value is not None}))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_model_of_every_architecture_loads_with_its_limits(tiny_model, architecture):
    loaded = load(open_model(str(tiny_model(architecture, max_positions=48))))
    assert loaded.labels == FIVE
    assert loaded.max_length == 48
    assert loaded.pad_id == AutoTokenizer.from_pretrained(loaded.directory.path).pad_token_id
    assert next(loaded.model.parameters()).dtype == torch.float32


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "roberta", "modernbert"])
def test_a_bare_encoder_has_no_head(tiny_model, tmp_path, architecture):
    bare = tmp_path / "bare"
    AutoModel.from_pretrained(tiny_model(architecture)).save_pretrained(bare)
    AutoTokenizer.from_pretrained(tiny_model(architecture)).save_pretrained(bare)
    refused(bare, "weights are missing")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_weight_that_is_not_finite(model, value):
    weights = load_file(model / "model.safetensors")
    weights["bert.encoder.layer.1.output.dense.weight"][3, 4] = value
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    refused(model, r"layer\.1\.output\.dense\.weight holds non-finite weights")


def test_half_precision_weights_come_out_in_fp32(model):
    weights = {name: tensor.half() for name, tensor in load_file(model / "model.safetensors").items()}
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    edit(model / "config.json", dtype="float16")
    assert {parameter.dtype for parameter in load(open_model(str(model))).model.parameters()} == {torch.float32}


def test_labels_that_the_head_does_not_have(model):
    four = LabelSet.from_values(["a", "b", "c", "d"])
    ModelMetadata(base_model="b", text_columns=("text",), label_column="l", labels=four, max_length=64).write(model)
    refused(model, "4 labels in scorer.json, 5 in the head")


@pytest.mark.parametrize("names", [None, "ab", "abcdefg"], ids=["none", "two", "seven"])
def test_a_configuration_with_another_number_of_labels(model, names):
    named = {str(place): name for place, name in enumerate(names)} if names else None
    edit(model / "config.json", id2label=named, label2id=None)
    refused(model, f"the head has 5 outputs, and config.json names {len(names or 'ab')} labels .*id2label")


def test_weights_of_another_size(model):
    edit(model / "config.json", intermediate_size=96)
    refused(model, r"has the shape \(64, 32\), and by config.json \(96, 32\)|has the shape .* copy them from one")


@pytest.mark.parametrize("keys", [(0, 1, 2, 3, 7), (1, 2, 3, 4, 5)])
def test_labels_with_a_gap(model, keys):
    edit(model / "config.json", id2label={str(key): f"label {key}" for key in keys}, label2id=None)
    refused(model, "id2label")


def test_two_labels_of_one_name(model):
    edit(model / "config.json", id2label=dict(zip("01234", "abcda", strict=True)), label2id=None)
    refused(model, "two labels the same name")


def test_several_numbers_are_no_score(model):
    edit(model / "config.json", problem_type="regression")
    refused(model, "problem_type 'regression' with 5 outputs; a score is one number")


def test_a_foreign_model_whose_rows_have_several_labels(model):
    edit(model / "config.json", problem_type="multi_label_classification")
    assert load(open_model(str(model))).labels == replace(FIVE, multi=True)
    assert open_model(str(model)).labels == replace(FIVE, multi=True)


def test_a_label_that_scorer_json_gives_to_one_output(tiny_model, tmp_path):
    model = Path(shutil.copytree(tiny_model("bert", labels=("LABEL_0",)), tmp_path / "model"))
    one = LabelSet.from_values(["a"])
    ModelMetadata(base_model="b", text_columns=("text",), label_column="l", labels=one, max_length=64).write(model)
    refused(model, "one output, which is a number")


def test_a_tokenizer_larger_than_the_embeddings(model):
    tokenizer = AutoTokenizer.from_pretrained(model)
    size = len(tokenizer)
    tokenizer.add_tokens(["brandnew", "words"])
    tokenizer.save_pretrained(model)
    refused(model, f"token id {size + 1}, the model has {size} embeddings")


def test_a_tokenizer_that_is_not_there(model):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (model / name).unlink()
    refused(model, "tokenizer")


@pytest.mark.parametrize(("architecture", "positions"), [("bert", 48), ("roberta", 48), ("xlm-roberta", 48)])
def test_a_maximum_length_above_the_positions(tiny_model, tmp_path, architecture, positions):
    source = tiny_model(architecture, max_positions=positions)
    assert load(open_model(str(source)), max_length=positions).max_length == positions
    refused(source, f"{positions} positions", max_length=positions + 1)
    copy = Path(shutil.copytree(source, tmp_path / "fitted"))
    fields = {"base_model": "b", "text_columns": ("text",), "label_column": "l", "labels": FIVE}
    ModelMetadata(max_length=positions + 1, **fields).write(copy)
    refused(copy, f"max_length {positions + 1}, but only {positions} positions")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_positions_counted_are_the_positions_there_are(tiny_model, architecture):
    """The longest sequence runs; where positions are embedded, one token more does not."""
    model = AutoModelForSequenceClassification.from_pretrained(tiny_model(architecture, max_positions=24)).eval()
    limit = max_positions(model)
    assert limit == 24
    model(input_ids=torch.full((1, limit), 7))
    if architecture not in ("deberta-v2", "modernbert"):
        with pytest.raises((IndexError, RuntimeError)):
            model(input_ids=torch.full((1, limit + 1), 7))


def test_types_of_token_that_are_not_computed(tiny_model, tmp_path):
    """A tokenizer may give the separator behind a pair type 0 again: single texts are right, pairs are refused."""
    model = Path(shutil.copytree(tiny_model("bert"), tmp_path / "model"))
    names = ["input_ids", "token_type_ids", "attention_mask"]
    edit(model / "tokenizer_config.json", tokenizer_class="TokenizersBackend", model_input_names=names)
    document = json.loads((model / "tokenizer.json").read_text())
    pair = document["post_processor"]["pair"]
    pair[-1]["SpecialToken"]["type_id"] = 0
    (model / "tokenizer.json").write_text(json.dumps(document))
    assert "0, 0, 0, 1, 0" in str(load(open_model(str(model))).why_no_pairs)
    document["post_processor"]["single"][1]["Sequence"]["type_id"] = 1
    (model / "tokenizer.json").write_text(json.dumps(document))
    refused(model, "types of token 0, 1, 0; only type 0 is computed")


def test_padding_that_a_tokenizer_adds_is_no_type_of_token(tiny_model, tmp_path):
    """The default base model's own file pads every text to 128 tokens."""
    model = Path(shutil.copytree(tiny_model("bert"), tmp_path / "model"))
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.enable_padding(length=16, pad_type_id=0, pad_id=tokenizer.token_to_id("[PAD]"))
    assert max(tokenizer.encode("a", "b").type_ids) == 1
    config = json.loads((model / "config.json").read_text())
    assert why_no_pairs("it", PretrainedConfig(**config), tokenizer, token_types=True) is None


def test_a_bert_that_sees_only_what_stands_before_is_not_packed_or_compiled(tiny_model, tmp_path):
    model = Path(shutil.copytree(tiny_model("bert"), tmp_path / "model"))
    edit(model / "config.json", is_decoder=True)
    assert Classifier(open_model(str(model)), precision="fp32", device="cpu").engine.backend == "padded"
