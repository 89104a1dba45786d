"""The tiny models are only worth something if they behave like real ones: see that they do."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.models import ARCHITECTURES, make_model, sentences


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_texts_get_clearly_different_labels(tiny_model, architecture):
    directory = tiny_model(architecture)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForSequenceClassification.from_pretrained(directory).eval()
    with torch.no_grad():
        logits = model(**tokenizer(sentences(200, seed=9), padding=True, return_tensors="pt")).logits

    assert min(Counter(logits.argmax(1).tolist()).values()) >= 10, "some label is hardly ever given"
    assert len(set(logits.argmax(1).tolist())) == 5
    best, second = logits.topk(2).values.T
    assert (best - second).median() > 0.5


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_longest_sequence_fits_and_no_longer_one_is_made(tiny_model, architecture):
    directory = tiny_model(architecture, max_positions=32)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForSequenceClassification.from_pretrained(directory).eval()
    batch = tokenizer(["good room and bad soup " * 50], truncation=True, return_tensors="pt")

    assert batch["input_ids"].shape == (1, 32)
    with torch.no_grad():
        assert model(**batch).logits.isfinite().all()


def test_tokenizers_close_every_text_with_the_special_tokens_of_their_architecture(tiny_model):
    ends = {}
    for architecture in ARCHITECTURES:
        tokenizer = AutoTokenizer.from_pretrained(tiny_model(architecture))
        tokens = tokenizer.convert_ids_to_tokens(tokenizer("good room", "bad soup")["input_ids"])
        ends[architecture] = (tokens[0], "".join(token for token in tokens[1:] if token in ("</s>", "[SEP]")))

    bert_like = ("[CLS]", "[SEP][SEP]")
    roberta_like = ("<s>", "</s></s></s>")
    assert ends == {name: roberta_like if "roberta" in name else bert_like for name in ARCHITECTURES}


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path):
    one, two, other = (make_model(tmp_path / name, "bert", seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))

    files = {path.name for path in one.iterdir()}
    assert files == {path.name for path in two.iterdir()}
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in files)
    assert (one / "model.safetensors").read_bytes() != (other / "model.safetensors").read_bytes()
