"""Batches side by side: their order, their errors, and what is left running."""

from __future__ import annotations

import os
import threading
import time

import pytest
import torch

from scorer.classifier.workers import Workers, worker_count

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


def test_a_cpu_has_as_many_workers_as_torch_has_threads():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert worker_count(torch.device("cpu")) == 1
    finally:
        torch.set_num_threads(before)
    assert worker_count(torch.device("cuda")) == 2


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
