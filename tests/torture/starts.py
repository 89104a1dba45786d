"""Runs that start at the same moment for one output.

Owns the moment: all of them wait at a gate, their imports done, and go together.
"""

from __future__ import annotations

import re

from tests.torture.launcher import Launcher
from tests.torture.scene import Figures, Scene, one_line


def start_together(
    launcher: Launcher, scene: Scene, runs: int, figures: Figures, *, within_seconds: float = 2.0
) -> None:
    """Start `runs` commands at once: one must run, all others exit 75 `within_seconds` and name it."""
    for _ in range(runs):
        launcher.start(scene.arguments, held=True)
    begun = launcher.go()
    ended = launcher.wait()
    (winner,) = [one for one in ended if one.code == 0]
    losers = [one for one in ended if one.code == 75]
    assert len(losers) == runs - 1, sorted(one.code for one in ended)
    for one in losers:
        assert one_line(one.stderr)
        assert re.search(rf": process {winner.pid} is writing this output", one.stderr), (winner.pid, one.stderr)
    slowest = max(one.at for one in losers) - begun
    figures.notes["slowest refusal, ms"] = round(1000 * slowest)
    assert slowest < within_seconds
    scene.judge(figures)
    assert scene.state == "new"
    assert not scene.workspace.exists()
