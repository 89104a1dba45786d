"""A model that no test has scored row by row is tried out when it is loaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    ReformerConfig,
    ReformerForSequenceClassification,
)

from scorer.classifier.classifier import Classifier
from scorer.classifier.directory import open_model
from scorer.classifier.feeding import Feed
from scorer.classifier.forward.choice import choose_forward
from scorer.classifier.forward.spec import Work
from scorer.classifier.loading import load
from scorer.classifier.sequences import TokenSequences
from scorer.errors import ModelError
from tests.architectures import make_architecture, spread

pytestmark = pytest.mark.filterwarnings("ignore")  # what these architectures warn of themselves


@pytest.mark.parametrize(
    ("architecture", "shapes"),
    [("fnet", "equal lengths"), ("nystromformer", "equal lengths"), ("bart", "any"), ("llama", "any")],
)
def test_what_is_not_listed_is_found_out(architecture, shapes, tmp_path):
    loaded = load(open_model(str(make_architecture(tmp_path, architecture))), tested={})
    assert loaded.shapes == shapes
    chosen = choose_forward(loaded, "auto", Work(device=torch.device("cpu"), precision="fp32", streams=1))
    assert chosen.shapes == shapes
    assert ("equal lengths" in chosen.reason) == (shapes == "equal lengths")


def test_one_that_hashes_by_chance_is_refused(tiny_model, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(tiny_model("bert"))
    config = ReformerConfig(
        vocab_size=len(tokenizer),
        attention_head_size=8,
        attn_layers=["local", "lsh"],
        axial_pos_shape=[8, 16],
        axial_pos_embds_dim=[16, 16],
        feed_forward_size=64,
        hidden_size=32,
        is_decoder=False,
        local_attn_chunk_length=16,
        lsh_attn_chunk_length=16,
        max_position_embeddings=128,
        num_attention_heads=4,
        num_buckets=4,
        num_labels=3,
    )
    model = ReformerForSequenceClassification(config)
    spread(model)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="other logits from time to time"):
        load(open_model(str(tmp_path)))


def test_attention_that_would_change_after_a_short_text_is_settled_or_refused(tmp_path):
    directory = open_model(str(make_architecture(tmp_path, "big_bird")))
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"block_size": 8, "num_random_blocks": 1}))
    assert load(directory, max_length=56).model.bert.encoder.attention_type == "original_full"
    with pytest.raises(ModelError, match="--max-length 56"):
        load(directory, max_length=57)


@pytest.mark.parametrize("backend", ["padded", "packed", "openvino"])
def test_pairs_for_a_model_that_knows_one_type_of_token(tiny_model, tmp_path, backend):
    source = Path(shutil.copytree(tiny_model("bert"), tmp_path / "model"))
    config = BertConfig.from_pretrained(source, type_vocab_size=1)
    BertForSequenceClassification(config).save_pretrained(source)
    classifier = Classifier(open_model(str(source)), precision="fp32", backend=backend)
    logits, _ = classifier.logits(classifier.encode(["good room"]))
    assert np.isfinite(logits).all()
    with pytest.raises(ModelError, match="single texts only"):
        classifier.encode(["good room"], ["bad soup"])


def test_rows_with_other_numbers_of_ends_are_computed_alone():
    lengths = [2, 3, 1, 3]
    ids = np.array([5, 2, 2, 5, 2, 2, 5, 2, 2], np.int32)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    batch = TokenSequences(ids, offsets, np.array(lengths, np.int32), np.zeros(4, np.bool_))
    assert [part.tolist() for part in Feed(pad_id=0, end=2).together(batch)] == [[0, 2], [1], [3]]
    assert [part.tolist() for part in Feed(pad_id=0).together(batch)] == [[0, 1, 2, 3]]
