"""A score store in the background: the order of additions, who waits for them, and where their errors arrive."""

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

    crowded = False

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

    def another(self):
        return self

    def tidy(self, _stopped):
        self.events.append("tidy")
        return True

    def close(self):
        pass


@pytest.fixture
def slow():
    return SlowStore()


@pytest.fixture
def background(slow):
    with closing(BackgroundStore(slow)) as background:
        yield background


def test_additions_are_made_one_after_the_other_and_two_may_be_under_way(slow, background):
    first = background.add([], records(), 1)
    second = background.add([], records(), 2)
    assert (background.begun, background.durable) == (2, 0)
    release = threading.Timer(0.05, slow.gate.release)
    release.start()
    third = background.add([], records(), 3)
    assert first.done()
    assert not second.done()
    release.join()
    slow.gate.release(2)
    third.result()
    assert (background.begun, background.durable) == (3, 3)
    additions = [event for event in slow.events if event != "tidy"]
    assert additions == ["begin 1", "end 1", "begin 2", "end 2", "begin 3", "end 3"]


def test_what_was_added_is_durable_when_that_is_finished_and_merged_when_it_is_settled(tmp_path):
    path, keys = tmp_path / "scores.f.segments", [key(number) for number in range(20)]
    with closing(ScoreStore(path, width=WIDTH)) as store, closing(BackgroundStore(store)) as background:
        for number in range(20):
            background.add([keys[number]], records(number), number)
        background.finish()
        with closing(ScoreStore(path, width=WIDTH)) as other:
            found = other.look_up(keys)
        assert found.origins.tolist() == list(range(20))
        assert found.records.tolist() == records(*range(20)).tolist()
        background.settle()
        assert len([file for file in path.iterdir() if "-" in file.name]) < 12
    assert not (path / "merged.new").exists()


@pytest.mark.parametrize("call", ["add", "finish", "settle"])
def test_what_an_addition_failed_with_is_raised_to_who_waits_and_by_the_next_call(slow, background, call):
    slow.error = StorageError("no room")
    slow.gate.release()
    done = background.add([], records(), 1)
    for raising in (done.result, lambda: getattr(background, call)(*([[], records(), 2] if call == "add" else []))):
        with pytest.raises(StorageError) as raised:
            raising()
        assert raised.value is slow.error
    assert slow.events == ["begin 1"]
    assert background.durable == 0


def test_what_a_merge_failed_with_is_raised_by_the_next_call(slow, background, monkeypatch):
    error = StorageError("no room to merge")

    def full(_stopped):
        raise error

    monkeypatch.setattr(slow, "tidy", full)
    slow.gate.release(2)
    background.add([], records(), 1)
    with pytest.raises(StorageError) as raised:
        background.settle()
    assert raised.value is error
    with pytest.raises(StorageError):
        background.add([], records(), 2).result()


def test_a_merge_that_finds_no_room_is_put_off_to_another_run(slow, background, monkeypatch):
    tried = []
    monkeypatch.setattr(slow, "tidy", lambda _stopped: bool(tried.append("tidy")))
    slow.gate.release(9)
    for number in range(9):
        background.add([], records(), number).result()
        background.settle()
    assert tried == ["tidy"]
    assert background.durable == 9


def test_additions_wait_for_a_merge_where_there_are_too_many_segments(slow, background, monkeypatch):
    merging = threading.Event()
    monkeypatch.setattr(slow, "tidy", lambda _stopped: merging.wait(10))
    slow.gate.release(2)
    background.add([], records(), 1).result()
    slow.crowded = True
    second = background.add([], records(), 2)
    with pytest.raises(TimeoutError):
        second.result(timeout=0.05)
    merging.set()
    second.result()


@pytest.mark.parametrize("error", [None, StorageError("no room")])
def test_closing_waits_for_the_addition_under_way_and_leaves_no_thread(slow, error):
    before = set(threading.enumerate())
    background, slow.error = BackgroundStore(slow), error
    background.add([], records(), 1)
    release = threading.Timer(0.05, slow.gate.release)
    release.start()
    background.close()
    release.join()
    assert slow.events[:2] == (["begin 1", "end 1"] if error is None else ["begin 1"])
    assert set(threading.enumerate()) <= before


def test_closing_breaks_a_merge_off(slow, monkeypatch):
    def endless(stopped):
        while not stopped():
            time.sleep(0.001)
        slow.events.append("broken off")

    monkeypatch.setattr(slow, "tidy", endless)
    slow.gate.release()
    with closing(BackgroundStore(slow)) as background:
        background.add([], records(), 1).result()
    assert slow.events[-1] == "broken off"
