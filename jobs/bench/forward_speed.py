"""The forward pass alone, under the microscope: token ids in, logits out, for every backend, precision and budget.

    python jobs/bench/forward_speed.py                                     # the mixed workload
    python jobs/bench/forward_speed.py --backends packed --precisions bf16 --budgets 1024 2048 4096 8192
    python jobs/bench/forward_speed.py --workload constant --limit 128

Reading, tokenizing and writing are left out: this is for tuning, not for comparing with anybody.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections import deque
from pathlib import Path
from typing import get_args

import torch

from harness import workloads
from harness.ceiling import Ceiling
from harness.model import fitted_model
from harness.work import flop_per_token
from scorer.classifier import batches
from scorer.classifier.classifier import Classifier
from scorer.classifier.directory import open_model
from scorer.config import Backend
from scorer.errors import ScorerError

CACHE = Path(__file__).parents[2] / ".cache" / "bench"


def main() -> None:
    options = _options()
    os.environ["HF_HUB_OFFLINE"] = "1"
    torch.set_num_threads(options.threads)
    folder = os.environ.get("SCORER_REALDATA")
    realdata = Path(folder) if folder else None
    model = options.model or fitted_model(options.cache, realdata)
    workload = workloads.make_workload(
        options.workload, folder=options.cache / "forward", realdata=realdata, limit=options.limit
    )
    rates = Ceiling(options.threads).rates(("fp32", "bf16"))
    work = flop_per_token(model)
    print(f"{workload.origin}: {workload.rows} rows; ceiling in tokens/s: ", end="")
    print(", ".join(f"{name} {rate / work:,.0f}" for name, rate in rates.items()))
    for backend in options.backends:
        for precision in options.precisions:
            try:
                classifier = Classifier(
                    open_model(str(model)), backend=backend, precision=precision, max_length=workload.max_length
                )
            except ScorerError as error:
                print(f"{backend} {precision}: {error}")
                continue
            _measure(classifier, workload, options, rates[precision] / work)


def _measure(classifier: Classifier, workload: workloads.Workload, options: argparse.Namespace, ceiling: float) -> None:
    """One line a budget: the median of the rounds after one that warms up."""
    inputs = classifier.encode(workloads.texts_of(workload.path))
    tokens = int(inputs.lengths.sum())
    for budget in options.budgets:
        plan = batches.plan(inputs.lengths, budget=budget)
        seconds = []
        for _ in range(options.rounds + 1):
            started = time.perf_counter()
            deque(classifier.forward(inputs, plan), maxlen=0)
            seconds.append(time.perf_counter() - started)
        median = statistics.median(seconds[1:])
        engine = classifier.engine
        print(
            f"{engine.backend:9} {engine.precision}  {budget:6} tokens a batch  {tokens / median:9,.0f} tokens/s  "
            f"{tokens / median / ceiling:5.1%} of the ceiling  ({min(seconds[1:]):.2f} to {max(seconds[1:]):.2f} s)",
            flush=True,
        )


def _options() -> argparse.Namespace:
    backends = [name for name in get_args(Backend) if name not in ("auto", "onnx")]
    parser = argparse.ArgumentParser(description="The forward pass alone.")
    parser.add_argument("--workload", default="mixed", choices=workloads.names())
    parser.add_argument("--backends", nargs="+", default=backends, choices=backends)
    parser.add_argument("--precisions", nargs="+", default=["bf16", "fp32"], choices=["bf16", "fp32"])
    parser.add_argument("--budgets", nargs="+", type=int, default=[512, 1024, 2048, 4096])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--limit", type=int, metavar="ROWS")
    parser.add_argument("--model", type=Path, metavar="DIR")
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR")
    return parser.parse_args()


if __name__ == "__main__":
    main()
