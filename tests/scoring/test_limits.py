"""Which outputs `--max-flagged` and `--min-rows` let pass."""

from __future__ import annotations

import pytest

from scorer.config import ScoreConfig
from scorer.errors import DataError, UsageError
from scorer.scoring.limits import Limits


def limits(**options):
    return Limits.of(ScoreConfig(source="in", target="out", **options))


@pytest.mark.parametrize(
    ("options", "rows", "flagged", "passes"),
    [
        ({}, 0, 0, True),
        ({}, 10, 10, True),
        ({"max_flagged": "2"}, 10, 2, True),
        ({"max_flagged": "2"}, 10, 3, False),
        ({"max_flagged": "0"}, 10, 0, True),
        ({"max_flagged": "0%"}, 10, 1, False),
        ({"max_flagged": "20%"}, 10, 2, True),
        ({"max_flagged": "19.9%"}, 10, 2, False),
        ({"max_flagged": "29%"}, 100, 29, True),
        ({"max_flagged": "29%"}, 100, 30, False),
        ({"max_flagged": "0.7%"}, 1000, 7, True),
        ({"max_flagged": "100%"}, 10, 10, True),
        ({"min_rows": 10}, 10, 0, True),
        ({"min_rows": 11}, 10, 0, False),
        ({"min_rows": 1}, 0, 0, False),
    ],
)
def test_check(options, rows, flagged, passes):
    if passes:
        limits(**options).check(rows=rows, flagged=flagged)
        return
    with pytest.raises(DataError, match="nothing was published"):
        limits(**options).check(rows=rows, flagged=flagged)


def test_malformed_records_have_no_score_and_are_no_rows():
    limits(max_flagged="50%").check(rows=10, flagged=0, rejected=10)
    with pytest.raises(DataError, match="11 of 21 rows have no score"):
        limits(max_flagged="50%").check(rows=10, flagged=0, rejected=11)
    with pytest.raises(DataError, match="10 rows, and --min-rows asks for 20"):
        limits(min_rows=20).check(rows=10, flagged=0, rejected=10)


def test_what_was_streamed_is_not_said_to_be_unpublished():
    streamed = Limits.of(ScoreConfig(source="in", target="-", min_rows=11))
    with pytest.raises(DataError, match="10 rows, and --min-rows asks for 11; standard output has them already"):
        streamed.check(rows=10, flagged=0)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "101%", "%", "5 %", "many", "1e3"])
def test_what_is_no_limit(text):
    with pytest.raises(UsageError, match="--max-flagged"):
        limits(max_flagged=text)
