"""A model directory to spoil, and a file that only code of such a directory would create."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def model(tiny_model, tmp_path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(tiny_model("bert"), tmp_path / "model"))


@pytest.fixture
def canary(tmp_path) -> Path:
    return tmp_path / "executed"
