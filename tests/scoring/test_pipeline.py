"""The pipeline: order, errors of every stage, and no thread left behind."""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import dataclass

import pytest

from scorer.errors import Interrupted
from scorer.scoring.pipeline import GivenUp, Pipeline


@dataclass(frozen=True)
class Piece:
    """Stands for a window in any of its states; the pipeline looks at none of them."""

    number: int


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def pieces(count: int, read: list[int] | None = None):
    for number in range(count):
        if read is not None:
            read.append(number)
        yield Piece(number)


def same(piece: Piece) -> Piece:
    return piece


def run(pieces, write, *, encode=same, classify=same, append=same):
    """Three stages between reading and writing, as a part has them."""
    read = Pipeline.of(pieces)
    return read.then("encode", encode).then("classify", classify).then("append", append).into("write", write)


def test_windows_arrive_in_order_however_long_each_takes():
    def slow(piece: Piece) -> Piece:
        time.sleep(0.01 if piece.number % 3 == 0 else 0.0)
        return piece

    written: list[Piece] = []
    clock = run(pieces(20), written.append, encode=slow, classify=slow, append=slow)
    assert [piece.number for piece in written] == list(range(20))
    assert set(clock.busy) == {"read", "encode", "classify", "append", "write"}
    assert all(0.0 <= share <= 1.0 for share in clock.busy.values())


def test_no_windows():
    written: list[Piece] = []
    run(pieces(0), written.append)
    assert written == []


@pytest.mark.parametrize("stage", ["read", "encode", "classify", "append", "write"])
@pytest.mark.parametrize(
    "error", [ValueError("broken"), Interrupted(15), KeyboardInterrupt()], ids=["bug", "stop", "key"]
)
@pytest.mark.parametrize("at", [0, 3, 9])
def test_an_error_in_any_stage_is_raised_after_the_windows_before_it(stage, error, at):
    def failing(name: str):
        def work(piece: Piece) -> Piece:
            if name == stage and piece.number == at:
                raise error
            return piece

        return work

    written: list[Piece] = []

    def write(piece: Piece) -> None:
        written.append(failing("write")(piece))

    stages = {name: failing(name) for name in ("encode", "classify", "append")}
    with pytest.raises(type(error)) as raised:
        run(map(failing("read"), pieces(10)), write, **stages)
    assert raised.value is error
    assert [piece.number for piece in written] == list(range(at))


def test_reading_stays_a_few_windows_ahead_of_writing():
    read: list[int] = []
    distance: list[int] = []

    def write(piece: Piece) -> None:
        time.sleep(0.01)
        distance.append(len(read) - piece.number)

    run(pieces(40, read), write)
    assert max(distance) <= 10


def test_a_failed_writer_stops_the_reader():
    read: list[int] = []

    def write(_: Piece) -> None:
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        run(pieces(10_000, read), write)
    assert len(read) < 100


def test_a_failed_writer_stops_a_stage_in_the_middle_of_a_window():
    reached, ended = threading.Event(), []
    read = Pipeline.of(pieces(5))

    def classify(piece: Piece) -> Piece:
        begun = time.monotonic()
        while piece.number and time.monotonic() - begun < 20:
            reached.set()
            try:
                read.check()
            except GivenUp:
                ended.append(piece.number)
                raise
            time.sleep(0.01)
        return piece

    def write(_: Piece) -> None:
        reached.wait(20)
        raise OSError("full")

    begun = time.monotonic()
    with pytest.raises(OSError, match="full"):
        read.then("classify", classify).into("write", write)
    assert ended == [1]
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("failing", ["encode", "classify", "append", "write"])
def test_a_failed_stage_stops_a_source_that_waits_for_more(failing):
    ended = []

    def tail():
        yield Piece(0)
        begun = time.monotonic()
        while time.monotonic() - begun < 10:
            try:
                read.check()
            except GivenUp:
                ended.append("given up")
                raise
            time.sleep(0.01)

    def work(name: str):
        def fail(piece: Piece) -> Piece:
            if name == failing:
                raise OSError("full")
            return piece

        return fail

    read = Pipeline.of(tail())
    stages = read.then("encode", work("encode")).then("classify", work("classify")).then("append", work("append"))
    with pytest.raises(OSError, match="full"):
        stages.into("write", work("write"))
    assert ended == ["given up"]


def test_whoever_is_interrupted_while_nothing_comes_stops_the_source():
    """Ctrl-C finds the caller where it waits for the last stage."""
    ended = []

    def tail():
        begun = time.monotonic()
        signal.pthread_kill(threading.main_thread().ident, signal.SIGALRM)
        while time.monotonic() - begun < 10:
            try:
                read.check()
            except GivenUp:
                ended.append("given up")
                raise
            time.sleep(0.01)
        yield Piece(0)

    def interrupt(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    read = Pipeline.of(tail())
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            read.then("encode", same).then("classify", same).into("write", print)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert ended == ["given up"]


def test_a_stage_that_has_come_to_its_end_is_not_given_up():
    asked, written = [], []
    read = Pipeline.of(pieces(3))
    encoded = read.then("encode", same)

    def classify(piece: Piece) -> Piece:
        time.sleep(0.05)  # those before have ended meanwhile
        for stage in (read, encoded):
            stage.check()
            asked.append(piece.number)
        return piece

    encoded.then("classify", classify).into("write", written.append)
    read.check()
    assert (len(asked), len(written)) == (6, 3)


@pytest.mark.parametrize("failing", ["read", "encode"])
def test_a_failed_stage_leaves_those_behind_it_at_what_they_have(failing):
    """What came before the failure is still wanted: whoever is at it sees nothing of the failure."""
    failed = threading.Event()

    def work(name: str):
        def fail(piece: Piece) -> Piece:
            if name == failing and piece.number == 1:
                failed.set()
                raise ValueError("broken")
            return piece

        return fail

    def classify(piece: Piece) -> Piece:
        assert failed.wait(10)
        for _ in range(20):
            classified.check()
            time.sleep(0.01)
        return piece

    written: list[Piece] = []
    encoded = Pipeline.of(map(work("read"), pieces(5))).then("encode", work("encode"))
    classified = encoded.then("classify", classify)
    with pytest.raises(ValueError, match="broken"):
        classified.then("append", same).into("write", written.append)
    assert written == [Piece(0)]


def test_stages_may_give_other_things_than_they_take():
    read = Pipeline.of(range(5))
    found: list[str] = []
    pace = read.then("half", lambda number: number / 2).then("say", str).into("keep", found.append)
    assert found == ["0.0", "0.5", "1.0", "1.5", "2.0"]
    assert list(pace.busy) == ["read", "half", "say", "keep"]


def test_stages_overlap():
    def work(piece: Piece) -> Piece:
        time.sleep(0.02)
        return piece

    begun = time.monotonic()
    run(pieces(20), work, encode=work, classify=work, append=work)
    assert time.monotonic() - begun < 20 * 0.02 * 4 * 0.8
