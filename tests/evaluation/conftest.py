"""What tests of evaluations share: one fitted model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import TinyModel
from tests.training.fits import run as fit
from tests.training.fits import write_reviews


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory, tiny_model: TinyModel) -> Path:
    """A folder with `train.csv` and the model `model` fitted on it, which tells the moods of `write_reviews`."""
    folder = tmp_path_factory.mktemp("fitted")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        fit(write_reviews(folder / "train.csv"), tiny_model("bert"), output=folder / "model")
    return folder
