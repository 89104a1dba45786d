"""How logits are computed: what `auto` was resolved to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Engine:
    """How logits are computed: what `auto` was resolved to, and the reason for the backend.

    `workers` batches of at most `batch_tokens` tokens are computed at once. `libraries` are those whose version can
    change a logit; the backend declares them.
    """

    device: str
    precision: str
    backend: str
    reason: str
    workers: int
    batch_tokens: int
    max_length: int
    libraries: tuple[str, ...] = ("torch", "transformers")
