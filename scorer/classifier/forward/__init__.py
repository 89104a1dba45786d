"""Forward passes: token sequences in, logits out. One file a way of computing them; `Forward` is what they share."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.sequences import TokenSequences


class Forward(Protocol):
    """A model, loaded on its device in its precision."""

    def __call__(self, batch: TokenSequences) -> NDArray[np.float32]:
        """Logits (n, labels) float32 of the `n` sequences of one batch; DeviceOutOfMemory when they do not fit."""
        ...


class DeviceOutOfMemory(Exception):
    """The batch does not fit into the device's memory; a smaller one may."""
