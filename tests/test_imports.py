"""What the command line loads before it has work to do: a list of modules, and a stopwatch beside it.

A click program that prints its help loads click; `scorer --help` may load its own light files besides, and the few
modules of the standard library that are listed here. Everything else (Arrow, torch, transformers) waits for arguments
that are right.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SLOWER_THAN_CLICK = 2.5
RUNS = 15

# Our own files: the command line, the settings, the error tree. Beneath `scorer.cli` every
# module is light.
OWN = {"scorer", "scorer.__main__", "scorer.config", "scorer.errors", "scorer.version"}
OWN |= {
    f"scorer.config.{name}"
    for name in (
        "adapt",
        "advise",
        "check",
        "choices",
        "data",
        "diff",
        "doctor",
        "evaluate",
        "export",
        "fit",
        "groups",
        "job",
        "network",
        "push",
        "score",
        "serve",
    )
}
OWN |= {"scorer.config.presets", "scorer.config.reading", "scorer.config.settings"}
# What those need of the standard library beyond what click loads anyway.
STANDARD = {
    *("copy", "dataclasses", "gc"),
    *("difflib", "heapq", "_heapq"),
    *("glob", "pathlib", "ntpath", "ipaddress", "urllib", "urllib.parse"),
}
HEAVY = {
    "numpy",
    "pyarrow",
    "torch",
    "transformers",
    "tokenizers",
    "datasets",
    "polars",
    "pandas",
    "tqdm",
    "safetensors",
}

PRINT_MODULES = "import sys; print('\\n'.join(sorted(sys.modules)), file=sys.stderr)"
# `python -m scorer` runs __main__, which exits: the modules are printed on the way out.
AT_EXIT = f"import atexit; atexit.register(lambda: exec({PRINT_MODULES!r}))"


def modules_after(code: str, *arguments: str) -> set[str]:
    """The modules a fresh interpreter has loaded after `code`, with `arguments` as its command line."""
    done = subprocess.run(
        [sys.executable, "-c", f"{AT_EXIT}\n{code}", *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return set(done.stderr.split())


RUN_SCORER = "import runpy; runpy.run_module('scorer', run_name='__main__', alter_sys=True)"


@pytest.fixture(scope="module")
def click_modules() -> set[str]:
    """What click needs to print a help page, runpy included, without anything of ours."""
    program = "import runpy, click; click.Command('x', help='y', params=[click.Option(['-n'])]).main()"
    return modules_after(program, "--help")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["doctor", "--help"],
        ["adapt", "--help"],
        ["fit", "--help"],
        ["evaluate", "--help"],
        ["run", "--help"],
        ["score", "--help"],
        ["--version"],
    ],
)
def test_help_loads_little_beyond_click(click_modules, arguments):
    loaded = modules_after(RUN_SCORER, *arguments) - click_modules
    surprising = {
        module for module in loaded if module not in OWN | STANDARD and module.split(".")[:2] != ["scorer", "cli"]
    }
    assert not surprising, f"not in the allowlist: {', '.join(sorted(surprising))}"


def test_importing_the_package_loads_nothing_heavy():
    loaded = modules_after("import scorer; scorer.fit, scorer.score, scorer.load")
    assert {"scorer", "scorer.version"} == {module for module in loaded if module.split(".")[0] == "scorer"}
    assert not loaded & (HEAVY | {"click"})


@pytest.mark.parametrize(
    "arguments",
    [
        ["score", "missing.parquet", "out.parquet"],
        ["score", "--no-such-flag"],
        ["adapt", "missing.csv"],
        ["advise", "missing.csv"],
        ["fit", "missing.csv"],
        ["check", "missing.csv"],
        ["completion", "csh"],
        ["doctor", "unexpected"],
        ["evaluate", "missing.csv"],
        ["push", "missing", "no-owner"],
        ["run", "missing.toml"],
        ["nonsense"],
    ],
)
def test_a_usage_error_is_found_before_anything_heavy_is_loaded(arguments, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", f"{AT_EXIT}\n{RUN_SCORER}", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
    )
    message, *loaded = done.stderr.splitlines()
    assert done.returncode in (2, 66)
    assert message.startswith("scorer: error: ")
    assert not set(loaded) & HEAVY


@pytest.mark.stopwatch
def test_help_takes_little_longer_than_importing_click():
    """The best of interleaved runs, so that whatever else the machine does meets both alike."""
    ours, clicks = [], []
    for _ in range(RUNS):
        clicks.append(seconds("-c", "import click"))
        ours.append(seconds("-m", "scorer", "--help"))
    assert min(ours) <= SLOWER_THAN_CLICK * min(clicks), f"{min(ours):.3f} s against {min(clicks):.3f} s"


def seconds(*arguments: str) -> float:
    """Wall time of a fresh interpreter with `arguments`."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start
