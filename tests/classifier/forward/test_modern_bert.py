"""ModernBERT packed, against transformers' own model, one row at a time: with and without biases, far and near."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import ModernBertConfig, ModernBertForSequenceClassification

from scorer.classifier.classifier import Classifier
from scorer.classifier.directory import open_model
from scorer.classifier.forward.linear import DeviceDtype
from scorer.classifier.forward.modern_bert import ModernBertForward, why_not_modern_bert
from scorer.classifier.forward.openvino import is_installed
from scorer.classifier.forward.packed import SPEC
from scorer.classifier.forward.spec import Work
from tests.classifier.forward.oracle import probabilities
from tests.classifier.forward.wide import VOCABULARY, logits_alone, peaked, random_tokens, slow_ragged

CPU = torch.device("cpu")
KINDS = {
    "as published": {},
    "mean of all tokens": {"classifier_pooling": "mean"},
    "biases": {"attention_bias": True, "mlp_bias": True, "norm_bias": True, "classifier_bias": True},
    "relu": {"hidden_activation": "relu"},
    "the last layer sees what is near": {"num_hidden_layers": 3},
    "far places alone": {"layer_types": ["full_attention"] * 4},
    "one layer": {"num_hidden_layers": 1},
}


def network_of(**options) -> ModernBertForSequenceClassification:
    sizes = {"hidden_size": 48, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 64}
    ends = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}
    config = ModernBertConfig(
        vocab_size=VOCABULARY, max_position_embeddings=300, num_labels=3, local_attention=16, **ends, **sizes | options
    )
    return peaked(ModernBertForSequenceClassification, config)


@pytest.mark.parametrize("kind", KINDS)
def test_packed_rows_have_the_probabilities_of_rows_alone(kind):
    network = network_of(**KINDS[kind])
    assert why_not_modern_bert(network.config) is None
    forward = ModernBertForward(network, DeviceDtype(CPU, torch.float32))
    for lengths in ([1], [2, 1], [8, 9, 10], [9] * 5, [70, 64, 70, 66, 1], [130, 129]):
        batch = random_tokens(lengths)
        alone = probabilities(logits_alone(network, batch))
        np.testing.assert_allclose(probabilities(forward(batch)), alone, atol=1e-5)
    assert np.ptp(probabilities(forward(random_tokens([20] * 8))), axis=0).max() > 0.1, "the rows are alike"


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_gpu_leaves_unpadded_has_the_same_probabilities(kind):
    network = network_of(**KINDS[kind])
    seen = []

    def counted(*arguments):
        seen.append(arguments[5])
        return slow_ragged(*arguments)

    target = DeviceDtype(CPU, torch.float32, folds=True, ragged=counted, nearby=counted)
    forward = ModernBertForward(network, target)
    for lengths in ([70, 64, 70, 66, 1], [130, 129], [9, 3, 9]):
        batch = random_tokens(lengths)
        alone = probabilities(logits_alone(network, batch))
        np.testing.assert_allclose(probabilities(forward(batch)), alone, atol=1e-5)
    # Layers, but for the last one of first tokens alone: of two batches, as the third is too short to gain by it.
    layers = [None if kind == "full_attention" else 8 for kind in network.config.layer_types]
    assert seen == 2 * (layers if network.config.classifier_pooling == "mean" else layers[:-1])


def test_auto_leaves_it_to_what_is_faster(tiny_model):
    engine = Classifier(open_model(str(tiny_model("modernbert"))), precision="fp32").engine
    assert engine.backend == ("openvino" if is_installed() else "packed")
    if is_installed():
        on_gpu = Work(device=torch.device("cuda", 0), precision="fp16", streams=1)
        config = ModernBertConfig()
        assert SPEC.yields(config, Work(device=CPU, precision="fp32", streams=1)) is not None
        assert SPEC.yields(config, on_gpu) is SPEC.why_not(config, on_gpu) is None


def test_residuals_are_added_in_place_where_there_is_no_bias():
    """As on a GPU."""
    network, batch = network_of(), random_tokens([30, 29, 3])
    forward = ModernBertForward(network, DeviceDtype(CPU, torch.float32, folds=True))
    np.testing.assert_allclose(probabilities(forward(batch)), probabilities(logits_alone(network, batch)), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"hidden_activation": "silu"}, "the activation silu"),
        (
            {
                "rope_parameters": {
                    "full_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4},
                    "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
                }
            },
            "rotary embeddings of the type linear",
        ),
    ],
)
def test_what_is_not_computed_here(options, reason):
    assert reason in why_not_modern_bert(ModernBertConfig(**options))


def test_half_precision_stays_close():
    network, batch = network_of(), random_tokens([40, 39, 38, 40])
    exact, half = (
        probabilities(ModernBertForward(network, DeviceDtype(CPU, dtype))(batch))
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert np.abs(half - exact).max() < 0.1
