"""Additions in the background: their order, what a look-up waits for, and where their errors arrive."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import pytest

from scorer.errors import StorageError
from scorer.runs.background_store import BackgroundStore
from scorer.runs.score_store import ScoreStore
from tests.runs.test_score_store import WIDTH, key, records


class SlowStore:
    """Stands for a store: an addition lasts until `gate` lets it end, and fails with `error` if there is one."""

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.error: StorageError | None = None
        self.events: list[str] = []

    def add(self, _keys, _records, origin):
        self.events.append(f"begin {origin}")
        assert self.gate.acquire(timeout=10)
        if self.error is not None:
            raise self.error
        self.events.append(f"end {origin}")

    def look_up(self, _keys):
        self.events.append("look up")


@pytest.fixture
def slow():
    return SlowStore()


@pytest.fixture
def background(slow):
    with closing(BackgroundStore(slow)) as background:
        yield background


def wait_until_idle(background):
    while not background.is_idle():
        time.sleep(0.001)


def test_additions_are_made_one_after_the_other_and_a_look_up_after_all(slow, background):
    assert background.is_idle()
    background.add([], records(), 1)
    assert not background.is_idle()
    slow.gate.release(3)
    background.add([], records(), 2)
    background.add([], records(), 3)
    background.look_up([])
    assert background.is_idle()
    assert slow.events == ["begin 1", "end 1", "begin 2", "end 2", "begin 3", "end 3", "look up"]


def test_what_was_added_is_found_and_durable_when_that_is_finished(tmp_path):
    path, keys = tmp_path / "scores.sqlite", [key(number) for number in range(20)]
    with closing(ScoreStore(path, width=WIDTH)) as store, closing(BackgroundStore(store)) as background:
        for number in range(19):
            background.add([keys[number]], records(number), number)
        assert background.look_up(keys[:19]).origins.tolist() == list(range(19))
        background.add([keys[19]], records(19), 19)
        background.finish()
        with closing(ScoreStore(path, width=WIDTH)) as other:
            assert other.look_up(keys).records.tolist() == records(*range(20)).tolist()


@pytest.mark.parametrize(
    "call",
    [
        lambda background: background.look_up([]),
        lambda background: background.add([], records(), 2),
        lambda background: background.finish(),
        wait_until_idle,
    ],
    ids=["look up", "add", "finish", "is idle"],
)
def test_what_an_addition_failed_with_is_raised_by_the_next_call(slow, background, call):
    slow.error = StorageError("scores.sqlite: no room")
    slow.gate.release()
    background.add([], records(), 1)
    with pytest.raises(StorageError) as raised:
        call(background)
    assert raised.value is slow.error
    assert slow.events == ["begin 1"]


@pytest.mark.parametrize("error", [None, StorageError("scores.sqlite: no room")])
def test_closing_waits_for_the_addition_under_way_and_leaves_no_thread(slow, error):
    before = set(threading.enumerate())
    background, slow.error = BackgroundStore(slow), error
    background.add([], records(), 1)
    release = threading.Timer(0.05, slow.gate.release)
    release.start()
    background.close()
    release.join()
    assert slow.events == (["begin 1", "end 1"] if error is None else ["begin 1"])
    assert set(threading.enumerate()) <= before
