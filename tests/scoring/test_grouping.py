"""Rows by the values of a column, against counts in plain Python."""

from __future__ import annotations

import datetime
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from scorer.errors import UsageError
from scorer.reports.outcome import Breakdown
from scorer.scoring.grouping import Scored, most_values
from scorer.scoring.grouping_by_time import grouping_of, time_column
from tests.tables.views import categories

LABELS = 3
DAY = datetime.date(2026, 3, 1)


def scored(rows: int, seed: int = 0) -> Scored:
    """Rows of which some have no score, and the others one label each."""
    draw = np.random.default_rng(seed)
    has = draw.random(rows) < 0.9
    row = np.flatnonzero(has)
    return Scored(has, row, draw.integers(0, LABELS, len(row)), draw.random(len(row)))


def grouped(column: pa.Array, found: Scored, *, window: int = 1000) -> Breakdown:
    """The `column`, looked at in windows."""
    whole = pa.chunked_array([column])
    grouping = grouping_of("when", column.type, whole[:window], where="in.csv")
    for begin in range(0, len(column), window):
        inside = (found.row >= begin) & (found.row < begin + window)
        part = Scored(
            found.scored[begin : begin + window], found.row[inside] - begin, found.code[inside], found.value[inside]
        )
        grouping.add(whole[begin : begin + window], part, labels=LABELS)
    return grouping.breakdown(labels=LABELS)


def counted(keys: list[Any], found: Scored) -> dict[Any, tuple[int, int, list[int], float]]:
    """Rows, scored rows, rows by label and the mean value of each key, the slow way."""
    label = dict(zip(found.row.tolist(), found.code.tolist(), strict=True))
    value = dict(zip(found.row.tolist(), found.value.tolist(), strict=True))
    result = {}
    for key in dict.fromkeys(keys):
        rows = [row for row, other in enumerate(keys) if other == key]
        given = [row for row in rows if found.scored[row]]
        labels = Counter(label[row] for row in given)
        mean = sum(value[row] for row in given) / len(given) if given else 0.0
        result[key] = (len(rows), len(given), [labels[code] for code in range(LABELS)], mean)
    return result


def figures(found: Breakdown) -> dict[str, tuple[int, int, list[int], float]]:
    return {
        group.name: (group.rows, group.scored, list(group.counts), pytest.approx(group.mean or 0.0))
        for group in found.groups
    }


@pytest.mark.parametrize("window", [7, 1000])
def test_texts_are_counted_one_by_one(window: int) -> None:
    draw, found = np.random.default_rng(1), scored(500)
    values = draw.choice(["Berlin", "上海", "", "<b>"], 500).tolist()
    values[3] = None
    expected = counted(["no value" if value is None else value for value in values], found)
    for column in (pa.array(values), pa.array(values).dictionary_encode()):
        result = grouped(column, found, window=window)
        assert result.kind == "category"
        assert figures(result) == expected
        assert [group.rows for group in result.groups] == sorted((rows for rows, *_ in expected.values()), reverse=True)


def test_rare_values_share_a_group() -> None:
    values = [f"name {i % 40}" for i in range(400)] + ["often"] * 50
    result = grouped(pa.array(values), scored(450))
    assert result.groups[0].name == "often"
    assert (len(result.groups), result.groups[-1].name, result.groups[-1].rows) == (21, "all others", 210)
    assert sum(group.rows for group in result.groups) == 450


def test_more_values_than_memory_should_hold() -> None:
    rows = most_values(LABELS) + 500
    result = grouped(pa.array([f"{i:09d}" * 100 for i in range(rows)]), scored(rows), window=4096)
    assert sum(group.rows for group in result.groups) == rows
    assert "more than 10,000 values" in result.notes[0]
    assert most_values(1_000_000) == 100


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.decimal128(22, 2)])
def test_few_numbers_stand_alone(kind: pa.DataType) -> None:
    values, found = [1, 2, 3, None] * 50, scored(200)
    result = grouped(pa.array(values).cast(kind), found)
    assert figures(result) == counted(["no value" if value is None else str(value) for value in values], found)
    assert [group.name for group in result.groups] == ["1", "2", "3", "no value"]


@pytest.mark.parametrize("rows", [3000, 30_000], ids=["all are told apart", "too many to be told apart"])
def test_many_numbers_are_in_ranges_of_about_equally_many_rows(rows: int) -> None:
    draw, found = np.random.default_rng(2), scored(rows)
    values = draw.normal(size=rows) * 1e3
    result = grouped(pa.array(values), found, window=2048)
    assert result.kind == "range"
    sizes = [group.rows for group in result.groups]
    assert (len(sizes), sum(sizes)) == (10, rows)
    assert max(sizes) < 1.2 * rows / 10
    low = float(result.groups[0].name.removeprefix("up to ").replace(",", ""))
    assert sizes[0] == pytest.approx((values <= low).sum(), abs=2)


def times(name: str, first: datetime.datetime, apart: datetime.timedelta, rows: int = 300) -> Any:
    return pytest.param([first + i * apart for i in range(rows)], name, id=name)


