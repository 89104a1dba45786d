"""What a fit warns of before it begins, and what it advises: nothing that would be refused or is done already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scorer.config import FitConfig
from scorer.training.data import truncation_warnings

LARGER = "make it larger (scorer check suggests a length)"
WHOLE = "read them whole with --long-text window"
OTHER = "choose a base model with more positions, by --base-model"


@pytest.mark.parametrize(
    ("options", "positions", "pairs", "advice"),
    [
        ({}, 512, False, f"{LARGER}, or {WHOLE}"),
        ({}, None, True, LARGER),
        ({"max_length": 512}, 512, False, WHOLE),
        ({"max_length": 512}, 512, True, OTHER),
        ({"long_text": "head-tail"}, 512, False, f"{LARGER}, or {WHOLE}"),
        ({"long_text": "window"}, 512, False, LARGER),
    ],
)
def test_advice_about_texts_that_are_cut_off(
    options: dict[str, Any], positions: int | None, pairs: bool, advice: str
) -> None:
    config = FitConfig(train=Path("a.csv"), **options)
    (line,) = truncation_warnings(0.25, config, positions=positions, pairs=pairs)
    assert line == f"a.csv: 25.0 % of the texts are longer than --max-length {config.max_length} and cut off; {advice}"
    assert truncation_warnings(0.05, config, positions=positions, pairs=pairs) == []
