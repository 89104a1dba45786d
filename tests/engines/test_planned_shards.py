"""What is scored together: full windows for one worker, enough shards for several, an interrupted run's plan again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from scorer.engines.planned_shards import shards_of

WINDOW = 65_536


def stale(*sizes: int) -> list[Any]:
    """Parts to be made of files of so many bytes."""
    job = SimpleNamespace(fingerprint="job")
    files = [SimpleNamespace(name=f"{number:03}", size=size) for number, size in enumerate(sizes)]
    return [SimpleNamespace(file=file, identity=f"content of {file.name}", job=job) for file in files]


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
        assert [name for shard in shards for name in shard.names] == [f"{number:03}" for number in range(len(sizes))]


def test_what_may_have_enough_rows_to_leave_early_is_alone():
    sizes = [100, 200, 64_001, 300, 64_000, 400, 64_001, 64_001, 500]
    shards = shards_of(stale(*sizes), earlier=[], window_rows=WINDOW, alone_rows=4_000)
    assert [shard.names for shard in shards] == [
        *(["000", "001"], ["002"], ["003", "004", "005"]),
        *(["006"], ["007"], ["008"]),
    ]


def test_an_earlier_plan_is_kept_as_far_as_it_is_whole():
    earlier = [["003", "004"], ["001", "gone"]]
    shards = shards_of(stale(*[10_000] * 6), earlier=earlier, window_rows=WINDOW, divided=True)
    assert [shard.names for shard in shards] == [["003", "004"], ["000", "001", "002"], ["005"]]
