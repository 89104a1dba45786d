"""The local engine: order, errors of every stage, and no thread left behind."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import pytest

from scorer.errors import Interrupted
from scorer.scoring import local


@dataclass(frozen=True)
class Piece:
    """Stands for a window in any of its states; the engine looks at none of them."""

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


def test_windows_arrive_in_order_however_long_each_takes():
    def slow(piece: Piece) -> Piece:
        time.sleep(0.01 if piece.number % 3 == 0 else 0.0)
        return piece

    written: list[Piece] = []
    clock = local.run(pieces(20), encode=slow, classify=slow, append=slow, write=written.append)
    assert [piece.number for piece in written] == list(range(20))
    assert set(clock.busy) == {"read", "encode", "classify", "append", "write"}
    assert all(0.0 <= share <= 1.0 for share in clock.busy.values())


def test_no_windows():
    written: list[Piece] = []
    local.run(pieces(0), encode=same, classify=same, append=same, write=written.append)
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
        local.run(map(failing("read"), pieces(10)), **stages, write=write)
    assert raised.value is error
    assert [piece.number for piece in written] == list(range(at))


def test_reading_stays_a_few_windows_ahead_of_writing():
    read: list[int] = []
    distance: list[int] = []

    def write(piece: Piece) -> None:
        time.sleep(0.01)
        distance.append(len(read) - piece.number)

    local.run(pieces(40, read), encode=same, classify=same, append=same, write=write)
    assert max(distance) <= 10


def test_a_failed_writer_stops_the_reader():
    read: list[int] = []

    def write(_: Piece) -> None:
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        local.run(pieces(10_000, read), encode=same, classify=same, append=same, write=write)
    assert len(read) < 100


def test_a_failed_writer_stops_a_stage_in_the_middle_of_a_window():
    given_up = threading.Event()

    def classify(piece: Piece) -> Piece:
        if piece.number and given_up.wait(timeout=20):
            raise local.GivenUp
        return piece

    def write(_: Piece) -> None:
        raise OSError("full")

    begun = time.monotonic()
    with pytest.raises(OSError, match="full"):
        local.run(pieces(5), encode=same, classify=classify, append=same, write=write, given_up=given_up)
    assert time.monotonic() - begun < 10


def test_stages_overlap():
    def work(piece: Piece) -> Piece:
        time.sleep(0.02)
        return piece

    begun = time.monotonic()
    local.run(pieces(20), encode=work, classify=work, append=work, write=work)
    assert time.monotonic() - begun < 20 * 0.02 * 4 * 0.8
