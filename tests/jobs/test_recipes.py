"""The commands of the front pages and of the recipes, run as they stand, one after the other, in a copy of a checkout.

A tiny base model and a few steps make a fit cheap: the environment says so. Nothing of the commands is changed but the
name of a model of the hub.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from tests.test_documents import ROOT

# Making an environment is what whoever runs this has done.
NOT_HERE = ("python3 -m venv", "pip install")
# What a first run of these would take from the hub.
FROM_THE_HUB = "hfl/chinese-macbert-base"
CHEAP = {
    "SCORER_MAX_STEPS": "20",
    "SCORER_LEARNING_RATE": "3e-3",
    "SCORER_MAX_LENGTH": "24",
    "SCORER_PRECISION": "fp32",
}

Run = Callable[[str], None]


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """The blocks of a page that a reader pastes, with their language: none for a shell."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if language in ("", "python"):
            yield language, block


def commands(page: str) -> list[str]:
    """The shell commands of a page, line by line."""
    lines = [line for language, block in blocks(page) if not language for line in block.splitlines()]
    return [line for line in lines if not line.startswith((*NOT_HERE, "make "))]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The scripts and job files of this checkout, in a folder of their own."""
    for folder in ("data", "jobs"):
        kept = [path for path in (ROOT / folder).iterdir() if path.suffix in (".py", ".toml", ".csv")]
        (tmp_path / folder).mkdir()
        for path in kept:
            shutil.copy(path, tmp_path / folder)
    (tmp_path / "models").mkdir()
    return tmp_path


@pytest.fixture
def run(checkout: Path, tiny_model: Callable[..., Path], forked: list[str]) -> Run:
    """`run(line)`: a line as a shell does it, which must succeed; the commands it finds are ours."""
    programs = checkout.parent / f"{checkout.name}-bin"
    programs.mkdir()
    for name, command in (("scorer", " ".join(forked)), ("python", sys.executable), ("python3", sys.executable)):
        (programs / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (programs / name).chmod(0o755)
    base = tiny_model("bert")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SCORER_")}
    environment = inherited | CHEAP | {"SCORER_BASE_MODEL": str(base), "PYTHONPATH": str(ROOT)}
    environment["PATH"] = f"{programs}:{os.environ['PATH']}"

    def run(line: str) -> None:
        shell = ["bash", "-euo", "pipefail", "-c", line.replace(FROM_THE_HUB, str(base))]
        done = subprocess.run(shell, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"

    return run


def test_the_chinese_front_page(checkout: Path, run: Run) -> None:
    lines = commands("README.zh.md")
    begin = next(place for place, line in enumerate(lines) if line.startswith("python data/"))
    folders, others = ([line for line in lines[begin:] if ("inbox" in line) == inbox] for inbox in (True, False))
    for line in others:
        run(line)
    rows = pl.read_csv(checkout / "data/takeaway_scored.csv")
    assert rows.columns == ["day", "review", "score", "confidence", "score_status"]
    assert len(rows) == 800
    assert set(rows["score"]) <= {0, 1}
    page = (checkout / "data/takeaway.html").read_text(encoding="utf-8")
    assert "Labels over time" in page
    (checkout / "data/inbox").mkdir()
    shutil.copy(checkout / "data/takeaway_new.csv", checkout / "data/inbox")
    for line in folders:
        run(line)
    assert (checkout / "data/scored/takeaway_new.csv").exists()


@pytest.mark.slow
def test_the_front_page(checkout: Path, run: Run) -> None:
    lines = commands("README.md")
    # The two commands that come first want the sample, which comes after.
    assert lines[:2] == [line for line in lines if line.startswith(("scorer fit", "scorer score"))][:2]
    for line in lines[2:]:
        run(line)
    rows = pl.read_parquet(checkout / "data/reviews.scored.parquet")
    assert len(rows) == len(pl.read_parquet(checkout / "data/reviews.parquet"))
    assert (checkout / "data/reviews.html").exists()
    for line in lines[:2]:
        assert line.partition("   ")[0] in "\n".join(lines[2:])


@pytest.mark.slow
def test_the_recipes(checkout: Path, run: Run) -> None:
    for number, (language, block) in enumerate(blocks("jobs/recipes/README.md")):
        if language == "python":
            (checkout / f"block-{number}.py").write_text(block, encoding="utf-8")
            run(f"python block-{number}.py")
        else:
            for line in block.splitlines():
                run(line)
    rated = pl.read_parquet(checkout / "data/rated.parquet")
    assert rated["expected"].is_between(1, 5).all()
    assert "Labels over time" in (checkout / "data/rated.html").read_text(encoding="utf-8")
    teams = {path.name for path in (checkout / "data/routed").iterdir() if path.name.startswith("score=")}
    assert teams <= {f"score={name}" for name in (*rated["domain"].unique(), "__HIVE_DEFAULT_PARTITION__")}
    doubtful = pl.read_parquet(checkout / "data/moderated/*.parquet").filter(
        pl.col("score_status").cast(pl.String) == "abstain"
    )
    queued = [pl.read_csv(path) for path in (checkout / "data/queue").glob("*.csv")]
    assert sum(map(len, queued)) == len(doubtful)
    assert {path.parent.name for path in (checkout / "data/scored").rglob("*.parquet")} == {
        "day=2026-03-01",
        "day=2026-03-02",
    }
