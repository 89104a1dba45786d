"""What an adaptation came to."""

from __future__ import annotations

from dataclasses import dataclass

from scorer.adapting.packing import Packed
from scorer.metrics.masked import MaskedFigures
from scorer.stores.location import Location


@dataclass(frozen=True)
class Adapted:
    """The outcome; `before` and `after` are of the same hidden tokens. `new_head` says that the base model had no head
    that fills in tokens, so that `before` is that of one that nobody had trained. `peak_memory` in bytes."""

    output: Location
    base_model: str
    device: str
    precision: str
    packed: Packed
    steps: int
    planned_steps: int
    kept_step: int
    epochs: float
    before: MaskedFigures
    after: MaskedFigures
    new_head: bool
    new_tokens: int
    vocabulary: int
    parameters: int
    peak_memory: int
    threads: int
