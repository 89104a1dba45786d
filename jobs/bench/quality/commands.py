"""The commands that are measured, as a user runs them: fit, evaluate, and the plain script.

Owns their arguments and what is taken from their answers. Knows no data set.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from quality.tasks import Task
from scorer.classifier.base_model import resolve_base_model

PLAIN = Path(__file__).parents[1] / "plain_trainer.py"
# The script as somebody runs it who cares for speed: on a CPU with bf16 it is more than twice as fast as by default.
PLAIN_SETTINGS = ("--batch-size", "32", "--learning-rate", "5e-5", "--bf16")


def fit(task: Task, output: Path, *options: str, seed: int) -> float:
    """Fit `task` into the model directory `output`; wall seconds of the command, from its start to its end."""
    command = ["fit", str(task.train), "--label-column", task.label, "--seed", str(seed), "--output", str(output)]
    command += [part for name in task.texts for part in ("--text-column", name)]
    command += ["--valid", str(task.valid)] if task.valid else []
    command += ["--limit", str(task.rows)] if task.rows else []
    started = time.perf_counter()
    scorer(*command, *options, folder=output.parent)
    return time.perf_counter() - started


def evaluate(data: Path, model: Path, *options: str) -> dict[str, Any]:
    """What `scorer evaluate` says of `model` on `data`."""
    return scorer("evaluate", str(data), "--model", str(model), *options, folder=model.parent)


def plain(task: Task, folder: Path, *, seed: int) -> dict[str, float]:
    """Accuracy, macro F1 and seconds of the plain script with PLAIN_SETTINGS; its own test is not in its seconds."""
    base = resolve_base_model(None)[0]
    command = [sys.executable, str(PLAIN), str(task.train), str(task.test), "--label-column", task.label]
    command += ["--text-column", *task.texts, "--base-model", base, "--output", str(folder), "--seed", str(seed)]
    command += PLAIN_SETTINGS
    command += ["--valid", str(task.valid)] if task.valid else []
    command += ["--limit", str(task.rows)] if task.rows else []
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def scorer(*arguments: str, folder: Path) -> dict[str, Any]:
    """The JSON that `scorer` answers. It runs in `folder`, since a fit moves models/latest of where it runs."""
    command = [sys.executable, "-m", "scorer", *arguments]
    done = subprocess.run(command, check=True, cwd=folder, capture_output=True, text=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
