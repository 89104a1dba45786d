"""The tokenizer without the model: it counts what transformers counts, knows the model's limit and what it lacks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from scorer.classifier.network import max_positions
from scorer.classifier.vocabulary import Vocabulary, lacking_tokens
from scorer.errors import ModelError
from tests.conftest import TinyModel
from tests.models import ARCHITECTURES, make_tokenizer, sentences


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


def tokenizer_of(base: Path) -> Tokenizer:
    return Tokenizer.from_file(str(base / "tokenizer.json"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("good room", []),
        ("菜", ["菜"]),
        ("good菜room", ["菜"]),
        ("かき", ["##き", "か"]),
        ("fine🚀", ["##🚀"]),
        ("fine 🚀", ["🚀"]),
        ("🚀🚀", ["##🚀", "🚀"]),
        ("Ω", ["ω"]),
        ("🚀" * 101, []),
        ("e\u0301\u200d\ufe0f\x00 \t", []),
        ("", []),
    ],
)
def test_a_character_lacks_the_tokens_that_spell_it(tiny_model: TinyModel, text: str, expected: list[str]) -> None:
    tokenizer = tokenizer_of(tiny_model("bert"))
    found = lacking_tokens([(text,)] * 10, tokenizer)
    assert sorted(found) == expected
    assert lacking_tokens([(text,)] * 9, tokenizer) == []


def test_rows_count_and_not_occurrences(tiny_model: TinyModel) -> None:
    tokenizer = tokenizer_of(tiny_model("bert"))
    rows = [("菜菜", "菜")] * 9 + [("香", "")] * 10 + [("慢", "")] * 10 + [("", "快 快")] * 11
    assert lacking_tokens(rows, tokenizer) == ["快", "慢", "香"]
    assert lacking_tokens(reversed(rows), tokenizer) == ["快", "慢", "香"]


@pytest.mark.parametrize("architecture", ["roberta", "xlm-roberta", "deberta-v2", "modernbert", "albert"])
def test_other_tokenizers_stay_as_they_are(architecture: str) -> None:
    tokenizer = make_tokenizer(architecture).backend_tokenizer
    assert lacking_tokens([("菜🚀",)] * 20, tokenizer) == []
