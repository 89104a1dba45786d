"""What tests of evaluations share: one model that looks fitted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.evaluation.fitted import make_fitted


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the labels 1 and 5."""
    return make_fitted(tmp_path_factory.mktemp("fitted") / "model", ("1", "5"))
