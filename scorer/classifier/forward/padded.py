"""The padded forward pass: transformers' own model, of any architecture, on token ids padded to one length."""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from scorer.classifier.device import DTYPES, DeviceQueue, memory_errors, to_device
from scorer.classifier.forward.spec import ForwardSpec, Work
from scorer.classifier.loading import LoadedModel
from scorer.classifier.network import output_layer
from scorer.classifier.sequences import TokenSequences


class PaddedForward:
    """The model of `loaded`, moved to `device` and cast to `dtype`.

    Where rows have numbers, the output layer stays in fp32: it may add a mean that is large against what the numbers
    differ by, which half precision would round away.
    """

    def __init__(self, loaded: LoadedModel, *, device: torch.device, dtype: torch.dtype) -> None:
        exact = output_layer(loaded.model, outputs=1) if loaded.labels.is_number else None
        kept = copy.deepcopy(exact.state_dict()) if exact is not None else {}
        self._model = nn.Module.to(loaded.model, device=device, dtype=dtype).eval()
        if exact is not None:
            exact.float().load_state_dict(kept)
            exact.register_forward_pre_hook(lambda _layer, inputs: (inputs[0].float(),))
        self._device = device
        self._queue = DeviceQueue(device)
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
            return self._queue.run(lambda: self._model(**inputs, **self._feed.options).logits)


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
