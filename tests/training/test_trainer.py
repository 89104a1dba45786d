"""The order of training examples, and the gradient of a step."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch
from datasets import Dataset
from transformers import TrainerState

from scorer.classifier.labels import LabelSet
from scorer.config import FitConfig
from scorer.training.arguments import training_arguments
from scorer.training.losses import Loss
from scorer.training.pretrained import load_base_model
from scorer.training.trainer import EpochOrder, FitTrainer, make_trainer, quiet_training
from tests.conftest import TinyModel

LENGTHS = [int(length) for length in np.random.default_rng(0).integers(3, 60, 1003)]


def order(*, seed: int = 0, epoch: int = 0, batch: int = 8, lengths: list[int] = LENGTHS) -> list[int]:
    sampler = EpochOrder(batch, lengths, seed=seed)
    sampler.set_epoch(epoch)
    return list(sampler)


def batches(rows: list[int], batch: int = 8) -> list[list[int]]:
    return [rows[start : start + batch] for start in range(0, len(rows), batch)]


@pytest.mark.parametrize("count", [1, 7, 8, 9, 16, 1003])
def test_every_row_comes_once(count: int) -> None:
    assert sorted(order(lengths=LENGTHS[:count])) == list(range(count))


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    assert order(seed=1, epoch=2) == order(seed=1, epoch=2)
    assert order(seed=1, epoch=2) != order(seed=1, epoch=3)
    assert order(seed=1, epoch=2) != order(seed=2, epoch=2)
    assert order(seed=0, epoch=1) != order(seed=1, epoch=0)


def test_batches_hold_similar_lengths_in_no_particular_order() -> None:
    means = [np.mean([LENGTHS[row] for row in batch]) for batch in batches(order())]
    spreads = [np.ptp([LENGTHS[row] for row in batch]) for batch in batches(order())[1:-1]]
    assert np.mean(spreads) < 4 < np.ptp(LENGTHS) / 4
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.3


def test_the_longest_row_comes_first() -> None:
    assert LENGTHS[order()[0]] == max(LENGTHS)


def norm_of_first_gradient(base: Path, folder: Path, *, multi: bool, **options: int) -> float:
    """Of a step on 16 rows, without dropout."""
    config = FitConfig(train=Path("train.csv"), base_model=str(base), max_steps=1, eval_steps=1, **options)
    labels = LabelSet(("a", "b", "c"), "string", multi)
    draw = np.random.default_rng(0)
    ids = [draw.integers(5, 100, length).tolist() for length in draw.integers(4, 20, 16)]
    targets = draw.integers(0, 2, (16, 3)) if multi else draw.integers(0, 3, 16)
    rows = Dataset(
        pa.table(
            {"example": range(16), "input_ids": ids, "length": [len(row) for row in ids], "labels": targets.tolist()}
        )
    )
    with quiet_training():
        model = load_base_model(config, labels)
    for module in model.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    arguments = training_arguments(config, checkpoints=folder, device=torch.device("cpu"), precision="fp32")
    with quiet_training():
        trainer = make_trainer(
            model, arguments, config=config, labels=labels, train=rows, valid=rows, loss=Loss(multi, gamma=1.0)
        )
        trainer.train()
    return next(float(entry["grad_norm"]) for entry in trainer.state.log_history if "grad_norm" in entry)


@pytest.mark.parametrize("multi", [False, True])
def test_batches_that_are_added_up_make_the_step_of_one_batch(
    tiny_model: TinyModel, tmp_path: Path, multi: bool
) -> None:
    """The Trainer would add up the means of the batches: a gradient twice as long from two of them."""
    base = tiny_model("bert")
    whole = norm_of_first_gradient(base, tmp_path / "1", multi=multi, batch_size=16)
    for parts in (2, 4):
        options = {"batch_size": 16 // parts, "gradient_accumulation": parts}
        found = norm_of_first_gradient(base, tmp_path / str(parts), multi=multi, **options)
        assert found == pytest.approx(whole, rel=1e-4)


def test_a_training_loss_that_overflowed_is_none() -> None:
    """JSON has no word for it, and the model directory is written in JSON."""
    log = []
    for step, loss in enumerate((0.5, float("nan"), float("inf")), 1):
        figures = {"eval_nll": 1.0, "eval_accuracy": 0.5, "eval_macro_f1": 0.5}
        log += [{"step": step, "epoch": step, "loss": loss}, {"step": step, "epoch": step, **figures}]
    history = FitTrainer.history(SimpleNamespace(state=TrainerState(log_history=log)))
    assert [point.train_loss for point in history] == [0.5, None, None]
