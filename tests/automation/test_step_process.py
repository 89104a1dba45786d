"""Signals reach a step once each, whenever they come."""

from __future__ import annotations

import os
import signal
from types import SimpleNamespace

from scorer.automation.step_process import PassedSignals


def child() -> SimpleNamespace:
    """What remembers the signals that it gets."""
    got: list[int] = []
    return SimpleNamespace(got=got, send_signal=got.append)


def test_each_signal_is_passed_on_once():
    first = child()
    with PassedSignals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)  # while the step is started
        assert (signals.received, first.got) == (signal.SIGTERM, [])
        signals.watch(first)
        assert first.got == [signal.SIGTERM]
        os.kill(os.getpid(), signal.SIGINT)
        assert (signals.received, first.got) == (signal.SIGTERM, [signal.SIGTERM, signal.SIGINT])
        signals.leave()
        os.kill(os.getpid(), signal.SIGHUP)
    assert first.got == [signal.SIGTERM, signal.SIGINT]


def test_what_is_forgotten_is_for_no_child_and_was_heard():
    first = child()
    with PassedSignals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        signals.forget()
        os.kill(os.getpid(), signal.SIGHUP)
        signals.watch(first)
    assert (signals.received, first.got) == (signal.SIGTERM, [signal.SIGHUP])


def test_a_signal_that_comes_just_when_one_is_delivered_is_delivered_too():
    busy = child()

    def send(number: int) -> None:
        busy.got.append(number)
        if number == signal.SIGTERM:
            os.kill(os.getpid(), signal.SIGINT)

    busy.send_signal = send
    with PassedSignals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        signals.watch(busy)
    assert busy.got == [signal.SIGTERM, signal.SIGINT]


def test_what_the_caller_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with PassedSignals() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            assert signals.received is None
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
