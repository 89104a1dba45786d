from __future__ import annotations

import os

import pytest

from harness.processes import CallFailed, Remote

COUNTER = "tests.jobs.counter:Counter"


def test_an_object_lives_in_another_process_and_keeps_its_state(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with Remote(COUNTER, 3, threads=2) as remote:
        assert [remote.call("add", 1), remote.call("add", 5)] == [4, 9]
        process, threads = remote.call("process")
        assert process != os.getpid()
        assert threads == "2"


def test_what_is_raised_over_there_is_told_here(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with Remote(COUNTER, -1, threads=1) as remote, pytest.raises(CallFailed, match="ValueError: counts from 0"):
        remote.call("add", 1)
    with Remote(COUNTER, 0, threads=1) as remote, pytest.raises(CallFailed, match="ended with code 9"):
        remote.call("die")
