"""Signals at random moments: the first stops the run within ten seconds, the second at once; a pipe that closes."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest

from tests.torture.kills import start_writing
from tests.torture.pipes import read_and_leave
from tests.torture.scene import Figures, Scene, one_line

pytestmark = pytest.mark.torture

NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_the_first_signal_at_random_moments_of_the_stream(tmp_path, launcher, jobs, ending):
    draw = random.Random(3)
    job = jobs(ending, rows=3_000, window_rows=100)
    figures = Figures(f"first signal, {ending[1:]}")
    slowest = 0.0
    for trial in range(30):
        number = NUMBERS[trial % 3]
        scene = Scene(tmp_path / str(trial), job, old=trial % 2 == 1)
        pid = start_writing(launcher, scene, draw.uniform(0, 0.9))
        sent = time.monotonic()
        os.kill(pid, number)
        (ended,) = launcher.wait()
        slowest = max(slowest, ended.at - sent)
        if ended.code == 0:
            figures.notes["ended anyway"] += 1
            assert scene.state == "new"
        else:
            assert ended.code == 128 + number, ended
            assert one_line(ended.stderr)
            assert scene.state == ("old" if scene.old else "nothing")
            assert not scene.partial.exists()
        scene.judge_failure(figures)
        scene.finish(launcher, figures)
        scene.remove()
    figures.notes["slowest, ms"] = round(1000 * slowest)
    assert slowest < 10
    assert figures.notes["ended anyway"] < 10
    figures.check(30)


def test_the_second_signal_at_once(tmp_path, launcher, jobs):
    job = jobs(".parquet", rows=12_000, window_rows=12_000, batch_tokens=1_000_000)
    figures = Figures("second signal")
    slowest = 0.0
    for trial in range(6):
        scene = Scene(tmp_path / str(trial), job)
        pid = launcher.start(scene.arguments, held=True)
        launcher.go()
        time.sleep(0.6 * job.seconds)
        os.kill(pid, NUMBERS[trial % 3])
        time.sleep(0.05)
        sent = time.monotonic()
        os.kill(pid, signal.SIGINT)
        (ended,) = launcher.wait()
        slowest = max(slowest, ended.at - sent)
        assert ended.code in (128 + NUMBERS[trial % 3], 130), ended
        scene.judge(figures)
        scene.finish(launcher, figures)
    figures.notes["slowest, ms"] = round(1000 * slowest)
    assert slowest < 1
    figures.check(6)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6])
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_whoever_reads_stdout_goes_away(tmp_path, launcher, jobs, ending, share):
    job = jobs(ending, rows=12_000, window_rows=400)
    ended = read_and_leave(launcher, Scene(tmp_path / "folder", job), share)
    assert (ended.code, ended.stderr) == (141, "")
