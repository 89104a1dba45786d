"""Batches side by side: their order, their errors, and what is left running."""

from __future__ import annotations

import math
import os
import threading
import time

import pytest
import torch

from scorer.classifier.workers import Workers, granted_cores, worker_count

CPU = torch.device("cpu")


def test_results_come_in_order_whoever_is_ready_first():
    def slow_at_first(item):
        time.sleep(0.02 if item == 0 else 0)
        return item * item

    assert list(Workers(3, CPU).map(slow_at_first, range(20))) == [item * item for item in range(20)]
    assert list(Workers(3, CPU).map(slow_at_first, [])) == []


def test_items_are_worked_on_at_the_same_time_each_by_a_thread_that_computes_alone():
    together = threading.Barrier(2, timeout=10)

    def work(_item):
        together.wait()
        return torch.get_num_threads(), threading.current_thread() is threading.main_thread()

    before = torch.get_num_threads()
    assert list(Workers(2, CPU).map(work, range(4))) == [(1, False)] * 4
    assert torch.get_num_threads() == before


def test_an_error_is_raised_in_its_place_and_the_rest_is_not_begun():
    begun = []

    def fail_at_three(item):
        begun.append(item)
        if item == 3:
            raise RuntimeError("three")
        return item

    results = []
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError, match="three"):
        results.extend(Workers(2, CPU).map(fail_at_three, range(1000)))
    assert results == [0, 1, 2]
    assert len(begun) < 20
    assert torch.get_num_threads() == before


def test_closing_waits_for_what_runs_and_begins_nothing_more():
    running, done = [], []

    def work(item):
        running.append(item)
        time.sleep(0.01)
        done.append(item)

    results = Workers(2, CPU).map(work, range(1000))
    next(results)
    results.close()
    assert sorted(running) == sorted(done)
    assert len(done) < 20
    time.sleep(0.05)
    assert sorted(running) == sorted(done)


def test_a_cpu_has_as_many_workers_as_torch_has_threads_and_no_more_than_it_is_granted(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    try:
        for threads, granted, expected in ((1, None, 1), (4, math.inf, 4), (4, 2.0, 2), (4, 1.5, 2), (4, 0.1, 1)):
            torch.set_num_threads(threads)
            assert worker_count(CPU, granted=granted) == expected
        monkeypatch.setenv("OMP_NUM_THREADS", "4")
        assert worker_count(CPU, granted=2.0) == 4
    finally:
        torch.set_num_threads(before)
    assert worker_count(torch.device("cuda")) == 2


@pytest.mark.parametrize(
    ("group", "limits", "granted"),
    [
        ("0::/\n", {"": "150000 100000\n"}, 1.5),
        ("0::/\n", {"": "max 100000\n"}, math.inf),
        ("0::/\n", {}, math.inf),
        ("1:cpu:/pod\n0::/pod/one\n", {"pod": "200000 100000\n", "pod/one": "max 100000\n"}, 2.0),
        ("0::/pod/one\n", {"pod": "200000 100000\n", "pod/one": "50000 100000\n", "two": "1 100000\n"}, 0.5),
        ("0::/host/only\n", {"": "300000 100000\n"}, 3.0),
        ("1:cpu:/pod\n", {"pod": "200000 100000\n"}, math.inf),
    ],
)
def test_the_cores_that_control_groups_grant(tmp_path, group, limits, granted):
    own, groups = tmp_path / "own", tmp_path / "groups"
    own.write_text(group)
    for name, limit in limits.items():
        (groups / name).mkdir(parents=True, exist_ok=True)
        (groups / name / "cpu.max").write_text(limit)
    assert granted_cores(groups, own) == granted
    assert granted_cores(groups, tmp_path / "absent") == math.inf


def test_workers_that_fill_the_machine_stay_each_on_a_core():
    cores = os.sched_getaffinity(0)

    def kept_to(count):
        together = threading.Barrier(count, timeout=10)

        def work(_item):
            together.wait()
            return os.sched_getaffinity(0)

        return list(Workers(count, CPU).map(work, range(count)))

    assert sorted(map(tuple, kept_to(len(cores)))) == [(core,) for core in sorted(cores)]
    assert kept_to(len(cores) + 1) == [cores] * (len(cores) + 1)
    assert os.sched_getaffinity(0) == cores
