"""The score cache: what was added is there, whoever asks, whatever happened to the process that added it.

In the background: the order of additions, what a look-up waits for, and where their errors arrive.
"""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scorer.errors import NotPermitted, StorageError
from scorer.runs.score_store import KEY_BYTES, NOWHERE, BackgroundStore, ScoreStore, origin_of
from tests.torture.disks import read_only

ROOT = Path(__file__).parents[2]
WIDTH = 3


def key(number: int) -> bytes:
    return (number * 2654435761 % 2**64).to_bytes(KEY_BYTES, "big")


def records(*values: int) -> np.ndarray:
    return np.array([[value % 256, value // 256 % 256, 7] for value in values], np.uint8).reshape(-1, WIDTH)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "scores.sqlite"


@pytest.fixture
def store(path):
    store = ScoreStore(path, width=WIDTH)
    yield store
    store.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.dictionaries(st.integers(0, 30), st.integers(0, 9)), st.booleans()), max_size=6))
def test_a_store_is_a_dictionary_that_keeps_the_first_value(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("store") / "scores.sqlite"
    store, expected = ScoreStore(path, width=WIDTH), {}
    for place, (additions, reopen) in enumerate(steps):
        store.add([key(number) for number in additions], records(*additions.values()), origin_of(1, place))
        expected = {number: (value, origin_of(1, place)) for number, value in additions.items()} | expected
        if reopen:
            store.close()
            store = ScoreStore(path, width=WIDTH)
    asked = list(range(31))[::-1]
    found = store.look_up([key(number) for number in asked])
    store.close()
    assert found.records.dtype == np.uint8
    for row, number in enumerate(asked):
        value, origin = expected.get(number, (None, NOWHERE))
        assert found.origins[row] == origin
        assert found.records[row].tolist() == ([0] * WIDTH if value is None else records(value)[0].tolist())


def test_a_key_twice_in_one_addition_keeps_one(store):
    store.add([key(1), key(1)], records(4, 4), 5)
    assert store.look_up([key(1)]).records.tolist() == records(4).tolist()


def test_nothing_asked_and_nothing_added(store):
    assert store.is_empty()
    assert store.look_up([]).records.shape == (0, WIDTH)
    store.add([], records(), 1)
    assert store.is_empty()
    assert store.look_up([key(1)]).origins.tolist() == [NOWHERE]


def test_ten_thousand_keys(store):
    numbers = np.random.default_rng(0).permutation(10_000).tolist()
    store.add([key(number) for number in numbers], records(*numbers), 9)
    found = store.look_up([key(number) for number in range(5_000, 15_000)])
    assert (found.origins[:5_000] == 9).all()
    assert (found.origins[5_000:] == NOWHERE).all()
    assert np.array_equal(found.records[:5_000], records(*range(5_000, 10_000)))


def test_runs_are_numbered_apart_and_remembered(store, path):
    first = store.new_run()
    other = ScoreStore(path, width=WIDTH)
    second = other.new_run()
    assert first != second
    assert other.has_run(first)
    assert store.has_run(second)
    assert not store.has_run(second + 1)
    other.close()


def test_origins_of_different_places_differ():
    origins = {origin_of(run, place) for run in range(5) for place in (0, 1, 2**32 - 1)}
    assert len(origins) == 15
    assert NOWHERE not in origins


def test_a_second_connection_sees_what_was_added_and_can_add(store, path):
    other = ScoreStore(path, width=WIDTH)
    store.add([key(1)], records(1), 1)
    assert other.look_up([key(1)]).origins.tolist() == [1]
    other.add([key(2)], records(2), 2)
    assert store.look_up([key(2), key(1)]).origins.tolist() == [2, 1]
    other.close()


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_store(path, content):
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"scores\.sqlite: the score cache cannot be used"):
        ScoreStore(path, width=WIDTH)


def test_damage_in_the_middle(path):
    store = ScoreStore(path, width=WIDTH)
    store.add([key(number) for number in range(5_000)], records(*range(5_000)), 1)
    store.close()
    with path.open("r+b") as file:
        file.seek(4096 * 2)
        file.write(b"\xff" * 4096 * 30)
    damaged = ScoreStore(path, width=WIDTH)
    with pytest.raises(StorageError, match="remove it to start afresh"):
        damaged.look_up([key(number) for number in range(5_000)])
    damaged.close()


def test_records_of_another_width_are_not_mistaken_for_ours(store, path):
    store.add([key(1)], records(1), 1)
    wider = ScoreStore(path, width=WIDTH + 1)
    with pytest.raises(StorageError, match=r"scores\.sqlite"):
        wider.look_up([key(1)])
    wider.close()


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(StorageError, match="look whether its folder is there"):
        ScoreStore(tmp_path / "absent" / "scores.sqlite", width=WIDTH)


@pytest.mark.parametrize("exists", [True, False])
def test_a_store_that_may_not_be_written_is_not_to_be_removed(tmp_path, exists):
    folder = tmp_path / "cache"
    folder.mkdir()
    if exists:
        ScoreStore(folder / "scores.sqlite", width=WIDTH).close()
    with read_only(folder), pytest.raises(NotPermitted, match="see to the permissions of the file and its folder"):
        ScoreStore(folder / "scores.sqlite", width=WIDTH)


def test_a_store_that_may_not_be_written_any_more(store):
    store._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(NotPermitted, match="see to the permissions"):
        store.new_run()


_ADDER = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from tests.runs.test_score_store import WIDTH, key, records
from scorer.runs.score_store import ScoreStore
store = ScoreStore(Path(sys.argv[1]), width=WIDTH)
first = int(sys.argv[2])
for number in range(first, first + int(sys.argv[3])):
    store.add([key(number)], records(number), 1)
    print(number, flush=True)
"""


def adder(path: Path, first: int, count: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", _ADDER, str(path), str(first), str(count)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def test_what_was_committed_survives_a_kill(path):
    process = adder(path, 0, 100_000)
    for _ in range(50):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate(timeout=30)
    committed = 50 + rest.count("\n")

    store = ScoreStore(path, width=WIDTH)
    found = store.look_up([key(number) for number in range(committed + 2)])
    store.close()
    assert (found.origins[:committed] == 1).all()
    assert np.array_equal(found.records[:committed], records(*range(committed)))
    assert found.origins[committed + 1] == NOWHERE, "at most the addition that was under way may be there besides"


def test_a_fresh_file_that_another_is_at_work_in_is_waited_for(path):
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = threading.Timer(0.3, other.execute, ["COMMIT"])
        done.start()
        try:
            store = ScoreStore(path, width=WIDTH)
        finally:
            done.join()
    assert store.is_empty()
    store.close()


def test_processes_that_open_and_add_at_once_do_not_lose_anything(path):
    processes = [adder(path, 1000 * number, 20) for number in range(6)]
    assert [process.communicate(timeout=60)[0].count("\n") for process in processes] == [20] * 6
    store = ScoreStore(path, width=WIDTH)
    found = store.look_up([key(1000 * number + step) for number in range(6) for step in range(20)])
    store.close()
    assert (found.origins == 1).all()


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