@pytest.mark.parametrize(
    ("moments", "unit"),
    [
        times("hour", datetime.datetime(2026, 3, 1, 5), datetime.timedelta(minutes=10)),
        times("day", datetime.datetime(2026, 3, 1), datetime.timedelta(hours=4)),
        times("week", datetime.datetime(2026, 1, 1), datetime.timedelta(days=1)),
        times("month", datetime.datetime(2023, 1, 31), datetime.timedelta(days=4)),
        times("year", datetime.datetime(1990, 7, 1), datetime.timedelta(days=40)),
    ],
)
def test_the_unit_of_time_follows_from_the_span(moments: list[datetime.datetime], unit: str) -> None:
    found = scored(len(moments))
    begin = {
        "hour": lambda moment: moment.strftime("%m-%d %H:00"),
        "day": lambda moment: moment.strftime("%Y-%m-%d"),
        "week": lambda moment: (moment - datetime.timedelta(days=moment.weekday())).strftime("%Y-%m-%d"),
        "month": lambda moment: moment.strftime("%Y-%m"),
        "year": lambda moment: moment.strftime("%Y"),
    }[unit]
    expected = counted([begin(moment) for moment in moments], found)
    texts = pa.array([moment.isoformat() for moment in moments])
    for column in (pa.array(moments, pa.timestamp("us")), pa.array(moments, pa.timestamp("s")), texts):
        result = grouped(column, found, window=64)
        assert (result.kind, result.unit) == ("time", unit)
        assert figures(result) == expected
        assert [group.name for group in result.groups] == sorted(expected)


def test_days_without_a_row_are_there_and_rows_without_a_day_are_told() -> None:
    days = [DAY, None, DAY + datetime.timedelta(days=3)]
    result = grouped(pa.array(days), scored(3))
    assert [group.name for group in result.groups] == [f"2026-03-0{day}" for day in (1, 2, 3, 4)]
    assert [group.rows for group in result.groups] == [1, 0, 0, 1]
    assert result.notes == ["Rows without a time: 1."]


def test_a_few_times_far_from_all_others_do_not_hide_them() -> None:
    days = [DAY + datetime.timedelta(days=i % 30) for i in range(1000)] + [datetime.date(1900, 1, 1)] * 3
    result = grouped(pa.array(days), scored(1003))
    assert (result.unit, len(result.groups)) == ("day", 30)
    assert result.notes == ["Rows left out, since they are far from all others in time: 3."]


def test_times_that_no_calendar_has_are_no_times() -> None:
    numbers = [0, 86_400, 2**60, -(2**60)]
    for kind in (pa.timestamp("s"), pa.timestamp("us")):
        result = grouped(pa.array(numbers, kind), scored(4))
        assert sum(group.rows for group in result.groups) == 2
        assert result.notes == ["Rows without a time: 2."]


def test_so_many_hours_that_days_and_months_are_counted() -> None:
    hours = [datetime.datetime(1800, 1, 1) + datetime.timedelta(hours=13 * i) for i in range(40_000)]
    result = grouped(pa.array(hours, pa.timestamp("us")), scored(len(hours)), window=8192)
    assert result.unit == "year"
    expected = Counter(str(moment.year) for moment in hours)
    assert {group.name: group.rows for group in result.groups} == expected


def test_zoned_times_are_those_of_the_clocks_there() -> None:
    late = datetime.datetime(2026, 3, 1, 20, tzinfo=datetime.UTC)
    column = pa.array([late, late + datetime.timedelta(days=5)], pa.timestamp("us", tz="Asia/Shanghai"))
    result = grouped(column, scored(2))
    assert result.groups[0].name == "2026-03-02", "eight hours ahead"
    assert result.notes == ["Times are those of Asia/Shanghai."]
    unknown = grouped(column.cast(pa.timestamp("us", tz="Nowhere/Land")), scored(2))
    assert unknown.groups[0].name == "2026-03-01"
    assert unknown.notes == ["Times are those of UTC."]


def test_texts_that_are_no_dates_any_more() -> None:
    texts = ["2026-03-01", "2026-03-09 10:30", "soon", "2026-99-99", None]
    grouping = grouping_of("when", pa.string(), pa.chunked_array([texts[:2]]), where="in.csv")
    grouping.add(pa.chunked_array([texts]), scored(5), labels=LABELS)
    result = grouping.breakdown(labels=LABELS)
    assert (result.kind, result.notes) == ("time", ["Rows without a time: 3."])


def test_what_cannot_group_rows_is_refused() -> None:
    column = pa.chunked_array([pa.array([[1], [2]])])
    with pytest.raises(UsageError, match=r"--report-by when: the column of in\.csv is list<item: int64>; name one of"):
        grouping_of("when", column.type, column, where="in.csv")


def test_the_first_column_of_times() -> None:
    days, texts = pa.array([DAY, None]), pa.array(["2026-03-01", None])
    assert time_column(pa.table({"text": texts, "said": texts, "day": days}), besides=["text"]) == "day"
    assert time_column(pa.table({"text": texts, "id": [1, 2], "said": texts}), besides=["text"]) == "said"
    assert time_column(pa.table({"text": texts, "id": [1, 2], "none": pa.nulls(2)}), besides=["text"]) is None
    assert time_column(pa.table({"when": pa.array(["2026-03-01", "soon"])}), besides=[]) is None


def test_bytes_that_are_no_text_are_no_dates() -> None:
    broken = pa.array([b"2026-03-01", b"\xff\xfe"]).view(pa.string())
    assert time_column(pa.table({"when": broken}), besides=[]) is None


@pytest.mark.parametrize("names", [["a", "b", None], ["2026-03-01", "2026-03-02", None]])
def test_categories_of_polars_are_grouped_as_texts(names: list[str | None]) -> None:
    found = scored(90)
    values = [names[row % 3] for row in range(90)]
    expected = grouped(pa.array(values, pa.string()), found, window=40)
    assert figures(grouped(categories(values), found, window=40)) == figures(expected)
    assert len(expected.groups) >= 2
    assert time_column(pa.table({"when": categories(values)}), besides=()) == ("when" if "2026" in str(names) else None)
