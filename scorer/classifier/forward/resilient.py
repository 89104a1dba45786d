"""A forward pass that survives: batches too large for the device are halved, non-finite logits are computed again.

Owns what happens to a row that cannot be scored. Does not know statuses, files or how batches were planned.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.forward import DeviceOutOfMemory, Forward
from scorer.classifier.sequences import TokenSequences


class Outcome(IntEnum):
    """What became of a row."""

    SCORED = 0
    NONFINITE = 1
    OUT_OF_MEMORY = 2


class ResilientForward:
    """`forward`, made to give every row an outcome.

    `in_fp32` makes the same model in fp32; it is called when a row's logits are not finite, and not again once it did.
    `labels` is the number of logits a row. `back_offs` counts the batches that had to be halved. Several threads may
    call it.
    """

    def __init__(self, forward: Forward, *, in_fp32: Callable[[], Forward], labels: int) -> None:
        self._forward = forward
        self._make_fp32 = in_fp32
        self._fp32: Forward | None = None
        self._labels = labels
        self._lock = Lock()
        self.back_offs = 0

    def __call__(self, batch: TokenSequences) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        """Logits (n, labels) float32 and `Outcome`s (n,) int8; the logits of a row that was not scored are zero."""
        logits, outcomes = self._halving(self._forward, batch)
        for row in np.flatnonzero(~np.isfinite(logits).all(axis=1)):
            logits[row], outcomes[row] = self._again(batch.take(np.array([row])))
        return logits, outcomes

    def _halving(self, forward: Forward, batch: TokenSequences) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        try:
            return forward(batch), np.full(len(batch), Outcome.SCORED, np.int8)
        except DeviceOutOfMemory:
            # Recovery happens below: inside this block the traceback still holds the tensors that filled the device.
            pass
        with self._lock:
            self.back_offs += 1
        if len(batch) == 1:
            return np.zeros((1, self._labels), np.float32), np.full(1, Outcome.OUT_OF_MEMORY, np.int8)
        rows = np.arange(len(batch))
        halves = [self._halving(forward, batch.take(half)) for half in np.array_split(rows, 2)]
        logits, outcomes = zip(*halves, strict=True)
        return np.concatenate(logits), np.concatenate(outcomes)

    def _again(self, row: TokenSequences) -> tuple[NDArray[np.float32], int]:
        with self._lock:
            if self._fp32 is None:
                try:
                    self._fp32 = self._make_fp32()
                except DeviceOutOfMemory:
                    return np.zeros(self._labels, np.float32), Outcome.OUT_OF_MEMORY
        logits, outcomes = self._halving(self._fp32, row)
        if not np.isfinite(logits).all():
            return np.zeros(self._labels, np.float32), Outcome.NONFINITE
        return logits[0], int(outcomes[0])
