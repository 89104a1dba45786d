"""What tests of the examples share: a folder that looks like a checkout where they are used, and the programs that
check files of others."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

JOBS = Path(__file__).parents[2] / "jobs"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the job files of `jobs/`, as they stand; it is the current one. Rows are scored alone, so that
    bytes can be compared."""
    for name in os.environ:
        if name.startswith("SCORER_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SCORER_PRECISION", "fp32")
    monkeypatch.setenv("SCORER_BATCH_TOKENS", "1")
    (tmp_path / "jobs").mkdir()
    for path in (*JOBS.glob("*.toml"), *JOBS.glob("*.py")):
        shutil.copy(path, tmp_path / "jobs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """`program("hadolint")`: where it is, beside this Python or on the PATH; a test without it is skipped."""

    def find(name: str) -> str:
        beside = Path(sys.executable).with_name(name)
        found = str(beside) if beside.exists() else shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is not installed")
        return found

    return find
