"""The command line within the test's own process: as fast as a call, with the exit code and both streams."""

from __future__ import annotations

import os
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
