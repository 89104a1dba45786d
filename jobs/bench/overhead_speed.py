"""Everything but the model: how fast a score job runs when its forward pass costs nothing, against the tokenizer alone.

    python jobs/bench/overhead_speed.py [--rows 65536] [--rounds 3]

Both get the same texts, on the same cores, in turns. The job reads, keys, tokenizes, plans, restores and writes; its
forward pass returns zeros. Texts are those of the workload `mixed`, repeated and numbered so that no two are equal; the
model is that of score_speed.py.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from tokenizers import Tokenizer

import scorer
from harness.model import fitted_model
from harness.workloads import make_workload, texts_of
from scorer.classifier import classifier
from scorer.classifier.forward.choice import Choice, choose_forward
from scorer.classifier.forward.spec import Work
from scorer.classifier.loading import LoadedModel
from scorer.classifier.sequences import TokenSequences
from scorer.config import Backend

CACHE = Path(__file__).parents[2] / ".cache" / "bench"
MAX_LENGTH = 256


class Nothing:
    """A forward pass that costs nothing."""

    name = "nothing"

    def __init__(self, labels: int) -> None:
        self._labels = labels

    def __call__(self, batch: TokenSequences) -> NDArray[np.float32]:
        return np.zeros((len(batch), self._labels), np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description="a score job without its model, against the tokenizer alone")
    add_options(parser, rows=65_536)
    options = parser.parse_args()
    model = options.model or fitted_model(options.cache, options.realdata)
    texts = mixed(options.rows, options)
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_LENGTH)
    classifier.choose_forward = _nothing
    tokens = sum(len(encoding.ids) for encoding in tokenizer.encode_batch_fast(texts))
    seconds: dict[str, list[float]] = {"tokenizer alone": [], "job, reuse": [], "job, --no-reuse": []}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in.parquet"
        pq.write_table(pa.table({"text": texts}), source)
        for number in range(options.rounds):
            begun = time.perf_counter()
            tokenizer.encode_batch_fast(texts)
            seconds["tokenizer alone"].append(time.perf_counter() - begun)
            for name, reuse in (("job, reuse", True), ("job, --no-reuse", False)):
                target = Path(folder) / f"{number}-{reuse}.parquet"
                summary = scorer.score(source, target, model=str(model), max_length=MAX_LENGTH, reuse=reuse)
                seconds[name].append(summary.stream_seconds)
    alone = statistics.median(seconds["tokenizer alone"])
    print(f"{options.rows} rows, {tokens} tokens")
    for name, values in seconds.items():
        median = statistics.median(values)
        print(f"{name:18} {tokens / median:12,.0f} tokens/s  {alone / median:5.2f} of the tokenizer's speed")


def _nothing(loaded: LoadedModel, backend: Backend, work: Work) -> Choice:
    """The choice that a job makes, with a forward pass that costs nothing in its place."""
    return dataclasses.replace(choose_forward(loaded, backend, work), forward=Nothing(len(loaded.labels)))


def add_options(parser: argparse.ArgumentParser, *, rows: int) -> None:
    """What both commands that use `mixed` ask for."""
    realdata = os.environ.get("SCORER_REALDATA")
    parser.add_argument("--rows", type=int, default=rows)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", type=Path, metavar="DIR", help="a model directory; the default is fitted for it")
    parser.add_argument("--realdata", type=Path, default=realdata and Path(realdata), metavar="DIR")
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR", help="what is made once (default: .cache)")


def mixed(count: int, options: argparse.Namespace) -> list[str]:
    """`count` different texts of mixed lengths."""
    workload = make_workload("mixed", folder=options.cache / "workloads", realdata=options.realdata)
    base = texts_of(workload.path)
    return [f"{number} {base[number % len(base)]}" for number in range(count)]


if __name__ == "__main__":
    main()
