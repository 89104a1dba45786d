"""One exported model for all tests of the room."""

from __future__ import annotations

import pytest

from tests.evaluation.fitted import make_fitted
from tests.exporting.kinds import Export, exported


@pytest.fixture(scope="session")
def onnx_export(tmp_path_factory: pytest.TempPathFactory) -> Export:
    """A fitted model with three labels, in fp32."""
    folder = tmp_path_factory.mktemp("export")
    return exported(make_fitted(folder / "reviews", ("bad", "fair", "good")), folder / "onnx")
