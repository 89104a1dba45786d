"""The padded forward pass: transformers' own model, of any architecture, on token ids padded to one length."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from scorer.classifier.device import DTYPES, memory_errors, to_device
from scorer.classifier.forward.spec import ForwardSpec, Work
from scorer.classifier.loading import LoadedModel
from scorer.classifier.sequences import TokenSequences


class PaddedForward:
    """The model of `loaded`, moved to `device` and cast to `dtype`."""

    def __init__(self, loaded: LoadedModel, *, device: torch.device, dtype: torch.dtype) -> None:
        self._model = nn.Module.to(loaded.model, device=device, dtype=dtype).eval()
        self._device = device
        self._feed = loaded.feed

    @torch.inference_mode()
    def __call__(self, batch: TokenSequences) -> NDArray[np.float32]:
        parts = self._feed.together(batch)
        if len(parts) == 1:
            return self._logits(batch)
        found = [self._logits(batch.take(rows)) for rows in parts]
        logits = np.empty((len(batch), found[0].shape[1]), np.float32)
        for rows, part in zip(parts, found, strict=True):
            logits[rows] = part
        return logits

    def _logits(self, batch: TokenSequences) -> NDArray[np.float32]:
        with memory_errors():
            arrays = self._feed.arguments(batch)
            inputs = {name: to_device(array, self._device) for name, array in arrays.items()}
            output = self._model(**inputs, **self._feed.options)
            logits: NDArray[np.float32] = output.logits.float().cpu().numpy()
        return logits


def _make(loaded: LoadedModel, work: Work) -> PaddedForward:
    return PaddedForward(loaded, device=work.device, dtype=DTYPES[work.precision])


SPEC = ForwardSpec(
    name="padded",
    why="",
    why_not=lambda _config, _work: None,
    shapes=None,
    libraries=("torch", "transformers"),
    make=_make,
)
