"""System calls that fail, or during which the process dies: strace's injection, at one call of one file at a time.

Owns strace. Counts first which calls a run makes on which of its files; a fault is then one of these calls. It counts
calls for each thread apart, so the n-th call of a file is the n-th of whichever thread comes to it first; of a rename
it sees the old name only.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.torture.launcher import Ended, Launcher
from tests.torture.scene import Scene

WRITING = ("write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2")
TIDYING = ("unlink", "unlinkat", "rmdir", "mkdir", "ftruncate", "openat")
KILL, FULL, BROKEN = "signal=KILL", "error=ENOSPC", "error=EIO"

_ATTACHED = "attached"
_CALL = re.compile(r"^(?P<pid>\d+) +(?P<call>\w+)\(")


@dataclass(frozen=True)
class Fault:
    """`what` happens at the `when`-th `call` on the file `name`, which lies in the scene's folder."""

    name: str
    call: str
    when: int
    what: str

    def __str__(self) -> str:
        return f"{self.what} at {self.call} {self.when} of {self.name}"


def need_strace(launcher: Launcher, scratch: Path) -> None:
    """Skip, with the reason, where strace is missing or may not look into a process."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed (apt-get install strace)")
    pid = launcher.start(["--version"], held=True)
    tracer, said = _attach(pid, "-o", str(scratch), "-e", "trace=none")
    launcher.go()
    launcher.wait()
    tracer.communicate(timeout=60)
    if _ATTACHED not in said:
        pytest.skip(f"strace may not trace here: {said.strip()}")


def calls_of(launcher: Launcher, scene: Scene, names: Sequence[str], calls: Sequence[str]) -> Counter[tuple[str, str]]:
    """How often an undisturbed run makes each of `calls` on each of `names`: the most that one thread makes."""
    counted: Counter[tuple[str, str]] = Counter()
    for name in names:
        log = scene.folder.with_name("calls.log")
        ended = _traced(launcher, scene, log, "-P", str(scene.folder / name), "-e", f"trace={','.join(calls)}")
        assert ended.code == 0, ended.stderr
        found = Counter(
            (match["call"], match["pid"]) for match in map(_CALL.match, log.read_text().split("\n")) if match
        )
        for (call, _), count in found.items():
            counted[name, call] = max(counted[name, call], count)
        scene.remove()
        scene.renew()
    return counted


def run_with(launcher: Launcher, scene: Scene, fault: Fault) -> tuple[Ended, bool]:
    """Run the scene's command with `fault`; how it ended, and whether it came to that call."""
    log = scene.folder.with_name("fault.log")
    ended = _traced(
        launcher,
        scene,
        log,
        *("-P", str(scene.folder / fault.name), "-e", f"trace={fault.call}"),
        *("-e", f"inject={fault.call}:{fault.what}:when={fault.when}"),
    )
    return ended, "(INJECTED)" in log.read_text() or ended.code == -9


def _traced(launcher: Launcher, scene: Scene, log: Path, *options: str) -> Ended:
    pid = launcher.start(scene.arguments, held=True)
    tracer, said = _attach(pid, "-o", str(log), *options)
    launcher.go()
    (ended,) = launcher.wait()
    tracer.communicate(timeout=60)
    assert _ATTACHED in said, said
    return ended


def _attach(pid: int, *options: str) -> tuple[subprocess.Popen[str], str]:
    """strace at work on the process `pid`, and the line that it said when it was, or why it is not."""
    command = ["strace", "-f", "-p", str(pid), *options]
    tracer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    return tracer, tracer.stderr.readline()
