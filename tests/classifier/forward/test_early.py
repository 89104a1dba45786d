"""Rows that leave the packed pass: those that stay get the logits that they get alone, whoever has left beside them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorer.classifier.classifier import Classifier
from scorer.classifier.directory import open_model
from scorer.classifier.forward import DeviceOutOfMemory
from scorer.classifier.forward.early import WHOLE, EarlyForward
from scorer.classifier.forward.resilient import Outcome
from tests.models import LAYERS, sentences

TEXTS = sentences(60, seed=5, shortest=1, longest=40)


class Some:
    """Lets rows leave by what their states begin with, so that it does not matter in which batch they are."""

    def __init__(self, shares: dict[int, float]) -> None:
        self.layers = tuple(shares)
        self.shares = shares
        self.asked: list[tuple[int, int]] = []

    def __call__(self, layer: int, states: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        self.asked.append((layer, len(states)))
        said = np.full((len(states), 5), 100.0 + layer, np.float32)
        return said, states[:, 0].numpy() < np.quantile(states[:, 0], self.shares[layer])


@pytest.fixture(params=["bert", "roberta", "distilbert", "deberta-v2"])
def classifier(request, tiny_model) -> Classifier:
    return Classifier(open_model(str(tiny_model(request.param))), precision="fp32", batch_tokens=200)


def leave(classifier: Classifier, look: Some) -> tuple[np.ndarray, np.ndarray]:
    """Logits and stages of all texts in their order."""
    assert classifier.early is not None
    inputs = classifier.encode(TEXTS)
    groups = classifier.early.together(classifier.plan(inputs.lengths))
    logits, stages = np.zeros((len(TEXTS), 5), np.float32), np.zeros(len(TEXTS), np.int8)
    for group, (found, outcomes, decided) in zip(groups, classifier.early.leaving(inputs, groups, look), strict=True):
        assert not outcomes.any()
        rows = np.concatenate(group)
        logits[rows], stages[rows] = found, decided
    return logits, stages


@pytest.mark.parametrize("shares", [{0: 0.5}, {1: 0.7}, {0: 0.4, 1: 0.9}, {0: 0.0, 1: 0.0}])
def test_rows_that_stay_get_what_they_get_alone(classifier, shares):
    look = Some(shares)
    logits, stages = leave(classifier, look)
    whole, _ = classifier.logits(classifier.encode(TEXTS))
    stay = stages == 0
    np.testing.assert_allclose(logits[stay], whole[stay], atol=2e-4)
    for layer, share in shares.items():
        assert (stages == layer + 1).any() == (share > 0)
        assert (logits[stages == layer + 1] == 100.0 + layer).all()
    assert {layer for layer, _ in look.asked} == set(shares)


class Everybody(Some):
    def __call__(self, layer: int, states: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        return np.full((len(states), 5), 100.0 + layer, np.float32), np.ones(len(states), np.bool_)


def test_all_rows_may_leave(classifier):
    logits, stages = leave(classifier, Everybody({0: 1.0, 1: 1.0}))
    assert (stages == 1).all()
    assert (logits == 100.0).all()


def test_states_are_the_means_of_hidden_states(tiny_model):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    directory = tiny_model("bert")
    classifier = Classifier(open_model(str(directory)), precision="fp32", batch_tokens=200)
    assert classifier.early is not None
    inputs = classifier.encode(TEXTS[:9])
    model = AutoModelForSequenceClassification.from_pretrained(directory).eval()
    tokenizer = AutoTokenizer.from_pretrained(directory)
    plan = classifier.plan(inputs.lengths)
    for rows, (logits, _, states) in zip(plan, classifier.early.states(inputs, plan, range(LAYERS)), strict=True):
        for place, row in enumerate(rows.tolist()):
            with torch.inference_mode():
                seen = model(**tokenizer(TEXTS[row], return_tensors="pt"), output_hidden_states=True)
            expected = torch.stack([hidden[0].mean(dim=0) for hidden in seen.hidden_states[:LAYERS]])
            np.testing.assert_allclose(states[:, place], expected, atol=1e-4)
            np.testing.assert_allclose(logits[place], seen.logits[0], atol=2e-4)


class Full:
    """A pass that has no room for its first layer."""

    layers = (None,)
    width = 32

    def begin(self, _batch):
        raise DeviceOutOfMemory


def test_what_has_no_room_is_computed_by_the_whole_model(tiny_model):
    classifier = Classifier(open_model(str(tiny_model("bert"))), precision="fp32")
    batch = classifier.encode(TEXTS[:8]).sequences
    whole, _ = classifier.logits(classifier.encode(TEXTS[:8]))
    early = EarlyForward(Full(), classifier.early.forward._whole, budget=200)  # type: ignore[arg-type,union-attr]
    logits, outcomes, left = early(batch, [np.arange(8)], Some({0: 0.5}))
    assert (left == WHOLE).all()
    assert (outcomes == Outcome.SCORED).all()
    np.testing.assert_allclose(logits, whole, atol=2e-4)
    logits, _, states = early.states(batch, [0])
    np.testing.assert_allclose(logits, whole, atol=2e-4)
    assert np.isnan(states).all()
    assert states.shape == classifier.early.forward.states(batch, [0])[2].shape  # type: ignore[union-attr]


@pytest.mark.parametrize(("architecture", "why"), [("albert", "packed"), ("modernbert", "packed")])
def test_other_models_say_why_their_rows_do_not_leave(tiny_model, architecture, why):
    classifier = Classifier(open_model(str(tiny_model(architecture))), precision="fp32")
    assert classifier.early is None
    assert why in (classifier.why_not_early or "")
