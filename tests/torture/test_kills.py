"""200 runs killed at random moments; what a kill near the end costs."""

from __future__ import annotations

import random
import sys

import pytest

from tests.torture.kills import kill_randomly, kill_when_written
from tests.torture.scene import Figures, Jobs, Scene

pytestmark = pytest.mark.torture

NEAR_THE_END = 0.9
KILLS = 3


def test_two_hundred_kills_at_random_moments(tmp_path, launcher, jobs):
    draw = random.Random(2)
    figures = Figures("SIGKILL at random moments")
    for ending in (".csv", ".parquet"):
        job = jobs(ending, rows=3_000, window_rows=100)
        kill_randomly(tmp_path, launcher, job, trials=100, draw=draw, figures=figures)
    assert figures.notes["streaming"] >= 50, "most kills came before or after the rows"
    figures.check(200)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_kill_near_the_end_costs_less_than_a_fifth(tmp_path, launcher, real_model, ending):
    job = Jobs(tmp_path, launcher, real_model)(ending, rows=3_000, window_rows=150, batch_tokens=2_048)
    figures = Figures(f"SIGKILL near the end, {ending[1:]}")
    shares = []
    for trial in range(KILLS):
        scene = Scene(tmp_path / f"trial-{trial}", job)
        written = kill_when_written(launcher, scene, NEAR_THE_END)
        scene.judge(figures)
        again = scene.finish(launcher, figures)
        shares.append(again.summary["stream_seconds"] / job.stream_seconds)
        sys.stdout.write(
            f"\n{ending}: killed with {written:.2f} of the bytes written, rerun {shares[-1]:.3f} of the stream"
        )
        scene.remove()
    figures.notes["worst rerun, % of the stream"] = round(100 * max(shares))
    figures.check(KILLS)
    assert max(shares) < 0.2
