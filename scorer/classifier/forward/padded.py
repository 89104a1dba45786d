"""The padded forward pass: transformers' own model, of any architecture, on token ids padded to one length.

Owns the conversion to tensors and back. Does not know how a batch was chosen.
"""

from __future__ import annotations

import inspect

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from scorer.classifier.forward.memory import memory_errors
from scorer.classifier.forward.transfer import to_device
from scorer.classifier.loading import LoadedModel
from scorer.classifier.sequences import TokenSequences


class PaddedForward:
    """The model of `loaded`, moved to `device` and cast to `dtype`.

    It is told types of tokens only if its tokenizer has any: to GPT-2 they are tokens more.
    """

    name = "padded"

    def __init__(self, loaded: LoadedModel, *, device: torch.device, dtype: torch.dtype) -> None:
        self._model = nn.Module.to(loaded.model, device=device, dtype=dtype).eval()
        self._device = device
        self._pad_id = loaded.pad_id
        parameters = inspect.signature(loaded.model.forward).parameters
        self._takes_types = loaded.token_types and "token_type_ids" in parameters

    @torch.inference_mode()
    def __call__(self, batch: TokenSequences) -> NDArray[np.float32]:
        with memory_errors():
            ids, mask, types = (to_device(array, self._device) for array in batch.padded(self._pad_id))
            inputs = {"input_ids": ids, "attention_mask": mask}
            if self._takes_types:
                inputs["token_type_ids"] = types
            logits: NDArray[np.float32] = self._model(**inputs).logits.float().cpu().numpy()
        return logits
