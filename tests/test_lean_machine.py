"""`make test-gpu` on a machine with a GPU and little else: pyarrow, torch, transformers, click, numpy and pytest."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# What the tests of other rooms import, and scoring does not need.
ABSENT = (
    "accelerate",
    "hypothesis",
    "matplotlib",
    "openvino",
    "pandas",
    "peft",
    "polars",
    "scipy",
    "sklearn",
)
LEAN = f"""
import sys
from importlib.machinery import PathFinder
find = PathFinder.find_spec
class Others:
    def __call__(self, name, *rest):
        return None if name.partition(".")[0] in {ABSENT} else find(name, *rest)
PathFinder.find_spec = Others()
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def command() -> list[str]:
    """What make runs, behind `python -m pytest`."""
    if shutil.which("make") is None:
        pytest.skip("no make")
    dry = ["make", "--no-print-directory", "-n", "test-gpu", "ENV=", f"BIN={Path(sys.executable).parent}"]
    [line] = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return line.partition("-m pytest ")[2].split()


def test_the_files_with_gpu_tests_are_found(command):
    assert command[:2] == ["-m", "gpu"]
    assert "tests/classifier/forward/test_cuda.py" in command[2:]
    marked = {path for path in ROOT.glob("tests/**/test_*.py") if "pytest.mark." + "gpu" in path.read_text("utf-8")}
    assert {ROOT / name for name in command[2:]} == marked


def test_they_can_be_collected_without_what_scoring_does_not_need(command):
    arguments = [*command, "--collect-only", "-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    done = subprocess.run(
        [sys.executable, "-c", LEAN, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "test_networks_as_wide_as_real_ones" in done.stdout
