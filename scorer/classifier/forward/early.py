"""A packed pass that rows may leave behind a layer: what is left of a batch goes on with what is left of others.

Whether a row leaves is not decided here, but by whoever looks at its hidden states.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scorer.classifier.device import memory_errors
from scorer.classifier.forward import DeviceOutOfMemory
from scorer.classifier.forward.attention import PaddedShape
from scorer.classifier.forward.packed import PackedForward
from scorer.classifier.forward.resilient import Outcome, ResilientForward
from scorer.classifier.sequences import TokenSequences

WHOLE = -1
"""In place of the number of layers: all of the model."""

_CPU = torch.device("cpu")


class Look(Protocol):
    """Looks at rows behind some of the `layers`, which are counted from 1; 0 is before the first one."""

    @property
    def layers(self) -> Sequence[int]: ...

    def __call__(self, layer: int, states: Tensor) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Logits (n, labels) of rows by their `states` (n, hidden) fp32 behind the `layer`, and which of them leave
        (n,)."""
        ...


@dataclass(frozen=True)
class _Some:
    """Some `rows` (n,) of a batch, with their `lengths` (n,) and hidden states (n, longest, hidden)."""

    rows: NDArray[np.int64]
    lengths: NDArray[np.int64]
    hidden: Tensor

    @property
    def shape(self) -> PaddedShape:
        return PaddedShape.of(self.lengths, device=_CPU)

    def take(self, places: NDArray[np.int64]) -> _Some:
        lengths = self.lengths[places]
        hidden = self.hidden.index_select(0, torch.from_numpy(places))
        return _Some(self.rows[places], lengths, hidden[:, : int(lengths.max(initial=0))].contiguous())


class EarlyForward:
    """`packed` on a CPU, in batches of at most `budget` tokens. What has no room in memory, or comes to numbers that
    are not finite, is computed by the `whole` model."""

    def __init__(self, packed: PackedForward, whole: ResilientForward, *, budget: int) -> None:
        self._packed = packed
        self._whole = whole
        self._budget = budget

    @property
    def layers(self) -> int:
        """How many layers a row can leave behind; it can leave before the first one, too."""
        return len(self._packed.layers)

    def states(
        self, batch: TokenSequences, layers: Sequence[int]
    ) -> tuple[NDArray[np.float32], NDArray[np.int8], NDArray[np.float32]]:
        """Logits (n, labels) and `Outcome`s (n,) of the whole model, and the states (layers, n, hidden) behind the
        `layers`, which are NaN where there is no room for them."""
        try:
            logits, states = self._states(batch, layers)
        except DeviceOutOfMemory:
            return *self._whole(batch), np.full((len(layers), len(batch), self._packed.width), np.nan, np.float32)
        return *self._whole.checked(batch, logits, _scored(batch)), states

    def __call__(
        self, batch: TokenSequences, plan: Sequence[NDArray[np.int64]], look: Look
    ) -> tuple[NDArray[np.float32], NDArray[np.int8], NDArray[np.int8]]:
        """Logits (n, labels) and `Outcome`s (n,) of the sequences of a `batch`, which begins in the pieces of `plan`,
        longest first; and behind how many layers each left (n,), -1 where the whole model was computed."""
        try:
            logits, left = self._leaving(batch, plan, look)
        except DeviceOutOfMemory:
            return *self._whole(batch), np.full(len(batch), WHOLE, np.int8)
        logits, outcomes = self._whole.checked(batch, logits, _scored(batch))
        return logits, outcomes, left

    @torch.inference_mode()
    def _states(self, batch: TokenSequences, layers: Sequence[int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        with memory_errors():
            hidden, shape = self._packed.begin(batch)
            found = []
            for number in range(self.layers + 1):
                if number:
                    hidden = self._packed.layers[number - 1](hidden, shape)
                if number in layers:
                    found.append(_states(hidden.view(shape.rows, shape.length, -1), shape).numpy())
            return self._packed.finish(hidden, shape).numpy(), np.stack(found)

    @torch.inference_mode()
    def _leaving(
        self, batch: TokenSequences, plan: Sequence[NDArray[np.int64]], look: Look
    ) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        left = np.full(len(batch), WHOLE, np.int8)
        logits: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
        with memory_errors():
            held = [self._begun(batch, rows) for rows in plan]
            for number in range(self.layers + 1):
                if number:
                    held = [self._behind(number, some) for some in held]
                if number not in look.layers:
                    continue
                staying = []
                for some in held:
                    said, leaves = look(number, _states(some.hidden, some.shape))
                    logits.append((some.rows[leaves], said[leaves]))
                    left[some.rows[leaves]] = number
                    staying.append(some.take(np.flatnonzero(~leaves)) if leaves.any() else some)
                held = list(_together(staying, budget=self._budget))
            for some in held:
                logits.append((some.rows, self._packed.finish(some.hidden.flatten(0, 1), some.shape).numpy()))
        return _in_order(logits, len(batch)), left

    def _begun(self, batch: TokenSequences, rows: NDArray[np.int64]) -> _Some:
        piece = batch.take(rows)
        hidden, shape = self._packed.begin(piece)
        return _Some(rows, piece.lengths, hidden.view(shape.rows, shape.length, -1))

    def _behind(self, layer: int, some: _Some) -> _Some:
        hidden = self._packed.layers[layer - 1](some.hidden.flatten(0, 1), some.shape)
        return replace(some, hidden=hidden.view(some.hidden.shape))


def _states(hidden: Tensor, shape: PaddedShape) -> Tensor:
    """The mean (n, hidden) fp32 of the hidden states (n, longest, hidden) of each row's tokens."""
    weights = hidden.new_ones(shape.rows, 1, shape.length)
    if shape.mask is not None:
        weights[..., shape.shortest :] = shape.mask.squeeze(1)
    counts = weights.float().sum(dim=-1)
    return torch.bmm(weights, hidden).squeeze(1).float() / counts


def _together(pieces: Sequence[_Some], *, budget: int) -> Iterator[_Some]:
    """The rows of all `pieces`, those of neighbours together as long as they have at most `budget` tokens."""
    held: list[_Some] = []
    for piece in pieces:
        if not len(piece.rows):
            continue
        if held and _tokens([*held, piece]) > budget:
            yield _joined(held)
            held = []
        held.append(piece)
    if held:
        yield _joined(held)


def _tokens(pieces: Sequence[_Some]) -> int:
    """After padding."""
    return sum(len(piece.rows) for piece in pieces) * max(int(piece.lengths.max()) for piece in pieces)


def _joined(pieces: Sequence[_Some]) -> _Some:
    if len(pieces) == 1:
        return pieces[0]
    rows = np.concatenate([piece.rows for piece in pieces])
    first = pieces[0].hidden
    hidden = first.new_zeros(len(rows), max(piece.hidden.shape[1] for piece in pieces), first.shape[2])
    begin = 0
    for piece in pieces:
        end = begin + len(piece.rows)
        hidden[begin:end, : piece.hidden.shape[1]] = piece.hidden
        begin = end
    return _Some(rows, np.concatenate([piece.lengths for piece in pieces]), hidden)


def _in_order(parts: Sequence[tuple[NDArray[np.int64], NDArray[np.float32]]], rows: int) -> NDArray[np.float32]:
    logits = np.zeros((rows, parts[0][1].shape[1]), np.float32)
    for places, found in parts:
        logits[places] = found
    return logits


def _scored(batch: TokenSequences) -> NDArray[np.int8]:
    return np.full(len(batch), Outcome.SCORED, np.int8)
