"""A forward pass that survives: batches too large for the device are halved, non-finite logits are computed again.

Here is what happens to a row that cannot be scored. Statuses and files are not known here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import IntEnum
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.forward import DeviceOutOfMemory, Forward
from scorer.classifier.sequences import TokenSequences

# Batches that fit between two attempts at a larger size, whose failure costs about as much as one of them.
_PATIENCE = 128

# Halves of a batch are not quite half as large: their sizes are taken for equal up to this factor.
_ALIKE = 1.25


class Outcome(IntEnum):
    """What became of a row."""

    SCORED = 0
    NONFINITE = 1
    OUT_OF_MEMORY = 2


class ResilientForward:
    """`forward`, made to give every row an outcome.

    `in_fp32` makes the same model in fp32; it is called when a row's logits are not finite, and not again once it did.
    `labels` is the number of logits a row. Several threads may call it. So far `rows` rows have come, `recomputed` of
    them were computed again in fp32, and `back_offs` batches did not fit the device's memory.
    """

    def __init__(self, forward: Forward, *, in_fp32: Callable[[], Forward], labels: int) -> None:
        self._forward = _WithinMemory(forward, labels=labels)
        self._make_fp32 = in_fp32
        self._fp32: _WithinMemory | None = None
        self._labels = labels
        self._lock = Lock()
        self.rows = 0
        self.recomputed = 0

    def __call__(self, batch: TokenSequences) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        """Logits (n, labels) float32 and `Outcome`s (n,) int8; the logits of a row that was not scored are zero."""
        return self.checked(batch, *self._forward(batch))

    def checked(
        self, batch: TokenSequences, logits: NDArray[np.float32], outcomes: NDArray[np.int8]
    ) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        """The same, of what was computed elsewhere: rows whose `logits` are not finite are computed again."""
        rows = np.flatnonzero(~np.isfinite(logits).all(axis=1))
        if len(rows):
            logits[rows], outcomes[rows] = self._again(batch.take(rows))
        with self._lock:
            self.rows += len(batch)
            self.recomputed += len(rows)
        return logits, outcomes

    @property
    def back_offs(self) -> int:
        return self._forward.back_offs + (self._fp32.back_offs if self._fp32 else 0)

    def _again(self, batch: TokenSequences) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        with self._lock:
            if self._fp32 is None:
                try:
                    self._fp32 = _WithinMemory(self._make_fp32(), labels=self._labels)
                except DeviceOutOfMemory:
                    return _unscored(len(batch), self._labels)
        logits, outcomes = self._fp32(batch)
        still = ~np.isfinite(logits).all(axis=1)
        logits[still], outcomes[still] = 0.0, Outcome.NONFINITE
        return logits, outcomes


class _WithinMemory:
    """`forward` on batches that fit the device's memory: what does not is halved, and the size that failed remembered.

    Later batches are cut below that size beforehand. After `_PATIENCE` batches that fit, the size is doubled: memory
    that others held may be free again.
    """

    def __init__(self, forward: Forward, *, labels: int) -> None:
        self._forward = forward
        self._labels = labels
        self._lock = Lock()
        self._too_large = math.inf
        self._largest = 0
        self._fitted = 0
        self.back_offs = 0

    def __call__(self, batch: TokenSequences) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        """Logits and outcomes as `ResilientForward` gives them, but for logits that are not finite."""
        pieces = math.ceil(len(batch) / self._most_rows(batch)) if len(batch) else 1
        if pieces == 1:
            return self._learning(batch)
        return _joined([self._learning(batch.take(rows)) for rows in np.array_split(np.arange(len(batch)), pieces)])

    def _learning(self, batch: TokenSequences) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        logits, outcomes, fitted = self._halving(batch)
        size = _padded_size(batch)
        with self._lock:
            if fitted == size:
                self._largest = max(self._largest, fitted)
                self._fitted += 1
                if self._fitted >= _PATIENCE:
                    self._too_large *= 2
                    self._fitted = 0
            elif fitted:
                # If one as large has fitted lately, it is a row that did not: the next failure will tell.
                if size > _ALIKE * self._largest:
                    self._too_large = min(self._too_large, _smallest_failed(size, fitted))
                self._largest = fitted
                self._fitted = 0
        return logits, outcomes

    def _halving(self, batch: TokenSequences) -> tuple[NDArray[np.float32], NDArray[np.int8], int]:
        """Logits, outcomes, and the size of the largest piece of `batch` that fitted, 0 if none did."""
        try:
            logits = self._forward(batch)
        except DeviceOutOfMemory:
            # Recovery happens below: inside this block the traceback still holds the tensors that filled the device.
            pass
        else:
            return logits, np.full(len(batch), Outcome.SCORED, np.int8), _padded_size(batch)
        with self._lock:
            self.back_offs += 1
        if len(batch) == 1:
            return *_unscored(1, self._labels), 0
        halves = [self._halving(batch.take(rows)) for rows in np.array_split(np.arange(len(batch)), 2)]
        return *_joined([half[:2] for half in halves]), max(half[2] for half in halves)

    def _most_rows(self, batch: TokenSequences) -> int:
        """How many rows of this batch's length stay below the size that failed; 1 at least, and all if none did."""
        with self._lock:
            if _padded_size(batch) < self._too_large:
                return len(batch)
            longest = max(int(batch.lengths.max()), 1)
            return max(int((self._too_large - 1) // longest), 1)


def _smallest_failed(size: int, fitted: int) -> int:
    """Of a batch of `size`, that of its halves, their halves and so on, and none smaller than what `fitted`."""
    while size // 2 > _ALIKE * fitted:
        size //= 2
    return size


def _joined(
    parts: list[tuple[NDArray[np.float32], NDArray[np.int8]]],
) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    logits, outcomes = zip(*parts, strict=True)
    return np.concatenate(logits), np.concatenate(outcomes)


def _padded_size(batch: TokenSequences) -> int:
    """Tokens of `batch` after padding."""
    return len(batch) * int(batch.lengths.max(initial=0))


def _unscored(rows: int, labels: int) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    return np.zeros((rows, labels), np.float32), np.full(rows, Outcome.OUT_OF_MEMORY, np.int8)
