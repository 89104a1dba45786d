"""How much is read, tokenized and scored together, and what it comes to."""

from __future__ import annotations

from collections import Counter

import pytest

from scorer.errors import ScorerError
from scorer.scoring.windows import RowCounts, window_rows


@pytest.mark.parametrize(
    ("asked", "labels", "rows"),
    [(65_536, 2, 65_536), (65_536, 128, 65_536), (65_536, 1000, 8_388), (25, 1000, 25), (65_536, 0, 65_536)],
)
def test_a_window_of_many_labels_has_fewer_rows(asked, labels, rows):
    assert window_rows(asked, labels=labels) == rows


@pytest.mark.parametrize(("read", "written", "counted"), [(3, 2, 2), (2, 3, 2), (2, 2, 3), (3, 3, 2)])
def test_rows_that_do_not_add_up_are_a_bug_and_no_output(read, written, counted):
    counts = RowCounts(rows_read=read, rows=written, statuses=Counter(ok=counted))
    with pytest.raises(ScorerError, match="nothing was published") as caught:
        counts.check()
    assert caught.value.exit_code == 70
    RowCounts(rows_read=read, rows=read, statuses=Counter(ok=read)).check()
