from __future__ import annotations

import time

import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.device_time import Busy, busy_time, covered


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10)), max_size=12))
def test_covered_time_is_that_of_the_moments_in_any_interval(spans):
    intervals = [(start, start + length) for start, length in spans]
    moments = {moment for start, end in intervals for moment in range(start, end)}
    assert covered(intervals) == len(moments)


def test_operators_of_this_thread_are_seen_on_a_cpu():
    matrix = torch.ones(300, 300)
    started = time.perf_counter()
    with busy_time("cpu") as busy:
        for _ in range(10):
            matrix @ matrix
    passed = time.perf_counter() - started
    assert 0 < busy.seconds() <= passed


def test_only_the_last_seconds_are_counted():
    busy = Busy([(0.0, 2.0), (5.0, 7.0), (6.0, 9.0)])
    assert [busy.seconds(last=last) for last in (1.0, 4.0, 8.0, 100.0)] == [1.0, 4.0, 5.0, 6.0]
    assert Busy().seconds(last=1.0) == 0
