"""The day of a run in paths, and the days between two."""

from __future__ import annotations

from datetime import date

import pytest

from scorer.automation.dates import days_between, filled, parse_day
from scorer.errors import ConfigError, UsageError

DAY = date(2026, 3, 31)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("in/day={date}/", "in/day=2026-03-31/"),
        ("{date:%Y/%m/%d}", "2026/03/31"),
        ("{date-1d} {date+1d} {date-1w} {date-13w}", "2026-03-30 2026-04-01 2026-03-24 2025-12-30"),
        ("{date-1m:%Y-%m} {date-1m} {date+1m}", "2026-02 2026-02-28 2026-04-30"),
        ("{date-2y} {date-13m}", "2024-03-31 2025-02-28"),
        ("{date:%G-W%V} {date:%j} {date:100%%}", "2026-W14 090 100%"),
        ("{{date}} {date}}}", "{date} 2026-03-31}"),
        ("plain*.csv", "plain*.csv"),
        ("", ""),
    ],
)
def test_the_day_is_filled_in(text, meant):
    assert filled(text, DAY, where="here") == meant


def test_lists_are_filled_in_and_other_values_stay():
    assert filled(["{date}", "x", 3], DAY, where="here") == ["2026-03-31", "x", 3]
    assert filled(3, DAY, where="here") == 3
    assert filled(True, DAY, where="here") is True


def test_the_leap_day_has_its_place():
    assert filled("{date+1y} {date-1d}", date(2028, 2, 29), where="here") == "2029-02-28 2028-02-28"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{dat}", "{dat} means nothing; did you mean {date}"),
        ("{date - 1d}", "means nothing"),
        ("{date-1}", "means nothing"),
        ("{date-1h}", "means nothing"),
        ("{}", "{} means nothing"),
        ("a{date", "{ means nothing"),
        ("a}", "} means nothing"),
        ("{date:}", "means nothing"),
        ("{date:%H}", "%H tells nothing of a day"),
        ("{date:%}", "tells nothing of a day"),
        ("{date-9999y}", "no such day"),
        ("{date+9999y}", "no such day"),
    ],
)
def test_what_means_nothing_is_refused(text, complaint):
    with pytest.raises(ConfigError) as raised:
        filled(text, DAY, where="here")
    assert str(raised.value).startswith("here: ")
    assert complaint in str(raised.value)


def test_days_are_counted_with_both_ends():
    found = list(days_between(date(2026, 2, 27), date(2026, 3, 1)))
    assert [str(day) for day in found] == ["2026-02-27", "2026-02-28", "2026-03-01"]
    assert list(days_between(DAY, DAY)) == [DAY]


@pytest.mark.parametrize("text", ["31.3.2026", "2026-02-30", "yesterday", ""])
def test_what_is_no_day_is_a_usage_error(text):
    with pytest.raises(UsageError, match="no day; say it as 2026-03-31"):
        parse_day(text, flag="--date")
    assert parse_day("2026-03-31", flag="--date") == DAY
