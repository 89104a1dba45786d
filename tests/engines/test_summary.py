"""The tally of a run: what it must not let pass."""

from __future__ import annotations

from collections import Counter

import pytest

from scorer.engines.summary import Tally
from scorer.errors import ScorerError


def test_rows_without_a_score_are_flagged():
    assert Tally(rows=10, statuses=Counter(ok=5, truncated=2, null=2, oom=1)).flagged == 3


@pytest.mark.parametrize(("read", "written", "counted"), [(3, 2, 2), (2, 3, 2), (2, 2, 3), (3, 3, 2)])
def test_rows_that_do_not_add_up_are_a_bug_and_no_output(read, written, counted):
    tally = Tally(rows_read=read, rows=written, statuses=Counter(ok=counted))
    with pytest.raises(ScorerError, match="nothing was published") as caught:
        tally.check()
    assert caught.value.exit_code == 70
    Tally(rows_read=read, rows=read, statuses=Counter(ok=read)).check()
