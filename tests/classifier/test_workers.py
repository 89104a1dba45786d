"""Batches side by side: their order, their errors, and what is left running."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from scorer.classifier.workers import Cores, Workers, granted_cores, worker_count

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
    assert worker_count(torch.device("cuda")) == 3


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


CORES = sorted(os.sched_getaffinity(0))


def kept_to(workers):
    """The cores that each worker may run on, while all of them work."""
    together = threading.Barrier(workers.count, timeout=10)

    def work(_item):
        together.wait()
        return tuple(sorted(os.sched_getaffinity(0)))

    return sorted(workers.map(work, range(workers.count)))


def test_workers_that_fill_the_machine_stay_each_on_a_core():
    assert kept_to(Workers(len(CORES), CPU, cores=Cores())) == [(core,) for core in CORES]
    assert kept_to(Workers(len(CORES) + 1, CPU, cores=Cores())) == [tuple(CORES)] * (len(CORES) + 1)
    assert sorted(os.sched_getaffinity(0)) == CORES


def test_the_cores_are_lent_to_one_of_several_while_it_works():
    cores = Cores()
    first, second = (Workers(len(CORES), CPU, cores=cores) for _ in range(2))
    alone, free = [(core,) for core in CORES], [tuple(CORES)] * len(CORES)
    assert kept_to(first) == alone
    assert kept_to(second) == alone, "the first is at rest"
    running = first.map(lambda item: item, range(100))
    next(running)
    assert kept_to(second) == free
    assert kept_to(first) == alone, "two calls of one share its workers"
    running.close()
    assert kept_to(second) == alone
    assert kept_to(first) == alone


def settled(workers):
    """`workers`, each of whose threads has begun: until one has, a thread that begins meanwhile may see its number."""
    together = threading.Barrier(workers.count, timeout=60)
    list(workers.map(lambda _: together.wait(), range(workers.count)))
    return workers


def test_overlapping_calls_leave_the_threads_of_everybody_alone():
    """Whoever begins and ends first; with several workers, several callers, and threads that begin meanwhile."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        one, two = settled(Workers(2, CPU)), settled(Workers(2, CPU))
        calls = [workers.map(lambda _: torch.get_num_threads(), range(20)) for workers in (one, two, one)]
        assert [next(call) for call in calls] == [1, 1, 1]
        assert in_a_new_thread(torch.get_num_threads) == 3
        calls[0].close()
        assert [next(call) for call in calls[1:]] == [1, 1]
        assert in_a_new_thread(lambda: list(two.map(lambda _: torch.get_num_threads(), range(5)))) == [1] * 5
        for call in calls:
            call.close()
        assert torch.get_num_threads() == 3
        assert in_a_new_thread(torch.get_num_threads) == 3
        torch.set_num_threads(2)
        assert list(one.map(lambda _: torch.get_num_threads(), range(5))) == [1] * 5
        assert torch.get_num_threads() == in_a_new_thread(torch.get_num_threads) == 2
    finally:
        torch.set_num_threads(before)


def test_calls_from_many_threads_at_once_end_as_they_began():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        shared, found = [Workers(2, CPU) for _ in range(3)], []

        def call(number):
            results = shared[number % 3].map(lambda item: (item, torch.get_num_threads()), range(50))
            found.append(list(results) == [(item, 1) for item in range(50)] and torch.get_num_threads() == 2)

        callers = [threading.Thread(target=call, args=(number,)) for number in range(12)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        assert found == [True] * 12
        assert torch.get_num_threads() == in_a_new_thread(torch.get_num_threads) == 2
    finally:
        torch.set_num_threads(before)


def test_a_worker_does_the_work_of_an_operation_alone():
    """It must not only say one thread: the first operation of a thread is where torch takes over the common number."""

    def tasks(_item):
        large = torch.ones(600, 600)
        for _ in range(20):
            large = large @ large / 600
        return torch.get_num_threads(), len([*Path("/proc/self/task").iterdir()])

    workers = Workers(1, CPU)
    [(threads, _)] = workers.map(tasks, [0])
    [(_, first)], [(_, later)] = (list(workers.map(tasks, [0])) for _ in range(2))
    assert threads == 1
    assert later == first


def in_a_new_thread(call):
    result = []
    thread = threading.Thread(target=lambda: result.append(call()))
    thread.start()
    thread.join()
    return result[0]


def test_a_call_in_a_process_of_its_own_leaves_its_threads_as_they_were():
    """From the first operation of the process on, when torch has not settled any thread's number yet. Both workers have
    settled theirs when the call ends: each had a piece of work."""
    tell = (
        "import threading, torch\n"
        "def tell():\n"
        "    print(torch.get_num_threads())\n"
        "thread = threading.Thread(target=tell)\n"
        "thread.start(); thread.join()\n"
        "tell()\n"
    )
    call = (
        "import threading, torch\n"
        "from scorer.classifier.workers import Workers\n"
        "both = threading.Barrier(2, timeout=60)\n"
        "def work(_):\n"
        "    both.wait()\n"
        "    return torch.get_num_threads()\n"
        "assert list(Workers(2, torch.device('cpu')).map(work, range(4))) == [1] * 4\n"
    )
    without, after = (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
        for script in (tell, call + tell)
    )
    assert after == without
