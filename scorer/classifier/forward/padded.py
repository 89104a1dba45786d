"""The padded forward pass: transformers' own model on a rectangle of token ids. Works for every architecture.

Owns the conversion to tensors and back. Does not know how a batch was chosen.
"""

from __future__ import annotations

import inspect

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import PreTrainedModel

from scorer.classifier.forward.memory import memory_errors
from scorer.classifier.sequences import TokenSequences


class PaddedForward:
    """`model`, moved to `device` and cast to `dtype`; `pad_id` fills the rectangle behind each sequence."""

    name = "padded"

    def __init__(self, model: PreTrainedModel, *, device: torch.device, dtype: torch.dtype, pad_id: int) -> None:
        self._model = nn.Module.to(model, device=device, dtype=dtype).eval()
        self._device = device
        self._pad_id = pad_id
        self._takes_types = "token_type_ids" in inspect.signature(model.forward).parameters

    @torch.inference_mode()
    def __call__(self, batch: TokenSequences) -> NDArray[np.float32]:
        with memory_errors():
            ids, mask, types = (torch.from_numpy(array).to(self._device) for array in batch.padded(self._pad_id))
            inputs = {"input_ids": ids, "attention_mask": mask}
            if self._takes_types:
                inputs["token_type_ids"] = types
            logits: NDArray[np.float32] = self._model(**inputs).logits.float().cpu().numpy()
        return logits
