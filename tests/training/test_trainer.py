"""The gradient of a step, and the losses that are told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import TrainerState

from scorer.classifier.labels import LabelSet
from scorer.classifier.transformers_parts import quietly
from scorer.config import FitConfig
from scorer.stores.folder import Folder
from scorer.training.arguments import training_arguments
from scorer.training.pretrained import load_base_model
from scorer.training.tasks import LabelTask
from scorer.training.trainer import FitTrainer, make_trainer
from tests.conftest import TinyModel
from tests.training.test_dataset import token_rows


def norm_of_first_gradient(base: Path, folder: Path, *, multi: bool, **options: int) -> float:
    """Of a step on 16 rows, without dropout."""
    config = FitConfig(train=Path("train.csv"), base_model=str(base), max_steps=1, eval_steps=1, **options)
    labels = LabelSet(("a", "b", "c"), "string", multi)
    draw = np.random.default_rng(0)
    lengths = draw.integers(4, 20, 16)
    targets = draw.integers(0, 2, (16, 3)) if multi else draw.integers(0, 3, 16)
    rows = token_rows([draw.integers(5, 100, length).tolist() for length in lengths], targets=targets)
    with quietly():
        model = load_base_model(config, labels)
    model.model.config.hidden_dropout_prob = model.model.config.attention_probs_dropout_prob = 0.0
    arguments = training_arguments(config, checkpoints=Folder(folder), device=torch.device("cpu"), precision="fp32")
    with quietly():
        task = LabelTask(replace(config, focal_gamma=1.0), labels, targets)
        trainer = make_trainer(model, arguments, config=config, task=task, train=rows, valid=rows)
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
    task = LabelTask(FitConfig(train=Path("train.csv")), LabelSet(("a", "b"), "string"), np.zeros(1, np.int64))
    history = FitTrainer.history(SimpleNamespace(state=TrainerState(log_history=log), task=task))
    assert [point.train_loss for point in history] == [0.5, None, None]
