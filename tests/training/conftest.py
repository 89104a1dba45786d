"""What tests of fits share."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _frozen_imports() -> Iterator[None]:
    """Every fit collects garbage, which takes most of a tiny one while it looks through all of transformers."""
    import scorer.training.fitting  # noqa: F401

    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
