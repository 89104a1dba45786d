"""A forward pass with faults, put into the real job: a device that runs out of memory or computes nonsense."""

from __future__ import annotations

import dataclasses
import random
import threading
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from scorer.classifier.classifier import choose_forward
from scorer.classifier.forward import DeviceOutOfMemory, Forward
from scorer.classifier.sequences import TokenSequences


class FaultyForward:
    """`forward`, of whose calls a share `out_of_memory` fails, drawn by `seed`, and whose logits are not finite for the
    rows that `poisoned` names; a batch with a row that `too_large` names never fits. Several threads may call it."""

    def __init__(
        self,
        forward: Forward,
        *,
        out_of_memory: float = 0.0,
        poisoned: Callable[[NDArray[np.int32]], bool] = lambda ids: False,  # noqa: ARG005
        too_large: Callable[[NDArray[np.int32]], bool] = lambda ids: False,  # noqa: ARG005
        seed: int = 0,
    ) -> None:
        self._forward = forward
        self._out_of_memory = out_of_memory
        self._poisoned = poisoned
        self._too_large = too_large
        self._draw = random.Random(seed)
        self._lock = threading.Lock()
        self.failed = 0
        self.spoiled = 0

    def __call__(self, batch: TokenSequences) -> NDArray[np.float32]:
        rows = [batch.ids[begin:end] for begin, end in zip(batch.offsets[:-1], batch.offsets[1:], strict=True)]
        with self._lock:
            # A single row is spared, so that what is flagged is only what is too large by itself.
            unlucky = len(rows) > 1 and self._draw.random() < self._out_of_memory
            if unlucky or any(map(self._too_large, rows)):
                self.failed += 1
                raise DeviceOutOfMemory("injected")
        logits = self._forward(batch)
        for row, ids in enumerate(rows):
            if self._poisoned(ids):
                logits[row, row % logits.shape[1]] = (np.nan, np.inf, -np.inf)[row % 3]
                with self._lock:
                    self.spoiled += 1
        return logits


def share_of_rows(share: float, *, salt: int = 0) -> Callable[[NDArray[np.int32]], bool]:
    """Names about a `share` of all token sequences, always the same ones."""
    return lambda ids: zlib.crc32(ids.tobytes(), salt) % 10_000 < share * 10_000


def inject(patch: pytest.MonkeyPatch, make: Callable[[Forward], Forward]) -> list[Forward]:
    """Every classifier that is made from now on computes with `make` of what it chose; the list of those so far."""
    made: list[Forward] = []

    def choose(*arguments, **options):
        choice = choose_forward(*arguments, **options)
        made.append(make(choice.forward))
        return dataclasses.replace(choice, forward=made[-1])

    patch.setattr("scorer.classifier.classifier.choose_forward", choose)
    return made
