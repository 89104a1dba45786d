"""Fifty runs that start at once for one output."""

from __future__ import annotations

import pytest

from tests.torture.scene import Figures, Scene
from tests.torture.starts import start_together

pytestmark = pytest.mark.torture

RUNS = 50


@pytest.mark.parametrize("old", [False, True])
def test_of_fifty_starts_exactly_one_runs(tmp_path, launcher, jobs, old):
    scene = Scene(tmp_path / "folder", jobs(".parquet", rows=12_000, window_rows=400), old=old)
    figures = Figures(f"{RUNS} starts at once, over {'an old file' if old else 'nothing'}")
    start_together(launcher, scene, RUNS, figures)
    figures.check(1)


def test_a_lock_that_a_killed_run_left_names_nobody_else(tmp_path, launcher, jobs):
    """The killed run's number stays in the lock file until the next holder has written its own."""
    scene = Scene(tmp_path / "folder", jobs(".parquet", rows=12_000, window_rows=400))
    figures = Figures(f"{RUNS} starts at once, after a killed run")
    scene.workspace.mkdir()
    (scene.workspace / "lock").write_text("4194305\n")
    start_together(launcher, scene, RUNS, figures)
    figures.check(1)
