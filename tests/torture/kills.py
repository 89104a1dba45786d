"""SIGKILL at random moments of a run.

Owns the moments. Does not know what must hold after them: `scene` does.
"""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

from tests.torture.launcher import Launcher
from tests.torture.scene import Figures, Job, Scene


def kill_at(launcher: Launcher, scene: Scene, seconds: float) -> None:
    """Run the scene's command and kill it `seconds` after it began, unless it has ended by itself."""
    pid = launcher.start(scene.arguments, held=True)
    launcher.go()
    time.sleep(seconds)
    # Not waited for yet, so the number is still its own even when it has ended.
    os.kill(pid, signal.SIGKILL)
    launcher.wait()


def kill_when_written(launcher: Launcher, scene: Scene, share: float) -> float:
    """Kill the run when it has written `share` of its output's bytes; the share that it had written then."""
    pid = start_writing(launcher, scene, share)
    os.kill(pid, signal.SIGKILL)
    (ended,) = launcher.wait()
    assert ended.code == -signal.SIGKILL
    return scene.partial.stat().st_size / len(scene.job.whole)


def start_writing(launcher: Launcher, scene: Scene, share: float) -> int:
    """The process number of a run that has written at least `share` of its output's bytes, but not all."""
    pid = launcher.start(scene.arguments)
    deadline = time.monotonic() + 120
    while not (scene.partial.exists() and scene.partial.stat().st_size > share * len(scene.job.whole)):
        assert time.monotonic() < deadline, "the run does not come that far"
        assert scene.state != "new", "the run ended too early"
        time.sleep(0.002)
    return pid


def kill_randomly(
    folder: Path, launcher: Launcher, job: Job, *, trials: int, draw: random.Random, figures: Figures
) -> None:
    """Kill `trials` runs, each at a random moment; a third of them once more in the rerun; then let them finish."""
    for trial in range(trials):
        old, cache = trial % 2 == 1, trial % 4 >= 2
        scene = Scene(folder / f"{job.ending[1:]}-{trial}", job, old=old, cache=cache)
        kill_at(launcher, scene, draw.uniform(0, 1.05 * job.seconds))
        figures.notes[scene.phase] += 1
        scene.judge(figures)
        if draw.random() < 1 / 3 and scene.phase in ("loading", "streaming"):
            kill_at(launcher, scene, draw.uniform(0, job.seconds))
            figures.notes["killed again"] += 1
            scene.judge(figures)
            figures.trials -= 1
        scene.finish(launcher, figures)
        scene.remove()
