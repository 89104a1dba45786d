"""The score cache: what was added is there, whoever asks, whatever was merged meanwhile, and whatever happened to the
process that added it."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scorer.errors import NotPermitted, StorageError
from scorer.runs import score_segments
from scorer.runs.score_segments import KEY_BYTES
from scorer.runs.score_store import NOWHERE, ScoreStore, merge_scores, origin_of, score_files
from scorer.runs.segment_folder import SegmentFolder, due, standing
from tests.torture.disks import read_only

ROOT = Path(__file__).parents[2]
WIDTH = 3
# Where the rows begin in a segment of nine.
NINE_ROWS = 160


def key(number: int) -> bytes:
    return hashlib.blake2b(number.to_bytes(8, "big"), digest_size=KEY_BYTES).digest()


def same_half(number: int) -> bytes:
    """A key whose first half is that of all others but each seventh."""
    return (number % 7 == 0).to_bytes(8, "big") + (number * 2654435761 % 2**64).to_bytes(8, "big")


def records(*values: int) -> np.ndarray:
    return np.array([[value % 256, value // 256 % 256, 7] for value in values], np.uint8).reshape(-1, WIDTH)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "scores.f.segments"


@pytest.fixture
def store(path):
    store = ScoreStore(path, width=WIDTH)
    yield store
    store.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.dictionaries(st.integers(0, 30), st.integers(0, 9)), st.sampled_from(["", "reopen", "tidy"])),
        max_size=12,
    ),
    st.booleans(),
)
def test_a_store_is_a_dictionary_that_keeps_the_first_value(tmp_path_factory, steps, alike):
    """Merged or not, and where the first halves of all keys are `alike`."""
    named = same_half if alike else key
    path = tmp_path_factory.mktemp("store") / "scores.f.segments"
    store, expected = ScoreStore(path, width=WIDTH), {}
    for place, (additions, then) in enumerate(steps):
        store.add([named(number) for number in additions], records(*additions.values()), origin_of(1, place))
        expected = {number: (value, origin_of(1, place)) for number, value in additions.items()} | expected
        if then == "tidy":
            store.tidy()
        elif then == "reopen":
            store.close()
            store = ScoreStore(path, width=WIDTH)
    asked = list(range(31))[::-1]
    found = store.look_up([named(number) for number in asked])
    store.close()
    assert found.records.dtype == np.uint8
    for row, number in enumerate(asked):
        value, origin = expected.get(number, (None, NOWHERE))
        assert found.origins[row] == origin
        assert found.records[row].tolist() == ([0] * WIDTH if value is None else records(value)[0].tolist())


@pytest.mark.parametrize("spread", [1, 3, 40, 2**16])
def test_keys_with_the_same_tag_and_buckets_with_more_rows_than_tags(store, spread):
    """Keys of few first halves and fewer last bytes."""
    draw = np.random.default_rng(spread)
    high = draw.integers(0, spread, 6_000, np.uint64) * np.uint64(2**64 // (spread + 1))
    low = draw.integers(0, 2**40, 6_000, np.uint64) << np.uint64(8) | draw.choice(
        np.array([0, 1, 2, 254, 255], np.uint64), 6_000
    )
    both = np.unique(np.stack([high, low], axis=1), axis=0)
    keys = [pair.tobytes() for pair in draw.permutation(both)]
    numbers = list(range(len(keys)))
    for part in range(3):
        store.add(keys[part : len(keys) // 2 : 3], records(*numbers[part : len(keys) // 2 : 3]), part)
    store.tidy()
    found = store.look_up(keys)
    known = len(keys) // 2
    assert found.origins[:known].tolist() == [number % 3 for number in range(known)]
    assert np.array_equal(found.records[:known], records(*numbers[:known]))
    assert (found.origins[known:] == NOWHERE).all()


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


def test_runs_of_another_store_are_not_ours(store, path, tmp_path):
    assert store.id is None
    number = store.new_run()
    with closing(ScoreStore(tmp_path / "other.segments", width=WIDTH)) as other:
        assert other.new_run() == number
        assert other.id != store.id
        assert not other.has_run(number, of=store.id)
    path.rename(path.with_name("moved"))
    with closing(ScoreStore(path.with_name("moved"), width=WIDTH)) as moved:
        assert moved.has_run(number, of=store.id)
        assert moved.new_run() == number + 1
        assert moved.id == store.id


def test_a_run_of_an_earlier_version_is_known_by_its_number(store, path):
    number = store.new_run()
    (path / "id").unlink()
    assert store.has_run(number)
    assert not store.has_run(number, of="another")
    store.new_run()
    assert store.has_run(number, of=store.id)


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


def test_a_file_where_the_store_should_be(path):
    path.write_bytes(b"no store at all" * 100)
    with pytest.raises(StorageError, match=r"scores\.f\.segments: the score cache cannot be used.*has its name"):
        ScoreStore(path, width=WIDTH)


@pytest.mark.parametrize("content", [b"", b"no segment" * 100, b"scorer scores 1\n" + b"\xff" * 500])
def test_a_file_that_is_no_segment(store, path, content):
    (path / "0000000001-0000000001").write_bytes(content)
    with pytest.raises(StorageError, match=r"scores\.f\.segments: .*remove it to start afresh"):
        store.look_up([key(1)])


def test_no_flipped_bit_and_no_lost_end_gives_another_record(store, path):
    """It is noticed, or the row that it is in is not found."""
    keys = [key(number) for number in range(20)]
    store.add(keys, records(*range(20)), 1)
    file = path / "0000000001-0000000001"
    sound, noticed = file.read_bytes(), 0
    damaged = [sound[:at] + bytes([sound[at] ^ 1 << at % 8]) + sound[at + 1 :] for at in range(0, len(sound), 2)]
    for content in [*damaged, *(sound[:end] for end in range(0, len(sound), 7))]:
        file.unlink()
        file.write_bytes(content)
        try:
            with closing(ScoreStore(path, width=WIDTH)) as again:
                found = again.look_up(keys)
        except StorageError as error:
            assert "remove it to start afresh" in str(error)  # noqa: PT017  not every damage is one
            noticed += 1
            continue
        there = found.origins != NOWHERE
        assert (found.origins[there] == 1).all()
        assert np.array_equal(found.records[there], records(*range(20))[there])
    assert noticed > len(damaged) // 2


def test_a_row_that_was_damaged_is_noticed_after_a_merge_too(store, path):
    for number in range(4):
        store.add([key(number)], records(number), number)
    file = path / "0000000002-0000000002"
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.unlink()
    file.write_bytes(content)
    with closing(ScoreStore(path, width=WIDTH)) as again:
        again.tidy()
        assert again.look_up([key(0)]).origins.tolist() == [0]
        with pytest.raises(StorageError, match="remove it to start afresh"):
            again.look_up([key(1)])
    (path.parent / "all").mkdir()
    with pytest.raises(StorageError, match=f"^{re.escape(str(path))}: .*remove it to start afresh"):
        merge_scores([path], path.parent / "all")


def test_no_flipped_bit_among_the_buckets_loses_a_row_in_a_merge(store, path, monkeypatch):
    monkeypatch.setattr("scorer.runs.score_segments._MERGED", 7)
    keys = [key(number) for number in range(36)]
    for number in range(4):
        store.add(keys[number * 9 : number * 9 + 9], records(*range(number * 9, number * 9 + 9)), 1)
    names = segments(path)
    contents = {name: (path / name).read_bytes() for name in names}
    noticed = 0
    for at in range(NINE_ROWS):
        for name in segments(path):
            (path / name).unlink()
        for name, content in contents.items():
            (path / name).write_bytes(content)
        flipped = bytearray(contents[names[1]])
        flipped[at] ^= 1 << at % 8
        (path / names[1]).write_bytes(flipped)
        try:
            with closing(ScoreStore(path, width=WIDTH)) as again:
                again.tidy()
                assert np.array_equal(again.look_up(keys).records, records(*range(36)))
        except StorageError as error:
            assert "remove it to start afresh" in str(error)  # noqa: PT017  not every damage matters
            noticed += 1
    assert noticed > 30


def test_a_row_of_zeros_is_none(store, path):
    store.add([key(number) for number in range(9)], records(*range(9)), 1)
    file = path / "0000000001-0000000001"
    content = bytearray(file.read_bytes())
    content[NINE_ROWS:] = bytes(len(content) - NINE_ROWS)
    file.unlink()
    file.write_bytes(content)
    with closing(ScoreStore(path, width=WIDTH)) as again, contextlib.suppress(StorageError):
        assert (again.look_up([key(1), bytes(KEY_BYTES)]).origins == NOWHERE).all()
    (path.parent / "all").mkdir()
    with pytest.raises(StorageError, match="remove it to start afresh"):
        merge_scores([path], path.parent / "all")


# Of the first half of the first key.
@pytest.mark.parametrize("byte", [NINE_ROWS + 6, NINE_ROWS + 7])
def test_a_key_that_was_damaged_does_not_end_a_merge_in_a_bug(store, path, byte):
    for number in range(4):
        store.add([key(row) for row in range(number * 9, number * 9 + 9)], records(*range(9)), number)
    file = path / "0000000002-0000000002"
    content = bytearray(file.read_bytes())
    content[byte] ^= 0xFF
    file.unlink()
    file.write_bytes(content)
    with closing(ScoreStore(path, width=WIDTH)) as again, contextlib.suppress(StorageError):
        again.tidy()
        again.look_up([key(row) for row in range(36)])


def test_records_of_another_width_are_not_mistaken_for_ours(store, path):
    store.add([key(1)], records(1), 1)
    wider = ScoreStore(path, width=WIDTH + 1)
    with pytest.raises(StorageError, match=r"scores\.f\.segments"):
        wider.look_up([key(1)])
    wider.close()


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(StorageError, match="look whether its folder is there"):
        ScoreStore(tmp_path / "absent" / "scores.f.segments", width=WIDTH)


@pytest.mark.parametrize("exists", [True, False])
def test_a_store_that_may_not_be_written_is_not_to_be_removed(tmp_path, exists):
    folder = tmp_path / "cache"
    folder.mkdir()
    if exists:
        ScoreStore(folder / "scores.f.segments", width=WIDTH).close()
    with read_only(folder), pytest.raises(NotPermitted, match="see to the permissions of the folder and what is in it"):
        ScoreStore(folder / "scores.f.segments", width=WIDTH)


def test_a_store_that_is_only_read_is_neither_made_nor_written(tmp_path, path):
    with closing(ScoreStore(path, width=WIDTH, only_read=True)) as nothing:
        assert nothing.look_up([key(1)]).origins.tolist() == [NOWHERE]
        assert nothing.is_empty()
    assert list(tmp_path.iterdir()) == []
    with closing(ScoreStore(path, width=WIDTH)) as store:
        store.add([key(1)], records(1), 3)
    with read_only(path), closing(ScoreStore(path, width=WIDTH, only_read=True)) as store:
        assert store.look_up([key(1)]).origins.tolist() == [3]


def test_a_folder_that_is_being_made_or_deleted_has_nothing(store, path, tmp_path):
    store.add([key(1)], records(1), 0)
    (path / "naming").unlink()
    (tmp_path / "scores.g.segments").mkdir()
    for left in (path, tmp_path / "scores.g.segments"):
        with closing(ScoreStore(left, width=WIDTH, only_read=True)) as nothing:
            assert nothing.is_empty()
            assert nothing.look_up([key(1)]).origins.tolist() == [NOWHERE]


def test_what_is_made_anew_under_its_name_is_another_store(path):
    with closing(ScoreStore(path, width=WIDTH)) as old:
        path.rename(path.with_name("away"))
        with closing(ScoreStore(path, width=WIDTH)) as new:
            old.add([key(1)], records(1), 1)
            with closing(old.another()) as beside:
                assert beside.look_up([key(1)]).origins.tolist() == [1]
            assert new.is_empty()
        shutil.rmtree(path.with_name("away"))
        with pytest.raises(StorageError, match="look whether its folder is there"):
            old.add([key(2)], records(2), 1)


def test_a_database_of_an_earlier_version_goes(tmp_path):
    """Under the same name, and no other: it may be in use by whoever has that version."""
    old = [tmp_path / f"scores.f{suffix}" for suffix in (".sqlite", ".sqlite-wal", ".sqlite-shm")]
    other = tmp_path / "scores.g.sqlite"
    for file in [*old, other]:
        file.write_bytes(b"SQLite format 3\0")
    ScoreStore(tmp_path / "scores.f.segments", width=WIDTH, only_read=True).close()
    assert all(file.exists() for file in old)
    ScoreStore(tmp_path / "scores.f.segments", width=WIDTH).close()
    assert not any(file.exists() for file in old)
    assert other.exists()


def segments(path: Path) -> list[str]:
    return sorted(file.name for file in path.iterdir() if "-" in file.name)


def test_threads_that_add_merge_and_look_up_at_once_miss_nothing(store):
    """As in a run: one adds, one merges, one looks up, each with a store of its own."""
    failed: list[str] = []
    told, done = [0], threading.Event()

    def look_up() -> None:
        with closing(store.another()) as other:
            while not done.is_set():
                count = told[0]
                found = other.look_up([key(number) for number in range(count)])
                if not (found.origins == 1).all():
                    failed.append(f"{(found.origins != 1).sum()} of {count} are missing")

    def merge() -> None:
        while not done.is_set():
            with closing(store.another()) as other:
                other.tidy()

    threads = [threading.Thread(target=work) for work in (look_up, merge)]
    for thread in threads:
        thread.start()
    try:
        for number in range(300):
            store.add([key(number)], records(number), 1)
            told[0] = number + 1
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not failed
    assert (store.look_up([key(number) for number in range(300)]).origins == 1).all()


def test_many_additions_leave_few_segments(store, path):
    for number in range(100):
        store.add([key(number)], records(number), number)
        store.tidy()
    assert len(segments(path)) <= 3 * 4
    assert segments(path)[0].startswith("0000000001-")
    assert store.look_up([key(number) for number in range(100)]).origins.tolist() == list(range(100))


def test_a_merge_that_is_stopped_leaves_everything_as_it_was(store, path):
    for number in range(4):
        store.add([key(number)], records(number), number)
    before = sorted(path.iterdir())
    store.tidy(lambda: True)
    assert sorted(path.iterdir()) == before
    store.tidy()
    assert segments(path) == ["0000000001-0000000004"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, None])
def test_a_merge_that_finds_no_room_is_put_off(store, path, monkeypatch, number):
    """The disk says so beforehand, or only when it is full, or the user's share of it is."""
    for place in range(4):
        store.add([key(place)], records(place), place)
    before = sorted(path.iterdir())
    with monkeypatch.context() as patch:
        if number is None:
            patch.setattr(SegmentFolder, "free_bytes", lambda _: 200)
        else:
            patch.setattr(score_segments, "_write", failing(number))
        assert not store.tidy()
    assert sorted(path.iterdir()) == before
    assert store.look_up([key(place) for place in range(5)]).origins.tolist() == [0, 1, 2, 3, NOWHERE]
    assert store.tidy()
    assert segments(path) == ["0000000001-0000000004"]


