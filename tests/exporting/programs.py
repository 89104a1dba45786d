"""The program of an export's README, run as a person would run it, or with a stand-in for the runtime."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import chdir, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

Compute = Callable[[dict[str, np.ndarray]], np.ndarray]


def code_of(folder: Path) -> str:
    """The program in the README of the export in `folder`."""
    (found,) = re.findall(r"^```python\n(.*?)^```$", (folder / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    return str(found)


def run_program(folder: Path, texts: Sequence[str], *, python: str = sys.executable) -> list[dict[str, Any]]:
    """What the program prints for `texts`, in a process of its own that finds no package of ours."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-c", code_of(folder), *texts],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def run_with(folder: Path, texts: Sequence[str], compute: Compute) -> list[dict[str, Any]]:
    """What the program prints for `texts` where `compute` is the runtime: it makes logits of arrays by their names."""

    class Session:
        def __init__(self, _path: str) -> None: ...

        def run(self, _outputs: None, given: dict[str, np.ndarray]) -> list[np.ndarray]:
            return [compute(given)]

    runtime = ModuleType("onnxruntime")
    runtime.InferenceSession = Session  # type: ignore[attr-defined]
    before, argv = sys.modules.get("onnxruntime"), sys.argv
    sys.modules["onnxruntime"], sys.argv = runtime, ["program.py", *texts]
    said = io.StringIO()
    try:
        with chdir(folder), redirect_stdout(said):
            exec(compile(code_of(folder), "program.py", "exec"), {})
    finally:
        sys.argv = argv
        sys.modules.pop("onnxruntime")
        if before is not None:
            sys.modules["onnxruntime"] = before
    return [json.loads(line) for line in said.getvalue().splitlines()]
