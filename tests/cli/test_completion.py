"""Tab in real shells: bash and zsh at a terminal, fish by its own question what it would offer."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

WAIT = 20.0
EMPTY_LINE = "\x15"


@pytest.fixture
def home(tmp_path, forked) -> Path:
    """A folder with files to be completed, and `scorer` as the only program of that name."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "scorer").write_text(f'#!/bin/sh\nexec {" ".join(forked)} "$@"\n')
    (programs / "scorer").chmod(0o755)
    (tmp_path / "reviews.parquet").touch()
    (tmp_path / "incoming").mkdir()
    return tmp_path


def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SCORER_", "_SCORER"))}
    return kept | {"HOME": str(home), "PATH": f"{home / 'bin'}:{os.environ['PATH']}", "PS1": "$ ", "TERM": "dumb"}


@contextmanager
def shell(home: Path, *command: str) -> Iterator[Callable[[str, str], str]]:
    """`type_(keys, until)`: what the terminal shows from then on until it shows `until`."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    ours, theirs = pty.openpty()
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    process = subprocess.Popen(command, cwd=home, env=environment(home), start_new_session=True, **streams)
    os.close(theirs)

    def type_(keys: str, until: str) -> str:
        os.write(ours, keys.encode())
        seen, end = "", time.monotonic() + WAIT
        while until not in seen:
            assert time.monotonic() < end, f"{until!r} was not shown: {seen!r}"
            if select.select([ours], [], [], 0.2)[0]:
                seen += os.read(ours, 1 << 14).decode()
        return seen

    try:
        yield type_
    finally:
        process.kill()
        process.wait()
        os.close(ours)


SETUP = {
    ("bash", "--norc", "--noprofile", "-i"): 'source <(scorer completion bash); echo re""ady\n',
    ("zsh", "-f", "-i"): 'autoload -Uz compinit; compinit -u; eval "$(scorer completion zsh)"; echo re""ady\n',
}


LINES = {
    "scorer sco": "scorer score ",
    "scorer score --back": "scorer score --backend ",
    "scorer score --precision bf": "scorer score --precision bf16 ",
    "scorer score rev": "scorer score reviews.parquet ",
    "scorer fit inc": "scorer fit incoming/",
}


@pytest.mark.parametrize("command", SETUP, ids=lambda command: command[0])
def test_tab_at_a_terminal(home, command):
    with shell(home, *command) as type_:
        type_(SETUP[command], "ready")
        for typed, completed in LINES.items():
            assert "error" not in type_(f"{typed}\t", completed)
            type_(EMPTY_LINE + "echo ag''ain\n", "again")


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("scorer sco", {"score"}),
        ("scorer score --precision ", {"auto", "fp32", "bf16", "fp16"}),
        ("scorer score rev", {"reviews.parquet"}),
        ("scorer completion ", {"bash", "zsh", "fish"}),
    ],
)
def test_what_fish_offers(home, typed, completed):
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    script = f"scorer completion fish | source; complete --do-complete '{typed}'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", script],
        cwd=home,
        env=environment(home),
        capture_output=True,
        text=True,
        check=True,
    )
    assert {line.split("\t")[0] for line in done.stdout.splitlines()} == completed
    assert done.stderr == ""


@pytest.mark.parametrize(
    "words",
    ["scorer ", "scorer run none.toml --", "scorer nonsense ", "scorer score --config none.toml --b", "scorer 'x"],
)
def test_nothing_is_said_while_a_line_is_typed(run_scorer, monkeypatch, words):
    for name, value in {
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split())),
        "_SCORER_COMPLETE": "bash_complete",
    }.items():
        monkeypatch.setenv(name, value)
    done = run_scorer()
    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_is_offered(run_scorer, monkeypatch):
    from scorer.cli.main import COMMANDS

    for name, value in {"COMP_WORDS": "scorer ", "COMP_CWORD": "1", "_SCORER_COMPLETE": "bash_complete"}.items():
        monkeypatch.setenv(name, value)
    assert run_scorer().stdout.split() == [f"plain,{name}" for name in COMMANDS]