def test_where_the_largest_do_not_fit_the_latest_are_merged(store, path, monkeypatch):
    for place in range(4):
        store.add([key(place * 1000 + n) for n in range(900)], records(*range(900)), place)
    for place in range(4, 8):
        store.add([key(place * 1000)], records(0), place)
    before = segments(path)
    with monkeypatch.context() as patch:
        patch.setattr(SegmentFolder, "free_bytes", lambda _: 20_000)
        assert not store.tidy()
    assert segments(path)[:4] == before[:4]
    assert segments(path)[4:] == ["0000000005-0000000008"]


def test_a_disk_that_does_not_tell_its_size_has_room(store, path, monkeypatch):
    for place in range(4):
        store.add([key(place)], records(place), place)
    told = SimpleNamespace(f_blocks=0, f_bavail=0, f_frsize=4096)
    monkeypatch.setattr("scorer.runs.segment_folder.os.fstatvfs", lambda _: told)
    assert store.tidy()
    assert segments(path) == ["0000000001-0000000004"]


def test_a_merge_that_fails_otherwise_is_told(store, monkeypatch):
    for place in range(4):
        store.add([key(place)], records(place), place)
    monkeypatch.setattr(score_segments, "_write", failing(errno.EIO))
    with pytest.raises(StorageError, match="Input/output error"):
        store.tidy()


