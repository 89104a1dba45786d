"""Real signals: the first asks, the second ends, the caller's own handlers come back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from scorer.errors import Interrupted, ModelError
from scorer.runs.signals import StopSignals

ROOT = Path(__file__).parents[2]
_PROGRAM = f"""
import signal, sys, time
sys.path.insert(0, {str(ROOT)!r})
from scorer.errors import Interrupted
from scorer.runs.signals import StopSignals
# Whoever runs the tests may ignore it, under nohup for one.
signal.signal(signal.SIGHUP, signal.SIG_IGN if "ignored" in sys.argv else signal.SIG_DFL)
with StopSignals() as signals:
    print("ready", flush=True)
    try:
        if "at once" in sys.argv:
            with signals.at_once():
                time.sleep(60)
        while True:
            time.sleep(0.01)
            if "deaf" not in sys.argv:
                signals.check()
    except Interrupted as error:
        sys.exit(error.exit_code)
"""


def program(*arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", _PROGRAM, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_the_first_signal_asks_the_run_to_stop(number, code):
    process = program()
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == code


def test_where_nothing_can_be_lost_the_first_signal_stops_the_work_itself():
    process = program("at once")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143


def test_the_second_signal_ends_a_run_that_does_not_listen():
    process = program("deaf")
    process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(timeout=0.2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130


def test_a_signal_that_the_caller_ignores_stays_ignored():
    process = program("ignored")
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(timeout=0.2)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143


def test_afterwards_the_callers_handlers_are_back():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with StopSignals() as signals:
        signals.check()
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Interrupted) as raised:
            signals.check()
    assert raised.value.exit_code == 143
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_another_thread_changes_no_handler():
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def work() -> None:
        with StopSignals() as signals:
            signals.check()
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def test_a_block_within_a_block_does_not_swallow_a_signal():
    with StopSignals() as outer:
        with StopSignals():
            os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Interrupted) as caught:
            outer.check()
    assert caught.value.exit_code == 143


def test_a_block_that_stops_at_once_stops_where_the_one_within_ends():
    # SIGTERM: a background job of a shell ignores SIGINT, and so do we then.
    before = signal.getsignal(signal.SIGTERM)
    reached = []

    def work():
        with StopSignals() as outer, outer.at_once():
            with StopSignals():
                os.kill(os.getpid(), signal.SIGTERM)
                reached.append("the end of the inner block")
            reached.append("what follows it")

    with pytest.raises(Interrupted):
        work()
    assert reached == ["the end of the inner block"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_that_was_taken_for_a_failure_is_a_signal_again():
    def work():
        with StopSignals() as signals, signals.at_once():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            except Exception as error:
                raise ModelError("cannot be loaded") from error

    with pytest.raises(Interrupted) as caught:
        work()
    assert caught.value.exit_code == 143


def test_a_signal_that_was_swallowed_is_told_where_the_block_ends():
    def work():
        with StopSignals() as signals, signals.at_once(), suppress(Exception):  # as a library does that goes on
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted):
        work()


def test_a_failure_without_a_signal_stays_one():
    with pytest.raises(ModelError), StopSignals() as signals, signals.at_once():
        raise ModelError("cannot be loaded")
