"""Whether `scorer advise` is right: what it recommends in minutes, beside full fits of all that it tried.

    python jobs/bench/advise_check.py OUT [--sets sst2 sst5 ...] [--minutes 3] [--no-fits]

Each set's training file is advised on. Then every way that was tried is fitted on all of its rows, with the default
seed, and evaluated on the test file; told is by how much the recommended one is less accurate than the best. What
stands in OUT is not made again, and a fit that was interrupted goes on. SCORER_REALDATA names the folder of the files.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
from pathlib import Path
from typing import Any

from adapt_gain import command, job
from quality.tasks import Task, tasks


def main() -> None:
    parser = argparse.ArgumentParser(description="what advise recommends, beside full fits of all that it tried")
    parser.add_argument("out", type=Path)
    parser.add_argument("--sets", nargs="+")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--fits", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    known = tasks(Path(os.environ["SCORER_REALDATA"]))
    for name in options.sets or known:
        task, out = known[name], options.out / name
        advice = _advice(task, out, options.minutes)
        print(f"{name}: {advice['seconds']:.0f} s: {advice['command']}")
        for way in advice["tried"]:
            print(f"  {json.dumps({key: value for key, value in way.items() if value is not None})}")
        if options.fits:
            _compare(task, advice, out)


def _advice(task: Task, out: Path, minutes: float) -> dict[str, Any]:
    kept = out.with_suffix(".advice.json")
    if not kept.exists():
        found = command("advise", task.train, *_columns(task), "--minutes", minutes)
        kept.write_text(json.dumps(found), encoding="utf-8")
    advice: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return advice


def _compare(task: Task, advice: dict[str, Any], out: Path) -> None:
    """Fit each way on all rows; say how far the recommended one is behind the best on the test file."""
    found = {}
    for place, way in enumerate(advice["tried"]):
        extra = ["--preset", way["preset"]] if way["preset"] != "default" else ["--max-length", way["max_length"]]
        if way["layers"] is not None:
            extra += ["--layers", way["layers"]]
        model = out.with_name(f"{out.name}-{place}")
        job("fit", [task.train, *_columns(task), "--no-latest", *extra], model)
        metrics = command("evaluate", task.test, "-m", model)["metrics"]
        found[place] = metrics["accuracy" if "accuracy" in way else "macro_f1"]
        print(f"  {shlex.join(map(str, extra))}: {found[place]:.4f} on the test file", flush=True)
    # The recommended one comes first; --preset best is more of the same.
    print(f"  behind the best: {100 * (max(found.values()) - found[0]):.2f} points")


def _columns(task: Task) -> list[str]:
    named = [("--text-column", column) for column in task.texts] + [("--label-column", task.label)]
    return [word for pair in named for word in pair]


if __name__ == "__main__":
    main()
