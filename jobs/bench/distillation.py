"""What a teacher is worth to a small model: `scorer fit --layers 2` with and without `--teacher`; see README.md.

    python jobs/bench/distillation.py                                        # fits the teachers, too
    python jobs/bench/distillation.py --models DIR --only sst2 --seeds 1 2   # takes teachers that were fitted: DIR/sst2

Each figure is kept in --cache as it comes, so that an interrupted measurement goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from quality import commands
from quality.tasks import Task, parsed, tasks

CACHE = Path(__file__).parents[2] / ".cache" / "bench" / "distillation"
SETS = ("agnews", "sst2")
LAYERS = ("--layers", "2")
# The student's first layers are the base model's, or those of the teacher, which was made of it.
WAYS: Mapping[str, tuple[str, ...]] = {
    "labels alone": (),
    "teacher": ("--teacher", "{teacher}"),
    "teacher, weight 0.9": ("--teacher", "{teacher}", "--teacher-weight", "0.9"),
    "teacher, begun as it": ("--teacher", "{teacher}", "--base-model", "{teacher}"),
    "labels alone, begun as the teacher": ("--base-model", "{teacher}"),
}


def main() -> None:
    options = _options()
    os.environ["HF_HUB_OFFLINE"] = "1"
    options.cache.mkdir(parents=True, exist_ok=True)
    file = options.cache / "distillation.json"
    kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for name, task in tasks(options.realdata).items():
        if name not in options.only:
            continue
        teacher = options.models / name if options.models is not None else options.cache / f"{name}-teacher"
        if not teacher.exists():
            commands.fit(task, teacher, seed=42)
        work = {key: partial(_measure, task, words, seed) for key, words, seed in _wanted(options, name, teacher)}
        work[f"{name}, the teacher"] = partial(_judge, task, teacher)
        for key, measure in work.items():
            if key not in kept:
                kept[key] = measure()
                file.write_text(json.dumps(kept, indent=1), encoding="utf-8")
            print(f"| {key} | {kept[key]['accuracy']:.4f} | {kept[key].get('seconds', 0):.0f} s |", flush=True)


def _wanted(options: argparse.Namespace, name: str, teacher: Path) -> Iterator[tuple[str, tuple[str, ...], int]]:
    for seed in options.seeds:
        for way, words in WAYS.items():
            if not options.ways or way in options.ways:
                yield f"{name}, {way}, seed {seed}", tuple(word.format(teacher=teacher) for word in words), seed


def _measure(task: Task, words: tuple[str, ...], seed: int) -> dict[str, Any]:
    """Accuracy on the test file of a fit with so few layers, and its seconds."""
    with tempfile.TemporaryDirectory(prefix="distillation-") as folder:
        model = Path(folder) / "model"
        seconds = commands.fit(task, model, *LAYERS, *words, seed=seed)
        return _judge(task, model) | {"seconds": seconds}


def _judge(task: Task, model: Path) -> dict[str, Any]:
    found = commands.evaluate(task.test, model)
    return {name: found["metrics"][name] for name in ("accuracy", "ece")}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What a teacher is worth to a small model.")
    parser.add_argument("--only", nargs="+", default=SETS, metavar="NAME")
    parser.add_argument("--ways", nargs="+", choices=WAYS, metavar="WAY")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 1])
    parser.add_argument(
        "--models", type=Path, metavar="DIR", help="where teachers that were fitted lie, by their names"
    )
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR")
    options = parsed(parser)
    options.cache = options.cache.resolve()
    return options


if __name__ == "__main__":
    main()
