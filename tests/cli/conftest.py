"""The command line within the test's own process, as fast as a call, with the exit code and both streams; and on a
terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


@pytest.fixture
def cli(monkeypatch, capfd, tmp_path) -> Callable[..., Ran]:
    """`cli("score", "in.csv", ...)`: what `scorer score in.csv ...` gives, in the test's folder."""
    from scorer.cli.main import _exit_code

    for name in os.environ:
        if name.startswith("SCORER_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, **environment: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["scorer", *map(str, arguments)])
        capfd.readouterr()
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            code = _exit_code()
        return Ran(code, *capfd.readouterr())

    return run


@pytest.fixture
def on_terminal(forked, tmp_path) -> Callable[..., tuple[int, str]]:
    """`on_terminal("score", ...)`: the exit code, and what stands on the terminal of 100 columns afterwards."""

    def run(*arguments: str) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
        process = subprocess.Popen([*forked, *arguments], cwd=tmp_path, env=os.environ | {"COLUMNS": "100"}, **streams)
        os.close(theirs)
        seen = b""
        while True:
            try:
                more = os.read(ours, 1 << 16)
            except OSError:  # the other side is closed
                break
            if not more:
                break
            seen += more
        os.close(ours)
        return process.wait(), seen.decode()

    return run
