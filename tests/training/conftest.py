"""What tests of fits share."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def _frozen_imports() -> Iterator[None]:
    """Every fit collects garbage, which takes most of a tiny one while it looks through all of transformers."""
    import scorer.training.fitting  # noqa: F401

    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fit moves models/latest of the folder that it runs in."""
    monkeypatch.chdir(tmp_path)
