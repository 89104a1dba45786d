"""The forward passes on a CUDA device (make test-gpu): what a CPU gives is what a GPU must give."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from scorer.classifier.classifier import Classifier
from scorer.classifier.directory import open_model
from scorer.classifier.forward.transfer import to_device
from tests.classifier.forward.oracle import oracle, probabilities
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
    assert classifier.engine.device == "cuda"
    assert not outcomes.any()
    np.testing.assert_allclose(probabilities(logits), probabilities(oracle(directory, *columns)), atol=tolerance)


def test_workers_on_streams_of_their_own_agree_from_run_to_run(tiny_model):
    classifier = Classifier(open_model(str(tiny_model("bert"))), precision="fp16", backend="packed", batch_tokens=600)
    encoded = classifier.encode(texts())
    first, _ = classifier.logits(encoded)
    for _ in range(20):
        np.testing.assert_array_equal(classifier.logits(encoded)[0], first)


def test_logits_that_are_not_finite_are_computed_again_in_fp32(tiny_model):
    classifier = Classifier(open_model(str(tiny_model("bert"))), precision="fp16", backend="packed")
    encoded = classifier.encode(texts()[:8])
    expected, _ = classifier.logits(encoded)
    passed = classifier._forward._forward
    classifier._forward._forward = lambda batch: passed(batch) * np.float32("nan")
    again, outcomes = classifier.logits(encoded)
    assert not outcomes.any()
    np.testing.assert_allclose(probabilities(again), probabilities(expected), atol=2e-2)


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
