"""The losses against scikit-learn's weights, torch's own losses and formulas written out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from scorer.classifier.labels import LabelSet
from scorer.errors import UsageError
from scorer.training.losses import HEAVIEST, Loss, balanced_weights
from tests.conftest import TinyModel
from tests.training.fits import reviews, run, weights, write_csv

SINGLE, MULTI = LabelSet(("a", "b", "c"), "string"), LabelSet(("a", "b", "c"), "string", multi=True)
DRAW = np.random.default_rng(0)
TARGETS = DRAW.choice(3, 200, p=[0.7, 0.25, 0.05])
SETS = (DRAW.random((200, 3)) < [0.6, 0.2, 0.01]).astype(np.int8)


def logits(seed: int = 0) -> torch.Tensor:
    return (3 * torch.randn(200, 3, generator=torch.Generator().manual_seed(seed))).requires_grad_()


def value(loss: Loss, scores: torch.Tensor, targets: np.ndarray, items: int | None = None) -> float:
    return loss({"logits": scores}, torch.from_numpy(targets), items).item()


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    expected = compute_class_weight("balanced", classes=np.arange(3), y=TARGETS)
    weights = balanced_weights(TARGETS, SINGLE)
    np.testing.assert_allclose(weights, expected, rtol=1e-6)
    assert np.mean(weights[TARGETS]) == pytest.approx(1.0)


def test_a_label_that_no_row_has_weighs_one() -> None:
    np.testing.assert_allclose(balanced_weights(np.array([0, 0, 0, 2]), SINGLE), [2 / 3, 1.0, 2.0], rtol=1e-6)


def test_the_weight_of_one_of_several_labels_is_capped() -> None:
    sets = np.zeros((100, 3), np.int8)
    sets[:80, 0] = sets[:25, 1] = sets[:1, 2] = 1
    assert balanced_weights(sets, MULTI).tolist() == [0.25, 3.0, HEAVIEST]


def test_without_options_it_is_cross_entropy() -> None:
    scores = logits()
    assert value(Loss(False), scores, TARGETS) == pytest.approx(
        torch.nn.CrossEntropyLoss()(scores, torch.from_numpy(TARGETS)).item(), rel=1e-6
    )
    assert value(Loss(True), scores, SETS) == pytest.approx(
        torch.nn.BCEWithLogitsLoss()(scores, torch.from_numpy(SETS).float()).item(), rel=1e-6
    )


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_one_label_against_the_formula(gamma: float, smoothing: float, weighted: bool) -> None:
    weights = balanced_weights(TARGETS, SINGLE) if weighted else np.ones(3, np.float32)
    scores = logits()
    expected = []
    for row, target in zip(scores.detach().double().numpy(), TARGETS, strict=True):
        p = np.exp(row) / np.exp(row).sum()
        wanted = np.full(3, smoothing / 3)
        wanted[target] += 1 - smoothing
        expected.append(weights[target] * (1 - p[target]) ** gamma * -(wanted * np.log(p)).sum())
    loss = Loss(False, torch.from_numpy(weights) if weighted else None, smoothing, gamma)
    assert value(loss, scores, TARGETS) == pytest.approx(np.mean(expected), rel=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_several_labels_against_the_formula(gamma: float, smoothing: float, weighted: bool) -> None:
    weights = balanced_weights(SETS, MULTI) if weighted else np.ones(3, np.float32)
    scores = logits()
    expected = []
    for row, present in zip(scores.detach().double().numpy(), SETS, strict=True):
        for score, yes, weight in zip(row, present, weights, strict=True):
            p = 1 / (1 + np.exp(-score))
            wanted = (1 - smoothing) * yes + smoothing / 2
            entropy = -(weight * wanted * np.log(p) + (1 - wanted) * np.log(1 - p))
            expected.append((1 - (p if yes else 1 - p)) ** gamma * entropy)
    loss = Loss(True, torch.from_numpy(weights) if weighted else None, smoothing, gamma)
    assert value(loss, scores, SETS) == pytest.approx(np.mean(expected), rel=1e-5)


@pytest.mark.parametrize(("multi", "targets"), [(False, TARGETS), (True, SETS)])
def test_batches_that_are_added_up_have_the_gradient_of_one_batch(multi: bool, targets: np.ndarray) -> None:
    """Batches of 150 and 50 rows: means of their own would weigh the rows of the second threefold."""
    loss, whole, parts = Loss(multi, gamma=2.0, smoothing=0.1), logits(), logits()
    loss({"logits": whole}, torch.from_numpy(targets)).backward()
    for piece in (slice(0, 150), slice(150, 200)):
        loss({"logits": parts[piece]}, torch.from_numpy(targets[piece]), targets.size).backward()
    torch.testing.assert_close(parts.grad, whole.grad)


@pytest.mark.parametrize(("multi", "targets"), [(False, np.array([0])), (True, np.array([[1, 0, 0]]))])
def test_the_focal_loss_of_a_certain_row_has_a_finite_gradient(multi: bool, targets: np.ndarray) -> None:
    for gamma in (0.5, 2.0):
        scores = torch.tensor([[200.0, -200.0, -200.0]], requires_grad=True)
        loss = Loss(multi, gamma=gamma)({"logits": scores}, torch.from_numpy(targets))
        loss.backward()
        assert loss.item() == pytest.approx(0.0, abs=1e-6)
        assert torch.isfinite(scores.grad).all()


@pytest.mark.parametrize("multi", [False, True])
def test_each_option_changes_the_fit_and_validation_stays_the_likelihood(
    tiny_model: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, multi: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    labels = [f"{mood},rare" if multi and row % 5 == 0 else mood for row, (_, mood) in enumerate(reviews(60))]
    rows = [(text, label) for (text, _), label in zip(reviews(60), labels, strict=True)]
    train = write_csv(Path("train.csv"), ("text", "label"), rows[: 60 if multi else 45])
    options = [{}, {"class_weight": "balanced"}, {"label_smoothing": 0.2}, {"focal_gamma": 2.0}]
    separator = {"label_separator": ","} if multi else {}
    fits = [run(train, tiny_model("bert"), max_steps=2, learning_rate=1e-3, **separator, **more) for more in options]
    assert len({weights(summary.model) for summary in fits}) == len(options)
    for summary in fits:
        assert summary.metrics["nll"] > 0.3, "after two steps; that of the focal loss would be far below"
    with pytest.raises(UsageError, match="--label-smoothing 1"):
        run(train, tiny_model("bert"), label_smoothing=1.0, **separator)
