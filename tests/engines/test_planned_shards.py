"""What is scored together: full windows for one worker, enough shards for several, an interrupted run's plan again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from scorer.engines.planned_shards import PlannedShard, shards_of

WINDOW = 65_536


def stale(*sizes: int, job: str = "job") -> list[Any]:
    """Parts to be made of files of so many bytes."""
    made_by = SimpleNamespace(fingerprint=job)
    files = [(SimpleNamespace(name=f"{number:03}"), size) for number, size in enumerate(sizes)]
    return [
        SimpleNamespace(file=file, identity=f"content of {file.name}", job=made_by, size=size) for file, size in files
    ]


def names(shards: list[PlannedShard]) -> list[list[str]]:
    return [[name for name, _ in shard.parts] for shard in shards]


@pytest.mark.parametrize(
    ("sizes", "alone", "divided"),
    [
        ([10_000] * 100, 1, 34),  # three of them have 32 KiB
        ([1_000_000] * 100, 7, 34),
        ([100] * 100, 1, 1),  # too little for a second worker
        ([2_000_000] * 20, 3, 20),
        ([500_000_000] * 3, 3, 3),
    ],
)
def test_several_workers_all_have_shards(sizes, alone, divided):
    found = [shards_of(stale(*sizes), earlier=[], window_rows=WINDOW, divided=several) for several in (False, True)]
    assert [len(shards) for shards in found] == [alone, divided]
    for shards in found:
        assert [name for group in names(shards) for name in group] == [f"{number:03}" for number in range(len(sizes))]


@pytest.mark.parametrize("divided", [False, True])
def test_what_is_large_is_made_apart_whatever_is_beside_it(divided):
    files = stale(100, 200, 9_000, 300, 20_000, 400, 9_000, 9_000, 500)
    large = [one for one in files if one.size == 9_000]
    shards = shards_of(files, earlier=[], window_rows=WINDOW, apart=lambda one: one in large, divided=divided)
    assert names(shards) == [["000", "001"], ["002"], ["003", "004", "005"], ["006"], ["007"], ["008"]]
    assert [shard.apart for shard in shards] == [False, True, False, True, True, False]
    (alone,) = shards_of(files[:1], earlier=[], window_rows=WINDOW, apart=lambda one: one in large, divided=divided)
    assert not alone.apart


def test_an_earlier_plan_is_kept_as_far_as_it_is_whole_and_of_the_same_jobs():
    earlier = [[("003", "job"), ("004", "job")], [("001", "job"), ("gone", "job")], [("005", "another")]]
    shards = shards_of(stale(*[10_000] * 6), earlier=earlier, window_rows=WINDOW, divided=True)
    assert names(shards) == [["003", "004"], ["000", "001", "002"], ["005"]]
    shards = shards_of(stale(*[10_000] * 6, job="another"), earlier=earlier, window_rows=WINDOW)
    assert names(shards) == [["005"], ["000", "001", "002", "003", "004"]]


def test_what_has_become_large_leaves_its_earlier_group():
    files = stale(*[10_000] * 3)
    earlier = [[(one.file.name, "job") for one in files]]
    shards = shards_of(files, earlier=earlier, window_rows=WINDOW, apart=lambda one: one.file.name == "001")
    assert names(shards) == [["000"], ["001"], ["002"]]
    assert [shard.apart for shard in shards] == [False, True, False]
