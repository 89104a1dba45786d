"""What texts without labels are worth: Chinese hotel reviews, and take-away reviews fitted after them.

    python jobs/bench/adapt_gain.py OUT [--seeds 1 2 3] [--rows N] [--only adapt scratch fit-adapted ...]

Adapts the default base model, whose vocabulary is English, to the reviews of hotel_zh.parquet, and makes
a model of four layers of nothing but them. Then waimai_train.csv is fitted on each, and on the default base model
alone, and waimai_test.csv evaluated. The files lie in the folder that SCORER_REALDATA names. What stands in OUT is not
made again, and what was interrupted goes on: kill it and start it again at will.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

STEPS = ("adapt", "scratch", "fit-plain", "fit-adapted", "fit-scratch")
ADAPT = ("--batch-size", "16", "--epochs", "5", "--learning-rate", "2e-4")
SCRATCH = ("--from-scratch", "--batch-size", "8", "--max-steps", "200", "--eval-steps", "200")


def main() -> None:
    parser = argparse.ArgumentParser(description="a fit on an adapted model, on one from nothing, and on the default")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--rows", type=int, help="fit on the first so many rows alone")
    parser.add_argument("--only", nargs="+", choices=STEPS, default=list(STEPS))
    options = parser.parse_args()
    data = Path(os.environ["SCORER_REALDATA"])
    options.out.mkdir(parents=True, exist_ok=True)
    for step in options.only:
        kind = step.removeprefix("fit-")
        if not step.startswith("fit-"):
            extra = SCRATCH if kind == "scratch" else ADAPT
            done = job("adapt", [data / "hotel_zh.parquet", "--text-column", "review", *extra], options.out / kind)
            told(step, done)
            continue
        base = {"plain": [], "adapted": ["adapt"], "scratch": ["scratch"]}[kind]
        found = [_fitted(data, options, kind, base, seed) for seed in options.seeds]
        print(
            f"{step}: test accuracy {statistics.mean(found):.4f} ({min(found):.4f} to {max(found):.4f}), seeds "
            f"{options.seeds}; the larger class alone {_larger_class(data):.4f}",
            flush=True,
        )


def _fitted(data: Path, options: argparse.Namespace, kind: str, base: Sequence[str], seed: int) -> float:
    """The accuracy on the test file of a fit with `seed` on the model in the folder that `base` names."""
    out = options.out
    model = out / f"{kind}-{options.rows or 'all'}-{seed}"
    extra = ["--base-model", out / base[0]] if base else []
    extra += ["--limit", options.rows] if options.rows else []
    # What knows little has to learn more.
    extra += ["--learning-rate", "5e-4"] if kind == "scratch" else []
    told(model.name, job("fit", [data / "waimai_train.csv", "--seed", seed, "--no-latest", *extra], model))
    evaluated = command("evaluate", data / "waimai_test.csv", "-m", model)
    return float(evaluated["metrics"]["accuracy"])


def job(name: str, arguments: Sequence[Any], out: Path) -> dict[str, Any]:
    """The summary of a job that writes `out`; it goes on where it was interrupted, and is kept when it is done."""
    kept = out.with_suffix(".json")
    if kept.exists():
        found: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        return found
    unfinished = out.with_name(out.name + ".unfinished")
    resumed = any(unfinished.glob("checkpoint-*")) if unfinished.exists() else False
    again = ["--resume"] if resumed else ["--force"]
    summary = command(name, *arguments, "-o", out, *again)
    kept.write_text(json.dumps(summary), encoding="utf-8")
    return summary


def command(*arguments: Any) -> dict[str, Any]:
    """The summary of the command `scorer`, whose lines for people come through."""
    done = subprocess.run([sys.executable, "-m", "scorer", *map(str, arguments)], stdout=subprocess.PIPE, check=True)
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def told(name: str, summary: dict[str, Any]) -> None:
    """Say the figures of a job."""
    figures = {key: summary[key] for key in ("before", "after") if key in summary} or {
        "validation accuracy": summary["metrics"]["accuracy"]
    }
    print(f"{name}: {summary['seconds']} s, {summary['steps']} steps: {json.dumps(figures)}", flush=True)


def _larger_class(data: Path) -> float:
    """The accuracy of whoever always says the label that most rows of the test file have."""
    labels = [
        line.partition(",")[0] for line in (data / "waimai_test.csv").read_text(encoding="utf-8").splitlines()[1:]
    ]
    return max(labels.count(label) for label in set(labels)) / len(labels)


if __name__ == "__main__":
    main()
