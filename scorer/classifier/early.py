"""Batches whose rows may leave a model early: the plan, several batches going on together, work in single threads.

`EarlyForward` computes one of them; here is what whoever scores rows calls.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from scorer.classifier.decision import Decision
from scorer.classifier.exits import Exits, Probe
from scorer.classifier.forward.early import EarlyForward
from scorer.classifier.sequences import EncodedInputs
from scorer.classifier.stages import stage_names
from scorer.classifier.workers import Workers

Item = TypeVar("Item")
Result = TypeVar("Result")

# So many batches of the plan go on together once rows have left them: enough to fill one again where nine of ten left.
_TOGETHER = 8


@dataclass(frozen=True)
class EarlyBatches:
    """`forward` on `workers`; `plan` makes batches of inputs by their lengths, and `decision` answers of logits."""

    forward: EarlyForward
    workers: Workers
    plan: Callable[[NDArray[np.int64]], list[NDArray[np.int64]]]
    decision: Decision

    @property
    def layers(self) -> int:
        """How many layers a row can leave behind; it can leave before the first one, too."""
        return self.forward.layers

    @property
    def stages(self) -> tuple[str, ...]:
        """What can decide a row: the whole model, or what it leaves behind."""
        return stage_names(self.layers)

    def together(self, plan: Sequence[NDArray[np.int64]]) -> list[list[NDArray[np.int64]]]:
        """The batches of a `plan` in groups that go on together."""
        return [list(plan[first : first + _TOGETHER]) for first in range(0, len(plan), _TOGETHER)]

    def states(
        self, inputs: EncodedInputs, plan: Sequence[NDArray[np.int64]], layers: Sequence[int]
    ) -> Generator[tuple[NDArray[np.float32], NDArray[np.int8], NDArray[np.float32]]]:
        """Logits (b, labels) and `Outcome`s (b,) of each batch of `plan` by the whole model, and the states (layers, b,
        hidden) of its rows behind the `layers`."""
        return self.workers.map(lambda rows: self.forward.states(inputs.sequences.take(rows), layers), plan)

    def said(
        self, inputs: EncodedInputs, plan: Sequence[NDArray[np.int64]], probes: Sequence[Probe]
    ) -> Generator[tuple[NDArray[np.float32], NDArray[np.int8], NDArray[np.float32]]]:
        """Logits (b, labels) and `Outcome`s (b,) of each batch of `plan` by the whole model, and the logits (probes, b,
        labels) that each of the `probes` would give its rows, the first before the first layer."""

        def compute(rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.int8], NDArray[np.float32]]:
            logits, outcomes, states = self.forward.states(inputs.sequences.take(rows), range(len(probes)))
            return logits, outcomes, np.stack([one.said(found) for one, found in zip(probes, states, strict=True)])

        return self.workers.map(compute, plan)

    def audited(
        self, inputs: EncodedInputs, plan: Sequence[NDArray[np.int64]], exits: Exits
    ) -> Generator[tuple[NDArray[np.float32], NDArray[np.int8], NDArray[np.float32]]]:
        """Logits (b, labels) and `Outcome`s (b,) of each batch of `plan` by the whole model, and the logits that its
        rows would have had with the `exits`."""

        def compute(rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.int8], NDArray[np.float32]]:
            logits, outcomes, states = self.forward.states(inputs.sequences.take(rows), exits.layers)
            return logits, outcomes, exits.replayed(states, logits)

        return self.workers.map(compute, plan)

    def leaving(
        self, inputs: EncodedInputs, groups: Sequence[Sequence[NDArray[np.int64]]], exits: Exits
    ) -> Generator[tuple[NDArray[np.float32], NDArray[np.int8], NDArray[np.int8]]]:
        """Logits (b, labels) and `Outcome`s (b,) of the rows of each group of batches, one batch behind the other; and
        the stage (b,) int8 that decided each, a place in `stages`."""

        def compute(
            batches: Sequence[NDArray[np.int64]],
        ) -> tuple[NDArray[np.float32], NDArray[np.int8], NDArray[np.int8]]:
            ends = np.cumsum([len(rows) for rows in batches])
            pieces = np.split(np.arange(ends[-1]), ends[:-1])
            logits, outcomes, left = self.forward(inputs.sequences.take(np.concatenate(batches)), pieces, exits)
            return logits, outcomes, left + np.int8(1)

        return self.workers.map(compute, groups)

    def each_alone(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """`work` of each item, several at once but each in a single thread: its last bits do not depend on how many
        threads there are."""
        return list(self.workers.map(work, items))
