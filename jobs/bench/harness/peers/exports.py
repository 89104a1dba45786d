"""The model as a graph for other engines, exported once and kept beside the benchmark's model."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification

from harness.peers import Setup


class _LogitsOnly(nn.Module):
    """What every exporter understands: two tensors in, one out."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        logits: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


def traceable(setup: Setup) -> tuple[nn.Module, tuple[Tensor, Tensor]]:
    """The model in fp32 and an example of its input: token ids and attention mask, both (2, 9) int64."""
    model = AutoModelForSequenceClassification.from_pretrained(setup.model, dtype=torch.float32).eval()
    mask = torch.ones(2, 9, dtype=torch.int64)
    mask[1, 5:] = 0
    return _LogitsOnly(model).eval(), (torch.ones(2, 9, dtype=torch.int64), mask)


def export_onnx(setup: Setup) -> Path:
    """`model.onnx` in the folder of exports, with free batch and length; made when it is not there."""
    path = setup.exports / "model.onnx"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        model, example = traceable(setup)
        free = {0: torch.export.Dim("rows", max=65_536), 1: torch.export.Dim("tokens", max=512)}
        unfinished = path.with_suffix(".unfinished")
        torch.onnx.export(
            model,
            example,
            str(unfinished),
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_shapes={"input_ids": free, "attention_mask": free},
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        unfinished.replace(path)
    return path
