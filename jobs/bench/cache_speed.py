"""The second night: a job with `--cache` most of whose texts were scored by the job before.

    python jobs/bench/cache_speed.py [--rows 16384] [--known 0.95] [--rounds 3]

Each round has a cache of its own and scores two files: one of new texts, then one of which that share is known, in
another order. Told is the second job's time as a share of the first's, of the stream (first row read to last row
written) and of the whole call. Texts are those of the workload `mixed`, numbered so that no two are equal; the model is
that of score_speed.py.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import scorer
from harness.model import fitted_model
from overhead_speed import MAX_LENGTH, add_options, mixed
from scorer.engines.summary import ScoreSummary


def main() -> None:
    parser = argparse.ArgumentParser(
        description="a job with a cache that knows most texts, against the job that filled it"
    )
    add_options(parser, rows=16_384)
    parser.add_argument("--known", type=float, default=0.95)
    options = parser.parse_args()
    known = round(options.rows * options.known)
    texts = mixed(2 * options.rows - known, options)
    model = options.model or fitted_model(options.cache, options.realdata)
    stream, whole = [], []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            first = _score(texts[: options.rows], Path(folder), "first", model)
            second = _score(texts[-options.rows :], Path(folder), "second", model)
        assert second.reused_rows == known, "the second file shares other texts than it should"
        stream.append(second.stream_seconds / first.stream_seconds)
        whole.append(second.seconds / first.seconds)
        print(f"first {first.stream_seconds:.2f} s, second {second.stream_seconds:.2f} s", flush=True)
    print(f"{options.rows} rows, {known} of them known: {statistics.median(stream):.3f} of the first stream's time")
    print(f"with loading: {statistics.median(whole):.3f} ({min(whole):.3f} to {max(whole):.3f})")


def _score(texts: list[str], folder: Path, name: str, model: Path) -> ScoreSummary:
    shuffled = random.Random(name).sample(texts, len(texts))
    source = folder / f"{name}.parquet"
    pq.write_table(pa.table({"text": shuffled}), source)
    target = folder / f"{name}.scored.parquet"
    return scorer.score(source, target, model=str(model), max_length=MAX_LENGTH, cache=folder / "cache")


if __name__ == "__main__":
    main()
