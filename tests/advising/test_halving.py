"""Who stays: the better half of each round, on more rows, within the time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorer.advising.halving import FEWEST_ROWS, Cost, Worth, halve, rows_within, rungs_of


class Trials:
    """Ways that are worth as much as they are called, and a clock that trials move on."""

    def __init__(self, worth: dict[str, float], costs: dict[str, Cost], error: float = 0.0) -> None:
        self.worth, self.costs, self.error = worth, costs, error
        self.now = 0.0
        self.tried: list[tuple[str, int]] = []
        self.fail()

    def attempt(self, way: str, rows: int) -> Worth | None:
        self.now += self.costs[way].of(rows)
        self.tried.append((way, rows))
        if way in self.failing and rows > self.enough:
            return None
        return Worth(self.worth[way], self.error)

    def fail(self, *ways: str, rows: int = 0) -> None:
        """From now on `ways` cannot be tried on more than so many rows."""
        self.failing, self.enough = ways, rows

    def run(self, *, seconds: float, available: int) -> list[str]:
        found = halve(
            list(self.worth), self.costs, self.attempt, seconds=seconds, available=available, clock=lambda: self.now
        )
        return [standing.way for standing in found]


def test_the_better_half_is_tried_on_more_rows():
    worth = {"a": 0.6, "b": 0.9, "c": 0.7, "d": 0.8, "e": 0.5}
    trials = Trials(worth, {way: Cost(1.0, 0.01) for way in worth})
    assert trials.run(seconds=120.0, available=10**6)[:3] == ["b", "d", "c"]
    rows = [rows for _, rows in trials.tried]
    assert [way for way, _ in trials.tried] == ["a", "b", "c", "d", "e", "b", "c", "d", "b", "d"]
    assert rows == sorted(rows)
    assert rows[0] < rows[5] < rows[-1]
    assert trials.now == pytest.approx(120.0, rel=0.02)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=9),
    st.floats(0.0, 5.0),
    st.floats(0.0001, 0.1),
    st.floats(1.0, 600.0),
    st.integers(1, 5_000),
)
def test_the_best_comes_first_and_the_time_is_kept(worth, fixed, a_row, seconds, available):
    ways = {str(number): value for number, value in enumerate(worth)}
    trials = Trials(ways, dict.fromkeys(ways, Cost(fixed, a_row)))
    found = trials.run(seconds=seconds, available=available)
    assert sorted(found) == sorted(ways)
    assert ways[found[0]] == max(worth), "trials that tell the truth find the best"
    fewest = len(ways) * Cost(fixed, a_row).of(min(FEWEST_ROWS, available))
    assert trials.now <= max(seconds, 2 * fewest) + fewest
    assert all(rows <= available for _, rows in trials.tried)


def test_of_ways_that_chance_may_tell_apart_the_first_named_stays():
    worth = {"a": 0.50, "b": 0.52, "c": 0.53, "d": 0.60}
    costs = dict.fromkeys(worth, Cost(1.0, 0.01))
    assert Trials(worth, costs, error=0.01).run(seconds=60.0, available=10**6) == ["d", "c", "b", "a"]
    assert Trials(worth, costs, error=0.09).run(seconds=60.0, available=10**6)[:2] == ["b", "d"]
    assert Trials(worth, costs, error=0.20).run(seconds=60.0, available=10**6) == ["a", "d", "b", "c"]


def test_no_round_is_made_again_on_the_same_rows():
    trials = Trials({"a": 0.5, "b": 0.6, "c": 0.7}, dict.fromkeys("abc", Cost(0.0, 0.001)))
    assert trials.run(seconds=600.0, available=100)[0] == "c"
    assert len(trials.tried) == 3


def test_a_way_that_cannot_be_tried_is_out():
    worth = {"a": 0.9, "b": 0.6, "c": 0.7, "d": 0.8}
    trials = Trials(worth, dict.fromkeys(worth, Cost(0.0, 0.01)))
    trials.fail("a")
    assert trials.run(seconds=60.0, available=10**6) == ["d", "c", "b"]
    assert [way for way, _ in trials.tried] == ["a", "b", "c", "d", "c", "d"]


def test_a_way_that_fails_on_more_rows_is_out_and_others_stand_as_they_did():
    worth = {"a": 0.9, "b": 0.6, "c": 0.7, "d": 0.8}
    trials = Trials(worth, dict.fromkeys(worth, Cost(0.0, 0.01)))
    trials.fail("a", "d", rows=2_000)
    assert trials.run(seconds=120.0, available=10**6) == ["c", "b"]
    assert [rows > 2_000 for _, rows in trials.tried] == [False] * 4 + [True] * 2


def test_where_one_is_left_it_is_not_tried_again_and_where_none_is_there_is_none():
    worth = {"a": 0.9, "b": 0.6, "c": 0.7, "d": 0.8}
    trials = Trials(worth, dict.fromkeys(worth, Cost(0.0, 0.01)))
    trials.fail("a", "b", "c")
    assert trials.run(seconds=60.0, available=10**6) == ["d"]
    assert len(trials.tried) == 4
    trials.fail(*worth)
    assert trials.run(seconds=60.0, available=10**6) == []


def test_rounds_and_rows():
    assert [rungs_of(ways) for ways in (1, 2, 3, 4, 5, 8)] == [1, 1, 2, 2, 3, 3]
    assert rows_within(10.0, [Cost(1.0, 0.01), Cost(1.0, 0.03)], available=1000) == 200
    assert rows_within(1.0, [Cost(5.0, 0.01)], available=1000) == FEWEST_ROWS
    assert rows_within(100.0, [Cost(0.0, 0.01)], available=10) == 10
