"""DeBERTa's attention, which looks at distances: packed, against transformers' own model, one row at a time."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from transformers import DebertaV2Config, DebertaV2ForSequenceClassification

from scorer.classifier.forward.attention import PaddedShape
from scorer.classifier.forward.bert_family import BertFamily, why_not_of_the_family
from scorer.classifier.forward.linear import DeviceDtype
from scorer.classifier.forward.packed import PackedForward
from scorer.classifier.forward.relative import RelativeAttention, _attention
from tests.classifier.forward.oracle import probabilities
from tests.classifier.forward.wide import VOCABULARY, logits_alone, peaked, random_tokens

CPU = torch.device("cpu")
SHARED = {
    "relative_attention": True,
    "position_buckets": 16,
    "pos_att_type": ["p2c", "c2p"],
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "position_biased_input": False,
    "type_vocab_size": 0,
}
KINDS = {
    "as v3": {},
    "own projections of distances": {"share_att_key": False},
    "without buckets": {"position_buckets": -1, "max_relative_positions": 24},
    "queries see distances": {"pos_att_type": ["c2p"], "share_att_key": False},
    "keys see distances": {"pos_att_type": ["p2c"]},
    "nobody sees distances": {"pos_att_type": []},
    "positions besides": {"position_biased_input": True, "type_vocab_size": 2, "norm_rel_ebd": "none"},
}


def network_of(**options) -> DebertaV2ForSequenceClassification:
    config = DebertaV2Config(
        vocab_size=VOCABULARY,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=300,
        num_labels=3,
        pooler_hidden_size=48,
        **SHARED | options,
    )
    return peaked(DebertaV2ForSequenceClassification, config)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", [{}, {"folds": True, "head_multiple": 8}], ids=["cpu", "as on a GPU"])
def test_packed_rows_have_the_probabilities_of_rows_alone(kind, way):
    network = network_of(**KINDS[kind])
    assert why_not_of_the_family(network.config) is None
    forward = PackedForward(BertFamily.of(network.config, network.state_dict()), DeviceDtype(CPU, torch.float32, **way))
    for lengths in ([1], [2, 1], [9] * 5, [70, 64, 70, 66, 1], [130, 129]):
        batch = random_tokens(lengths)
        alone = probabilities(logits_alone(network, batch))
        np.testing.assert_allclose(probabilities(forward(batch)), alone, atol=1e-5)
    assert np.ptp(probabilities(forward(random_tokens([20] * 8))), axis=0).max() > 0.1, "the rows are alike"


def test_no_padding_is_left_out_where_scores_are_added_to():
    def refuse(*_arguments):
        raise AssertionError("distances are not seen here")

    network, batch = network_of(), random_tokens([70, 64, 1])
    forward = PackedForward(
        BertFamily.of(network.config, network.state_dict()), DeviceDtype(CPU, torch.float32, ragged=refuse)
    )
    np.testing.assert_allclose(probabilities(forward(batch)), probabilities(logits_alone(network, batch)), atol=1e-5)


@pytest.mark.parametrize("factor", [40.0, -40.0], ids=["powers overflow", "powers vanish"])
def test_absurd_scores_are_those_of_a_softmax(factor):
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 3, 6, 8) + 1.0
    query = query * factor
    keys, queries = torch.randn(2, 2, 11, 8)
    shape = PaddedShape.of(np.array([6, 4, 6]), device=CPU)
    found = _attention(query, key, value, keys, queries, shape)
    for row, length in enumerate([6, 4, 6]):
        for head in range(2):
            for i in range(length):
                q = query[head, row, i].double()
                scores = [
                    q @ key[head, row, j].double()
                    + q @ keys[head, j - i + 5].double()
                    + key[head, row, j].double() @ queries[head, i - j + 5].double()
                    for j in range(length)
                ]
                weights = torch.softmax(math.log(2.0) * torch.stack(scores), dim=0)
                expected = weights @ value[head, row, :length].double()
                torch.testing.assert_close(found[head, row, i].double(), expected, atol=1e-4, rtol=1e-4)


def test_a_few_texts_at_a_time_see_what_they_see_together(monkeypatch):
    torch.manual_seed(0)
    attention = RelativeAttention(lambda n: torch.arange(2 * n - 1), torch.randn(2, 17, 8), torch.randn(2, 17, 8), 2)
    qkv, shape = torch.randn(5 * 9, 48), PaddedShape.of(np.array([9, 9, 4, 9, 1]), device=CPU)
    together = attention.attend(qkv, shape)
    monkeypatch.setattr("scorer.classifier.forward.relative._SCORES_AT_ONCE", 2 * 2 * 9**2)
    torch.testing.assert_close(attention.attend(qkv, shape), together)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"relative_attention": False}, "without relative attention"),
        ({"conv_kernel_size": 3}, "with convolutions"),
        ({"embedding_size": 24}, "with narrow embeddings"),
        ({"hidden_act": "silu"}, "the activation silu"),
    ],
)
def test_what_is_not_computed_here(options, reason):
    assert reason in why_not_of_the_family(DebertaV2Config(hidden_size=48, **SHARED | options))


def test_half_precision_stays_close():
    network, batch = network_of(), random_tokens([40, 39, 38, 40])
    family = BertFamily.of(network.config, network.state_dict())
    exact = PackedForward(family, DeviceDtype(CPU, torch.float32))(batch)
    half = PackedForward(family, dataclasses.replace(DeviceDtype(CPU, torch.float32), dtype=torch.bfloat16))(batch)
    assert np.abs(probabilities(half) - probabilities(exact)).max() < 0.1
