"""What a model directory must not get away with, and how its refusal looks."""

from __future__ import annotations

from pathlib import Path

import pytest

from scorer.classifier.classifier import Classifier
from scorer.classifier.directory import open_model
from scorer.errors import ModelError


class Canary:
    """Unpickling it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def refused(model: Path, match: str) -> None:
    """Assert that `model` cannot be opened and used, and that the reason is one line that matches."""
    with pytest.raises(ModelError, match=match) as raised:
        Classifier(open_model(str(model))).encode(["good room"])
    assert raised.value.exit_code == 78
    assert "\n" not in str(raised.value)
