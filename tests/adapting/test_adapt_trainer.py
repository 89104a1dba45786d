"""The gradient of a step of an adaptation, however its rows are divided into batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from scorer.adapting.adapt_trainer import AdaptTrainer
from scorer.adapting.marks import Marks
from scorer.adapting.masked_model import load_masked_model
from scorer.adapting.masking import Masking
from scorer.adapting.rows import TRAINING, Blocks, DocumentParts
from scorer.classifier.transformers_parts import quietly
from scorer.config import AdaptConfig
from scorer.stores.folder import Folder
from scorer.training.arguments import scheduled_arguments

ROWS, LENGTH = 16, 32


def rows_for(marks: Marks, unknown: int, *, nsp: bool) -> Blocks | DocumentParts:
    """Rows of which the first have more unknown tokens, which are never hidden, and the parts of unlike lengths."""
    draw = np.random.default_rng(0)
    room = LENGTH - marks.around
    tokens = draw.choice(marks.ordinary, (ROWS, room)).astype(np.uint32)
    for number, row in enumerate(tokens):
        row[: max(room - 2 * number - 1, 0)] = unknown
    masking = Masking(marks, seed=0, stream=TRAINING)
    if not nsp:
        return Blocks(tokens.reshape(-1), masking, LENGTH)
    starts = np.arange(ROWS) * room
    parts = np.stack([starts, starts + 2 + np.arange(ROWS) // 2, starts + room - 1, np.arange(ROWS)], axis=1)
    return DocumentParts(tokens.reshape(-1), parts, masking, LENGTH)


def norm_of_first_gradient(base: Path, folder: Path, *, nsp: bool, **options: int) -> tuple[float, float]:
    """Of a step on 16 rows, without dropout; and its loss."""
    config = AdaptConfig(data="x.csv", base_model=str(base), max_length=LENGTH, nsp=nsp, max_steps=1, **options)
    with quietly():
        model = load_masked_model(config)
        for module in model.model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
            if hasattr(module, "attention_dropout"):
                module.attention_dropout = 0.0
        rows = rows_for(Marks.of(model.tokenizer, "tiny", words=False), model.tokenizer.unk_token_id, nsp=nsp)
        arguments = scheduled_arguments(
            config,
            checkpoints=Folder(folder),
            device=torch.device("cpu"),
            precision="fp32",
            metric_for_best_model="loss",
            greater_is_better=False,
        )
        trainer = AdaptTrainer(base=model, train=rows, valid=rows, args=arguments)
        trainer.train()
    [norm] = [float(entry["grad_norm"]) for entry in trainer.state.log_history if "grad_norm" in entry]
    [loss] = [float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
    return norm, loss


@pytest.mark.parametrize("nsp", [False, True], ids=["blocks", "pairs"])
def test_batches_that_are_added_up_make_the_step_of_one_batch(tiny_model, tmp_path: Path, nsp: bool) -> None:
    """Each hidden token counts alike, however many of them its batch has."""
    base = tiny_model("bert")
    whole = norm_of_first_gradient(base, tmp_path / "1", nsp=nsp, batch_size=ROWS)
    for parts in (2, 8):
        options = {"batch_size": ROWS // parts, "gradient_accumulation": parts}
        found = norm_of_first_gradient(base, tmp_path / str(parts), nsp=nsp, **options)
        assert found == pytest.approx(whole, rel=1e-4)
