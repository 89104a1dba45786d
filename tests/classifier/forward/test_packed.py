"""The packed forward pass against transformers itself, one row at a time, unpadded."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch

from scorer.classifier import batches
from scorer.classifier.classifier import Classifier
from scorer.classifier.directory import open_model
from scorer.classifier.forward.attention import RaggedShape
from scorer.classifier.forward.bert_family import BertFamily
from scorer.classifier.forward.folding import with_folded_biases
from scorer.classifier.forward.linear import DeviceDtype, with_wider_heads
from scorer.classifier.forward.packed import PackedForward
from scorer.classifier.loading import load
from scorer.classifier.tokenization import TextEncoder
from scorer.errors import UsageError
from tests.classifier.forward.oracle import oracle, probabilities
from tests.classifier.forward.wide import family_of, logits_alone, random_tokens, slow_ragged, wide_network
from tests.models import sentences

CPU = torch.device("cpu")
FAMILY = ("bert", "distilbert", "roberta", "xlm-roberta", "electra", "deberta-v2")


@pytest.mark.parametrize("architecture", [*FAMILY, "modernbert"])
@pytest.mark.parametrize("pair", [False, True], ids=["single", "pair"])
def test_packed_rows_have_the_probabilities_of_rows_alone(tiny_model, architecture, pair):
    directory = tiny_model(architecture)
    columns = [["a", "", *sentences(60, seed=21, shortest=1, longest=70)]]
    if pair:
        columns.append(random.Random(1).sample(columns[0], 62))
    classifier = Classifier(open_model(str(directory)), precision="fp32", backend="packed", batch_tokens=900)
    logits, outcomes = classifier.logits(classifier.encode(*columns))

    assert not outcomes.any()
    np.testing.assert_allclose(probabilities(logits), probabilities(oracle(directory, *columns)), atol=1e-5)


@pytest.mark.parametrize(
    ("architecture", "padding"), [("bert", "[PAD]"), ("roberta", "<pad>"), ("xlm-roberta", "<pad>")]
)
def test_a_text_that_spells_padding_has_the_positions_that_transformers_counts(tiny_model, architecture, padding):
    directory = tiny_model(architecture)
    texts = [f"good {padding} room {padding}", "bad soup and cold coffee", f"{padding} fine", "fine"]
    classifier = Classifier(open_model(str(directory)), precision="fp32", backend="packed")
    logits, _ = classifier.logits(classifier.encode(texts))
    np.testing.assert_allclose(probabilities(logits), probabilities(oracle(directory, texts)), atol=1e-5)


@pytest.mark.parametrize("length", [159, 160, 161, 400])
def test_long_sequences_take_the_other_kernel_to_the_same_result(tiny_model, length):
    directory = tiny_model("bert", max_positions=512)
    texts = ["good room " * (length // 2), "bad soup " * length, "fine"]
    both = [
        Classifier(open_model(str(directory)), precision="fp32", backend=backend, max_length=length)
        for backend in ("packed", "padded")
    ]
    packed, padded = (probabilities(one.logits(one.encode(texts))[0]) for one in both)
    np.testing.assert_allclose(packed, padded, atol=1e-5)


def test_rows_of_a_batch_may_come_in_any_order(tiny_model):
    classifier = Classifier(open_model(str(tiny_model("bert"))), precision="fp32", backend="packed")
    texts = sentences(30, seed=3, shortest=1, longest=30)
    batch = classifier.encode(texts)
    shuffled = np.random.default_rng(0).permutation(30)
    [(logits, _), (again, _)] = classifier.forward(batch, [np.arange(30), shuffled])
    np.testing.assert_allclose(again, logits[shuffled], atol=1e-5)


def test_auto_packs_the_family_only(tiny_model):
    engines = {
        architecture: Classifier(open_model(str(tiny_model(architecture)))).engine
        for architecture in (*FAMILY, "albert")
    }
    assert [engines[name].backend for name in FAMILY] == ["packed"] * len(FAMILY)
    assert engines["albert"].backend != "packed"
    assert "albert" in engines["albert"].reason


def test_what_is_not_of_the_family_is_refused_when_asked_for(tiny_model):
    with pytest.raises(UsageError, match="--backend packed: does not compute albert"):
        Classifier(open_model(str(tiny_model("albert"))), backend="packed")


def test_an_activation_that_is_not_computed_here_is_not_packed(tiny_model, tmp_path):
    source = tiny_model("bert")
    for path in source.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"hidden_act": "gelu_new"}))
    assert Classifier(open_model(str(tmp_path))).engine.backend != "packed"


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_stays_close(tiny_model, precision):
    directory = tiny_model("bert")
    texts = sentences(60, seed=12)
    classifier = Classifier(open_model(str(directory)), precision=precision, backend="packed")
    logits, _ = classifier.logits(classifier.encode(texts))
    alone = oracle(directory, texts)
    ranked = np.sort(alone, axis=1)
    clear = ranked[:, -1] - ranked[:, -2] > 0.5
    assert clear.sum() >= 10
    assert (logits.argmax(1) == alone.argmax(1))[clear].all()


MASKED, EQUAL = [70, 64, 70, 66, 1], [70] * 5
# Whole widths, as in MiniLM, BERT-base and BERT-large, and one that is no multiple of 8.
WIDTHS = [(384, 12), (768, 12), (1024, 16), (312, 12)]


@pytest.mark.parametrize(("hidden", "heads"), WIDTHS)
@pytest.mark.parametrize("lengths", [MASKED, EQUAL], ids=["masked", "equal"])
def test_networks_as_wide_as_real_ones(hidden, heads, lengths):
    network, batch = wide_network(hidden, heads), random_tokens(lengths)
    forward = PackedForward(family_of(network), DeviceDtype(CPU, torch.float32))
    np.testing.assert_allclose(probabilities(forward(batch)), probabilities(logits_alone(network, batch)), atol=1e-5)


@pytest.mark.parametrize("lengths", [MASKED, EQUAL], ids=["masked", "equal"])
def test_heads_that_are_filled_up_compute_the_same(lengths):
    """As on a GPU, where kernels that take a mask want a multiple of 8: 312 / 12 is 26, and becomes 32."""
    network, batch = wide_network(312, 12), random_tokens(lengths)
    family = family_of(network)
    assert with_wider_heads(family.layers[0].query, 12, multiple=8).weight.shape == (12 * 32, 312)
    forward = PackedForward(family, DeviceDtype(CPU, torch.float32, head_multiple=8))
    np.testing.assert_allclose(probabilities(forward(batch)), probabilities(logits_alone(network, batch)), atol=1e-5)


WAYS = {
    "folded": {"folds": True},
    "ragged": {"ragged": slow_ragged},
    "as on a GPU": {"folds": True, "ragged": slow_ragged, "head_multiple": 8},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("lengths", [MASKED, EQUAL, [9, 3, 9]], ids=["masked", "equal", "short"])
def test_what_a_gpu_does_gives_the_same_on_a_cpu(way, lengths):
    network, batch = wide_network(312, 12), random_tokens(lengths)
    forward = PackedForward(family_of(network), DeviceDtype(CPU, torch.float32, **WAYS[way]))
    np.testing.assert_allclose(probabilities(forward(batch)), probabilities(logits_alone(network, batch)), atol=1e-5)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("architecture", FAMILY)
def test_every_architecture_gives_the_same_as_a_gpu_does_it(tiny_model, architecture, way):
    directory = tiny_model(architecture)
    padding = "[PAD]" if architecture in ("bert", "distilbert", "electra", "deberta-v2") else "<pad>"
    columns = [["a", f"good {padding} room {padding}", *sentences(40, seed=21, shortest=1, longest=70)]]
    columns.append(random.Random(1).sample(columns[0], 42))
    loaded = load(open_model(str(directory)))
    inputs = TextEncoder(loaded.tokenizer, max_length=128, token_types=loaded.token_types)(*columns)
    expected = probabilities(oracle(directory, *columns))
    forward = PackedForward(BertFamily.of(loaded.config, loaded.weights), DeviceDtype(CPU, torch.float32, **WAYS[way]))
    for rows in batches.plan(inputs.lengths, budget=900):
        found = forward(inputs.sequences.take(rows))
        np.testing.assert_allclose(probabilities(found), expected[rows], atol=1e-5)


def by_hand(layer, hidden):
    """One sequence (tokens, hidden) through a layer of 12 heads."""

    def product(dense, x):
        return torch.nn.functional.linear(x, dense.weight, dense.bias)

    query, key, value = (
        product(part, hidden).view(len(hidden), 12, -1).transpose(0, 1)
        for part in (layer.query, layer.key, layer.value)
    )
    weights = torch.softmax(query @ key.transpose(1, 2) / query.shape[-1] ** 0.5, dim=-1)
    hidden = hidden + product(layer.attention_output, (weights @ value).transpose(0, 1).flatten(1))
    hidden = layer.attention_norm(hidden)
    inner = torch.nn.functional.gelu(product(layer.feed_forward_in, hidden))
    return layer.output_norm(hidden + product(layer.feed_forward_out, inner))


@torch.no_grad()
def test_folded_biases_are_exact_in_double_precision():
    family = family_of(wide_network(312, 12).double())
    folded = with_folded_biases(family)
    hidden = torch.randn(9, 312, dtype=torch.float64)
    [layer, _], [found, last] = family.layers, folded.layers
    assert found.attention_output.bias is found.feed_forward_out.bias is None
    assert last is family.layers[1]
    before = layer.attention_output.bias
    torch.testing.assert_close(by_hand(found, hidden + before), by_hand(layer, hidden), atol=1e-12, rtol=0.0)
    shifted = family.embedding_norm(hidden) + before
    torch.testing.assert_close(folded.embedding_norm(hidden), shifted, atol=1e-12, rtol=0.0)


def test_gelu_by_tanh_changes_probabilities_by_little():
    """Which a GPU computes with the product before it, in half precision alone: what rounds more."""
    network, batch = wide_network(384, 12), random_tokens([30] * 40)
    both = [
        probabilities(PackedForward(family_of(network), DeviceDtype(CPU, torch.float32, gelu=gelu))(batch))
        for gelu in ("exact", "tanh")
    ]
    assert 1e-7 < np.abs(both[0] - both[1]).max() < 3e-3


def test_texts_of_one_length_and_short_ones_are_padded_on_a_gpu():
    suited = [RaggedShape.suits(random_tokens(lengths)) for lengths in (MASKED, EQUAL, [9, 3, 9])]
    assert suited == [True, False, False]


def test_in_fp32_a_gpu_folds_biases_and_fills_heads_up_a_cpu_does_neither():
    found = {kind: DeviceDtype.best(torch.device(kind), torch.float32, head_width=26) for kind in ("cpu", "cuda")}
    assert found["cpu"] == DeviceDtype(CPU, torch.float32)
    assert found["cuda"] == DeviceDtype(torch.device("cuda"), torch.float32, head_multiple=8, folds=True)