def failing(number: int):
    def write(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return write


def test_a_segment_is_as_large_as_it_was_said_to_be(store, path):
    for count in (1, 7, 3_000):
        store.add([key(row) for row in range(count)], records(*range(count)), count)
        assert (path / segments(path)[-1]).stat().st_size == score_segments.segment_bytes(count, WIDTH)


def test_a_merge_in_many_shares(store, monkeypatch):
    monkeypatch.setattr("scorer.runs.score_segments._MERGED", 100)
    monkeypatch.setattr("scorer.runs.score_segments._LOOKED_INTO", 10)
    monkeypatch.setattr("scorer.runs.score_segments._FILTERED", 1000)
    monkeypatch.setattr("scorer.runs.score_segments._STAYS", 100)
    for number in range(5):
        rows = range(number * 900, number * 900 + 1000)
        store.add([key(row) for row in rows], records(*rows), number)
    store.tidy()
    found = store.look_up([key(row) for row in range(5_000)])
    assert found.origins.tolist() == [
        min(max(row - 100, 0) // 900, 4) if row < 4600 else NOWHERE for row in range(5_000)
    ]
    assert np.array_equal(found.records[:4_600], records(*range(4_600)))


def test_what_a_crash_leaves_is_not_looked_into(store, path):
    """Half a segment, and one that was merged but not deleted yet, which holds the same rows."""
    for number in range(4):
        store.add([key(number)], records(number), number)
    kept = (path / "0000000002-0000000002").read_bytes()
    store.tidy()
    (path / "0000000002-0000000002").write_bytes(kept)
    (path / "added.new").write_bytes(kept[:70])
    (path / "merged.new").write_bytes(kept[:70])
    with closing(ScoreStore(path, width=WIDTH)) as again:
        assert again.look_up([key(number) for number in range(5)]).origins.tolist() == [0, 1, 2, 3, NOWHERE]
        for number in range(4, 16):
            again.add([key(number)], records(number), number)
        again.tidy()
        assert again.look_up([key(number) for number in range(16)]).origins.tolist() == list(range(16))
    assert segments(path) == ["0000000001-0000000016"]
    assert not (path / "merged.new").exists()


def test_stores_are_merged_and_the_first_record_stays(tmp_path):
    for folder, first in (("a", 0), ("b", 50)):
        (tmp_path / folder).mkdir()
        with closing(ScoreStore(tmp_path / folder / "scores.f.segments", width=WIDTH)) as store:
            rows = range(first, first + 100)
            store.add([key(row) for row in rows], records(*(row + first for row in rows)), 77)
    for folder in ("a", "b", "b"):
        merge_scores(score_files(tmp_path / folder), tmp_path / "all")
    with closing(ScoreStore(tmp_path / "all" / "scores.f.segments", width=WIDTH)) as store:
        found = store.look_up([key(row) for row in range(151)])
    assert np.array_equal(found.records[:100], records(*range(100)))
    assert np.array_equal(found.records[100:150], records(*range(150, 200)))
    assert found.origins[150] == NOWHERE
    assert 77 not in found.origins


@pytest.mark.parametrize(
    ("sizes", "merged"),
    [
        ([], 0),
        ([5, 5, 5], 0),
        ([5, 5, 5, 5], 4),
        ([100, 5, 5, 5, 5], 4),
        ([20, 20, 20, 5, 5, 5, 5], 7),
        ([5, 5, 5, 100], 0),
        ([1] * 70, 70),
    ],
)
def test_the_latest_segments_of_a_size_are_merged(sizes, merged):
    spans = {(place, place): size for place, size in enumerate(sizes, 1)}
    assert due(spans) == sorted(spans)[len(spans) - merged :]


def test_of_segments_that_hold_the_same_additions_the_widest_counts():
    names = ["0000000005-0000000005", "0000000001-0000000004", "0000000002-0000000003", "runs", "added.new"]
    assert standing([*names, "0000000001-0000000001"]) == [(1, 4), (5, 5)]


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
    if sys.argv[4:]:
        store.tidy()
"""


def adder(path: Path, first: int, count: int, *, merging: bool = False) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", _ADDER, str(path), str(first), str(count), *["merging"] * merging]
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


def test_an_addition_waits_for_that_of_another(store, path):
    with closing(ScoreStore(path, width=WIDTH)) as other:
        with other._folder.locked("adding"):
            done = threading.Thread(target=store.add, args=([key(1)], records(1), 1))
            done.start()
            time.sleep(0.1)
            assert other.is_empty()
        done.join()
        assert not other.is_empty()


def test_processes_that_open_and_add_at_once_do_not_lose_anything(path):
    processes = [adder(path, 1000 * number, 20) for number in range(6)]
    assert [process.communicate(timeout=60)[0].count("\n") for process in processes] == [20] * 6
    store = ScoreStore(path, width=WIDTH)
    found = store.look_up([key(1000 * number + step) for number in range(6) for step in range(20)])
    store.close()
    assert (found.origins == 1).all()


def test_look_ups_while_another_process_adds_and_merges(path):
    """What was told to be added is found at once, whatever is being merged."""
    ScoreStore(path, width=WIDTH).close()
    process = adder(path, 0, 300, merging=True)
    with process, closing(ScoreStore(path, width=WIDTH, only_read=True)) as store:
        told = 0
        while line := process.stdout.readline():
            told = int(line) + 1
            if told % 5 == 0:
                found = store.look_up([key(number) for number in range(told)])
                assert (found.origins == 1).all()
    assert process.wait(timeout=30) == 0
    assert told == 300
