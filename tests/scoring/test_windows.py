"""How much is read, tokenized and scored together."""

from __future__ import annotations

import pytest

from scorer.scoring.windows import window_rows


@pytest.mark.parametrize(
    ("asked", "labels", "rows"),
    [(65_536, 2, 65_536), (65_536, 128, 65_536), (65_536, 1000, 8_388), (25, 1000, 25), (65_536, 0, 65_536)],
)
def test_a_window_of_many_labels_has_fewer_rows(asked, labels, rows):
    assert window_rows(asked, labels=labels) == rows
