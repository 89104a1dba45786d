"""Score commands as forks of one process that has imported everything: a start takes milliseconds, not seconds.

Owns that process and what is said to it. A child is the whole command: it has a process number, locks, threads and
files of its own, it runs `scorer.cli.main.run` and ends with its exit code, so a signal sent to it is a real one. It
skips the import of the libraries, which no crash can spoil, and their dismantling when the command's work is done.
Does not know what the tests do to the children.

`python -m tests.torture.launcher` is the process; `Launcher` starts it and talks to it, a line of JSON each way.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[2]
_HEAVY = (
    "scorer.cli.main",
    "scorer.engines.score_job",
    "scorer.classifier.classifier",
    "transformers.models.bert.modeling_bert",
)
_PR_SET_PTRACER = 0x59616D61
_ANYBODY = ctypes.c_ulong(-1)


@dataclass(frozen=True)
class Ended:
    """How a child ended: its exit code (or minus the signal), what it printed, and the time (seconds, monotonic)."""

    pid: int
    code: int
    stdout: str
    stderr: str
    at: float

    @property
    def summary(self) -> dict[str, Any]:
        """The JSON summary on its stdout."""
        found: dict[str, Any] = json.loads(self.stdout)
        return found


class Launcher:
    """The process, with its notes in `folder`. Start any number of children, then wait for all of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SCORER_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.launcher"],
            cwd=ROOT,
            env={**inherited, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._answer()

    def start(
        self,
        arguments: Sequence[str | Path],
        *,
        held: bool = False,
        file_size: int | None = None,
        stdout: Path | None = None,
    ) -> int:
        """The process number of a child that runs `scorer` with `arguments`.

        A child that is `held` waits for `go`. No file that it writes may grow beyond `file_size` bytes. `stdout` is
        where its stdout goes, a file of the launcher's own when not given.
        """
        return int(
            self._ask(
                do="start",
                arguments=[str(argument) for argument in arguments],
                held=held,
                file_size=file_size,
                stdout=None if stdout is None else str(stdout),
                folder=str(self._folder),
            )
        )

    def go(self) -> float:
        """Let all held children go at once; the time (seconds, monotonic)."""
        return float(self._ask(do="go"))

    def wait(self) -> list[Ended]:
        """Wait until every child has ended."""
        return [self._ended(pid, code, at) for pid, code, at in self._ask(do="wait")]

    def run(self, arguments: Sequence[str | Path], **options: Any) -> Ended:
        """Start one child and wait for it."""
        self.start(arguments, **options)
        (ended,) = self.wait()
        return ended

    def close(self) -> None:
        self._process.communicate(timeout=60)

    def _ended(self, pid: int, code: int, at: float) -> Ended:
        printed = [self._folder / f"{pid}.{name}" for name in ("stdout", "stderr")]
        texts = [path.read_text(encoding="utf-8") if path.exists() else "" for path in printed]
        for path in printed:
            path.unlink(missing_ok=True)
        return Ended(pid, code, texts[0], texts[1], at)

    def _ask(self, **request: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the launcher has died; what it printed says why"
        return json.loads(line)


class _Server:
    """The launching side: one request after the other, in a process that has one thread."""

    def __init__(self) -> None:
        self._gate: tuple[int, int] | None = None
        self._children = 0

    def serve(self) -> None:
        for name in _HEAVY:
            importlib.import_module(name)
        # A fork takes one thread along: others would leave their locks behind, held for ever. Arrow's jemalloc, whose
        # thread starts with it, makes itself whole again after a fork.
        threads = {path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")}
        assert len(threads - {"jemalloc_bg_thd"}) == 1, f"threads after the imports: {threads}"
        gc.collect()
        gc.freeze()  # what a child never looks at is never copied for it
        self._say(None)
        while line := sys.stdin.buffer.readline():
            request = json.loads(line)
            self._say(getattr(self, request.pop("do"))(**request))

    def start(self, *, held: bool, **how: Any) -> int:
        if held and self._gate is None:
            self._gate = os.pipe()
        pid = os.fork()
        if pid == 0:
            self._become(held=held, **how)
        self._children += 1
        return pid

    def go(self) -> float:
        assert self._gate is not None, "nobody is held"
        for end in self._gate:
            os.close(end)
        self._gate = None
        return time.monotonic()

    def wait(self) -> list[tuple[int, int, float]]:
        ended = []
        for _ in range(self._children):
            pid, status = os.waitpid(-1, 0)
            ended.append((pid, os.waitstatus_to_exitcode(status), time.monotonic()))
        self._children = 0
        return ended

    def _become(
        self, arguments: list[str], *, held: bool, file_size: int | None, stdout: str | None, folder: str
    ) -> NoReturn:
        printed = f"{folder}/{os.getpid()}"
        _redirect(0, os.devnull, os.O_RDONLY)
        _redirect(2, f"{printed}.stderr", os.O_WRONLY | os.O_CREAT)
        if self._gate is not None:
            os.close(self._gate[1])
            if held:
                ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANYBODY)  # where only parents may trace: strace is none
                os.read(self._gate[0], 1)
            os.close(self._gate[0])
        _redirect(1, stdout or f"{printed}.stdout", os.O_WRONLY | os.O_CREAT)
        if file_size is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
        sys.argv = ["scorer", *arguments]
        from scorer.cli.main import run

        try:
            run()
        except SystemExit as ended:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(ended.code if isinstance(ended.code, int) else 1)
        raise AssertionError("run exits")

    @staticmethod
    def _say(answer: Any) -> None:
        os.write(1, json.dumps(answer).encode() + b"\n")


def _redirect(number: int, path: str, flags: int) -> None:
    handle = os.open(path, flags, 0o644)
    os.dup2(handle, number)
    os.close(handle)


if __name__ == "__main__":
    _Server().serve()
