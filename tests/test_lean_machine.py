"""`make test-gpu` on a machine with a GPU and little else: pyarrow, torch, transformers, click, numpy and pytest."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# What a machine with a GPU has, and all that any of these needs.
THERE = ("click", "numpy", "pyarrow", "pytest", "torch", "transformers")
LEAN = """
import sys
from importlib.machinery import PathFinder
find = PathFinder.find_spec
absent = frozenset(sys.argv.pop(1).split(","))
class Others:
    def __call__(self, name, *rest):
        return None if name.partition(".")[0] in absent else find(name, *rest)
PathFinder.find_spec = Others()
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


def absent() -> set[str]:
    """The modules of every package installed here that a lean machine lacks."""
    there: set[str] = set()
    waiting = list(THERE)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in there:
            continue
        there.add(name)
        try:
            needed = requires(name) or []
        except PackageNotFoundError:  # for another system, or for another Python
            continue
        waiting += [re.split(r"[^\w.-]", line)[0] for line in needed if "extra ==" not in line]
    packages = packages_distributions().items()
    return {
        module
        for module, owners in packages
        if not any(re.sub(r"[-_.]+", "-", owner).lower() in there for owner in owners)
    }


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
    lacking = absent() - {"scorer", "tests"}
    assert {"polars", "hypothesis", "scipy"} <= lacking
    assert not {"torch", "tokenizers", "safetensors", "pyarrow", "pytest"} & lacking
    arguments = [*command, "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-c", LEAN, ",".join(sorted(lacking)), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "test_networks_as_wide_as_real_ones" in done.stdout
