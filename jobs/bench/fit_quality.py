"""How good fitted models are, beside the script that everybody writes, on real data sets; see README.md.

    make quality                                            # everything: hours
    python jobs/bench/fit_quality.py --seeds 1 --only scorer/sst5 plain/sst5
    python jobs/bench/fit_quality.py --write                # the page of what has been measured so far

Each figure is kept as it comes, so that an interrupted measurement goes on where it stopped; --again begins anew.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from quality import experiments
from quality.page import page
from quality.tasks import parsed, tasks
from scorer.version import __version__

CACHE = Path(__file__).parents[2] / ".cache" / "bench"
PAGE = Path(__file__).with_name("QUALITY.md")
# A window is a sequence of its own, and a review has eight: one pass over them is more than three over beginnings.
LONG_TEXT_EPOCHS = {"truncate": 3, "head-tail": 3, "window": 1}
# Ways to fit, measured where labels are few and options therefore matter.
OPTIONS = (
    "--preset default",
    "--preset quick",
    "--preset best",
    "--lora-rank 8",
    "--lora-rank 8 --learning-rate 1e-4",
    "--layer-decay 0.9",
    "--freeze-layers 3",
    "--label-smoothing 0.1",
    "--focal-gamma 2",
)
OPTION_ROWS = 2_000
LIBRARIES = ("torch", "transformers", "tokenizers")


def main() -> None:
    options = _options()
    os.environ["HF_HUB_OFFLINE"] = "1"
    options.cache.mkdir(parents=True, exist_ok=True)
    file = options.cache / "quality.json"
    kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() and not options.again else {}
    for name, measure in _work(options):
        if name in kept or (options.only and not any(name.startswith(asked) for asked in options.only)):
            continue
        kept[name] = measure()
        file.write_text(json.dumps(kept, indent=1), encoding="utf-8")
        print(name, json.dumps(kept[name]), file=sys.stderr, flush=True)
    text = page(kept, versions={"scorer": __version__} | {name: version(name) for name in LIBRARIES})
    if options.write:
        PAGE.write_text(text, encoding="utf-8")
    print(text)


def _work(options: argparse.Namespace) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Every experiment by its name; our fit and the plain script's stand side by side, so that they share the machine's
    mood."""
    found = tasks(options.realdata, rows=options.rows)
    for seed in options.seeds:
        for name, task in found.items():
            # A name says how much of the data set was learned.
            variant = name if options.rows is None else f"{name}-{options.rows}"
            yield f"scorer/{variant}/{seed}", partial(experiments.scorer_fit, task, seed)
            yield f"plain/{variant}/{seed}", partial(experiments.plain_fit, task, seed)
        yield f"errors/sst2/{seed}", partial(experiments.label_errors, found["sst2"], seed)
        unextended = partial(experiments.fit_with, found["waimai"], "--no-extend-vocabulary", seed)
        yield f"unextended/waimai/{seed}", unextended
        few = dataclasses.replace(found["sst2"], rows=OPTION_ROWS)
        for chosen in OPTIONS:
            yield f"options/{chosen}/{seed}", partial(experiments.fit_with, few, chosen, seed)
        file = options.realdata / "movie_reviews_long.parquet"
        for mode, epochs in LONG_TEXT_EPOCHS.items():
            yield (
                f"long/{mode}, {epochs} epochs/{seed}",
                partial(experiments.long_text, file, mode, seed, epochs=epochs),
            )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How good fitted models are.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="what to measure, such as scorer/sst5 or errors")
    parser.add_argument("--rows", type=int, help="only the first rows of each training file")
    parser.add_argument("--again", action="store_true", help="forget what was measured before")
    parser.add_argument("--write", action="store_true", help="write QUALITY.md")
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR")
    return parsed(parser)


if __name__ == "__main__":
    main()
