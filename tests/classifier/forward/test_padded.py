"""The padded forward pass against transformers itself, one row at a time, unpadded."""

from __future__ import annotations

import random

import numpy as np
import pytest
from tokenizers import processors
from transformers import AutoTokenizer, GPT2Config, GPT2ForSequenceClassification, PreTrainedTokenizerFast

from scorer.classifier.classifier import Classifier
from scorer.classifier.directory import open_model
from tests.classifier.forward.oracle import oracle, probabilities
from tests.models import ARCHITECTURES, sentences


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("pair", [False, True], ids=["single", "pair"])
def test_batched_rows_have_the_probabilities_of_rows_alone(tiny_model, architecture, pair):
    directory = tiny_model(architecture)
    columns = [["a", *sentences(39, seed=11, shortest=1, longest=70)]]
    if pair:
        columns.append(random.Random(0).sample(columns[0], 40))
    classifier = Classifier(open_model(str(directory)), precision="fp32", backend="padded", batch_tokens=700)
    logits, outcomes = classifier.logits(classifier.encode(*columns))

    assert outcomes.tolist() == [0] * 40
    assert logits.dtype == np.float32
    np.testing.assert_allclose(probabilities(logits), probabilities(oracle(directory, *columns)), atol=1e-5)


def test_the_second_text_of_a_pair_matters(tiny_model):
    classifier = Classifier(open_model(str(tiny_model("bert"))), precision="fp32")
    swapped = classifier.encode(["good room", "bad soup"], ["bad soup", "good room"])
    logits, _ = classifier.logits(swapped)
    assert np.abs(logits[0] - logits[1]).max() > 1e-3


@pytest.mark.parametrize("architecture", ["bert", "roberta", "deberta-v2"])
def test_half_precision_stays_close(tiny_model, architecture):
    directory = tiny_model(architecture)
    texts = sentences(40, seed=12)
    classifier = Classifier(open_model(str(directory)), precision="bf16")
    logits, _ = classifier.logits(classifier.encode(texts))
    alone = oracle(directory, texts)
    clear = np.sort(alone, axis=1)[:, -1] - np.sort(alone, axis=1)[:, -2] > 0.5
    assert clear.sum() >= 10
    assert (logits.argmax(1) == alone.argmax(1))[clear].all()


def test_no_rows_and_one_row(tiny_model):
    classifier = Classifier(open_model(str(tiny_model("bert"))), precision="fp32", batch_tokens=1)
    assert classifier.logits(classifier.encode([]))[0].shape == (0, 5)
    assert classifier.logits(classifier.encode(["good room"]))[0].shape == (1, 5)


@pytest.mark.parametrize("ends", [2, [2, 3], None], ids=["one end", "two ends", "no end"])
def test_a_decoder_that_names_no_padding_reads_several_rows_at_once(tiny_model, tmp_path, ends):
    """Its head reads the last token, which it tells from what fills a row."""
    bytes_alone = AutoTokenizer.from_pretrained(tiny_model("roberta")).backend_tokenizer
    bytes_alone.post_processor = processors.Sequence([])
    vocabulary = PreTrainedTokenizerFast(tokenizer_object=bytes_alone, model_max_length=128)
    sizes = {"n_positions": 128, "n_embd": 32, "n_layer": 2, "n_head": 4}
    config = GPT2Config(vocab_size=len(vocabulary), num_labels=3, bos_token_id=0, eos_token_id=ends, **sizes)
    GPT2ForSequenceClassification(config).save_pretrained(tmp_path)
    vocabulary.save_pretrained(tmp_path)
    texts = [*sentences(20, seed=5, shortest=1, longest=20), "good room </s>", "</s></s>", "a <pad> fine <pad>"]
    classifier = Classifier(open_model(str(tmp_path)), precision="fp32")
    logits, outcomes = classifier.logits(classifier.encode(texts))
    assert not outcomes.any()
    assert classifier.engine.backend == "padded"
    assert "equal lengths" in classifier.engine.reason
    np.testing.assert_allclose(probabilities(logits), probabilities(oracle(tmp_path, texts)), atol=1e-5)
