"""The forward passes on a CUDA device (make test-gpu): what a CPU gives is what a GPU must give."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest
import torch

from scorer.classifier.classifier import Classifier
from scorer.classifier.device import to_device
from scorer.classifier.directory import open_model
from scorer.classifier.forward.attention import PaddedShape, attend_first, query_scale
from scorer.classifier.forward.linear import DeviceDtype
from scorer.classifier.forward.modern_bert import ModernBertForward
from scorer.classifier.forward.packed import PackedForward
from scorer.classifier.torch_internals import attends_efficiently
from tests.classifier.forward.oracle import oracle, probabilities
from tests.classifier.forward.test_modern_bert import network_of as modern_network
from tests.classifier.forward.wide import family_of, logits_alone, random_tokens, wide_network
from tests.engines.faults import FaultyForward, inject, share_of_rows
from tests.models import sentences

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device"),
]


def texts() -> list[str]:
    return ["a", "", *sentences(400, seed=21, shortest=1, longest=70)]


@pytest.mark.parametrize("backend", ["packed", "padded"])
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-4), ("fp16", 2e-2), ("bf16", 1e-1)])
@pytest.mark.parametrize("pair", [False, True], ids=["single", "pair"])
def test_mixed_lengths_have_the_probabilities_of_rows_alone(tiny_model, backend, precision, tolerance, pair):
    directory = tiny_model("bert")
    columns = [texts()]
    if pair:
        columns.append(random.Random(1).sample(columns[0], len(columns[0])))
    classifier = Classifier(open_model(str(directory)), precision=precision, backend=backend, batch_tokens=900)
    logits, outcomes = classifier.logits(classifier.encode(*columns))
    assert classifier.engine.device == f"cuda:{torch.cuda.current_device()}"
    assert not outcomes.any()
    np.testing.assert_allclose(probabilities(logits), probabilities(oracle(directory, *columns)), atol=tolerance)


def test_workers_on_one_stream_agree_from_run_to_run(tiny_model):
    classifier = Classifier(open_model(str(tiny_model("bert"))), precision="fp16", backend="packed", batch_tokens=600)
    encoded = classifier.encode(texts())
    first, _ = classifier.logits(encoded)
    for _ in range(20):
        np.testing.assert_array_equal(classifier.logits(encoded)[0], first)


def test_logits_that_are_not_finite_are_computed_again_in_fp32(tiny_model, monkeypatch):
    directory = open_model(str(tiny_model("bert")))
    classifier = Classifier(directory, precision="fp16", backend="packed")
    encoded = classifier.encode(texts()[:8])
    expected, _ = classifier.logits(encoded)
    inject(monkeypatch, lambda forward: FaultyForward(forward, poisoned=share_of_rows(1.0)))
    spoiled = Classifier(directory, precision="fp16", backend="packed")
    again, outcomes = spoiled.logits(encoded)
    assert not outcomes.any()
    assert "8 of 8 rows" in spoiled.concerns[0]
    np.testing.assert_allclose(probabilities(again), probabilities(expected), atol=2e-2)


def test_the_device_is_the_one_that_was_current_when_the_model_was_loaded(tiny_model):
    if torch.cuda.device_count() < 2:
        pytest.skip("needs two CUDA devices")
    directory = open_model(str(tiny_model("bert")))
    with torch.cuda.device(1):
        classifier = Classifier(directory, precision="fp32")
    assert classifier.engine.device == "cuda:1"
    logits, outcomes = classifier.logits(classifier.encode(texts()))
    assert not outcomes.any()
    np.testing.assert_allclose(probabilities(logits), probabilities(oracle(directory.path, texts())), atol=1e-4)


@pytest.mark.parametrize(("hidden", "heads"), [(384, 12), (768, 12), (1024, 16), (312, 12)])
@pytest.mark.parametrize("lengths", [[70, 64, 70, 66, 1], [70] * 5, [200, 199], [9] * 64], ids=str)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float16, 2e-2), (torch.bfloat16, 1e-1)], ids=str
)
def test_networks_as_wide_as_real_ones(hidden, heads, lengths, dtype, tolerance):
    """The last layer attends with heads as wide as the hidden states, which takes other kernels than those of 64."""
    network, batch = wide_network(hidden, heads), random_tokens(lengths)
    expected = probabilities(logits_alone(network, batch))
    family = family_of(network)
    forward = PackedForward(family, DeviceDtype.best(torch.device("cuda", 0), dtype, head_width=family.head_width))
    np.testing.assert_allclose(probabilities(forward(batch)), expected, atol=tolerance)


@pytest.mark.parametrize("lengths", [[70, 64, 70, 66, 1], [200, 199], [9, 8, 9], [9] * 64], ids=str)
@pytest.mark.parametrize("way", ["folds", "gelu", "ragged"])
def test_each_way_of_computing_gives_what_it_gives_without(way, lengths):
    network, batch = wide_network(768, 12), random_tokens(lengths)
    family, device = family_of(network), torch.device("cuda", 0)
    plain = DeviceDtype(device, torch.float16, head_multiple=8)
    best = DeviceDtype.best(device, torch.float16, head_width=family.head_width)
    found = PackedForward(family, dataclasses.replace(plain, **{way: getattr(best, way)}))(batch)
    np.testing.assert_allclose(probabilities(found), probabilities(PackedForward(family, plain)(batch)), atol=1e-2)


@pytest.mark.parametrize("lengths", [[70, 64, 70, 66, 1], [200, 199]], ids=str)
def test_places_nearby_are_seen_without_padding_as_with_it(lengths):
    network, batch = modern_network(hidden_size=64), random_tokens(lengths)
    best = DeviceDtype.best(torch.device("cuda", 0), torch.float16, head_width=16)
    padded = dataclasses.replace(best, ragged=None, nearby=None)
    found, expected = (probabilities(ModernBertForward(network, target)(batch)) for target in (best, padded))
    np.testing.assert_allclose(found, expected, atol=1e-2)


def test_this_gpu_has_what_is_fast():
    """From compute capability 8.0 on: without any of it the answers are the same, and later."""
    device = torch.device("cuda", 0)
    if torch.cuda.get_device_capability(device) < (8, 0):
        pytest.skip("an old GPU")
    for dtype in (torch.float16, torch.bfloat16):
        best = DeviceDtype.best(device, dtype, head_width=64)
        assert (best.gelu, best.folds, best.ragged is not None) == ("tanh", True, True)
        assert best.nearby is not None
        assert attends_efficiently(device, dtype, 64)


@pytest.mark.parametrize("width", [26, 32, 64, 384, 768, 1024])
@pytest.mark.parametrize("masked", [True, False])
def test_attention_of_any_width_is_that_of_the_cpu(width, masked):
    torch.manual_seed(0)
    lengths = np.array([70, 64, 70, 1]) if masked else np.full(4, 70)
    query, hidden = torch.randn(4, 2, width) * query_scale(width), torch.randn(4 * 70, width)
    found = [
        attend_first(query.to(device), hidden.to(device), PaddedShape.of(lengths, device=torch.device(device)))
        for device in ("cpu", "cuda")
    ]
    torch.testing.assert_close(found[1].cpu(), found[0], atol=1e-3, rtol=1e-3)


def test_what_is_copied_behind_other_work_arrives_whole():
    """Pinned memory that a waiting copy still reads must not be given to the next array."""
    device = torch.device("cuda")
    busy = torch.rand(8192, 8192, device=device)
    torch.cuda.synchronize(device)
    with torch.cuda.stream(torch.cuda.Stream(device)):

        def copies():
            return [to_device(np.full((64, 128), number), device) for number in range(200)]

        # Memory that is allocated later would wait for the device.
        copies()
        torch.cuda.synchronize(device)
        for _ in range(20):
            busy @ busy
        behind = copies()
        assert not torch.cuda.current_stream(device).query(), "nothing was left to wait for"
        found = torch.stack(behind).cpu().numpy()
    assert (found == np.arange(200)[:, None, None]).all()
