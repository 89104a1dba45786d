"""The tokenizer without the model counts what transformers counts, and knows the model's limit."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from scorer.classifier.loading import max_positions
from scorer.classifier.vocabulary import Vocabulary
from scorer.errors import ModelError
from tests.models import ARCHITECTURES, sentences


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("pair", [False, True])
def test_tokens_are_those_of_transformers(tiny_model, architecture, pair):
    directory = tiny_model(architecture)
    texts = [*sentences(40), "word " * 500, "zażółć 𝄞 unheard-of 漢字"]
    rows = [(text, text[::-1]) if pair else (text,) for text in texts] + ([] if pair else [("",)])
    counts = Vocabulary.of_base_model(str(directory)).count(rows)
    tokenizer = AutoTokenizer.from_pretrained(directory, model_max_length=10_000)
    expected = [tokenizer(*row).input_ids for row in rows]
    assert counts.lengths.tolist() == [len(ids) for ids in expected]
    # The tiny ALBERT's class names an unknown token that its vocabulary never gives.
    unknown = tokenizer.convert_tokens_to_ids("[UNK]") if architecture == "albert" else tokenizer.unk_token_id
    assert counts.unknown.tolist() == [ids.count(unknown) for ids in expected]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_positions_are_those_of_the_loaded_model(tiny_model, architecture):
    directory = tiny_model(architecture)
    model = AutoModelForSequenceClassification.from_pretrained(directory)
    assert Vocabulary.of_base_model(str(directory)).positions == max_positions(model)


def test_positions_where_no_token_is_for_padding(tiny_model, tmp_path):
    directory = shutil.copytree(tiny_model("roberta"), tmp_path / "model")
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(config | {"pad_token_id": None}))
    assert Vocabulary.of_base_model(str(directory)).positions == config["max_position_embeddings"]


def test_a_tokenizer_without_its_json_is_loaded_all_the_same(tiny_model, tmp_path):
    directory = shutil.copytree(tiny_model("bert"), tmp_path / "model")
    rows = [(text,) for text in sentences(20)]
    expected = Vocabulary.of_base_model(str(directory)).count(rows)
    vocabulary = AutoTokenizer.from_pretrained(directory).get_vocab()
    (directory / "tokenizer.json").unlink()
    (directory / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.__getitem__)), encoding="utf-8")
    found = Vocabulary.of_base_model(str(directory)).count(rows)
    assert np.array_equal(found.lengths, expected.lengths)


def test_a_damaged_tokenizer_is_a_model_error(tiny_model, tmp_path):
    directory = shutil.copytree(tiny_model("bert"), tmp_path / "model")
    (directory / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="its tokenizer cannot be loaded"):
        Vocabulary.of_base_model(str(directory))
    with pytest.raises(ModelError, match="no such directory"):
        Vocabulary.of_base_model("./absent")
