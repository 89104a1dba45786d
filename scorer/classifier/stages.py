"""What can decide a row: the whole model, or what it leaves behind."""

from __future__ import annotations

from typing import Final

WHOLE_MODEL: Final = 0
"""The stage of rows that the whole model has decided."""


def stage_names(layers: int) -> tuple[str, ...]:
    """The stages of a model with so many `layers` that a row can leave behind, the whole model first."""
    return ("full", "embeddings", *(f"layer_{number}" for number in range(1, layers + 1)))
