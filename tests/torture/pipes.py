"""A reader of stdout that goes away before everything has been written.

Owns the pipe.
"""

from __future__ import annotations

import os

from tests.torture.launcher import Ended, Launcher
from tests.torture.scene import Scene


def read_and_leave(launcher: Launcher, scene: Scene, share: float) -> Ended:
    """Run the scene's job into a pipe, read `share` of its bytes and close the pipe; how the run ended."""
    pipe = scene.folder / "pipe"
    os.mkfifo(pipe)
    job = scene.job
    arguments = ["score", job.source, "-", "-m", job.model, *job.flags, "--output-format", job.ending[1:]]
    launcher.start(arguments, stdout=pipe)
    with pipe.open("rb", buffering=0) as stream:
        wanted = share * len(job.whole)
        while wanted > 0 and (part := stream.read(1 << 14)):
            wanted -= len(part)
        assert wanted <= 0, "the stream ended too early"
    (ended,) = launcher.wait()
    return ended
