"""Scoring from polars, DuckDB, datasets and pandas beside a file of the same rows.

    python jobs/bench/frames_speed.py [--rows 100000] [--rounds 1] [--only polars duckdb]

Each runs in a process of its own, which has imported its library. Timed is all from the rows in a Parquet file to the
scored rows: for the file another Parquet file, for the others their own result. The model is loaded in that time; the
share of a file's speed is also told without it, and by the processor's time, which other work on the machine hardly
changes. Texts are short sentences, numbered so that no two are equal; the model
is that of score_speed.py.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from harness.model import fitted_model
from overhead_speed import CACHE

GROUP_ROWS = 16_384


class Took(NamedTuple):
    """Seconds of the clock, and of the processor."""

    seconds: float
    cpu: float


def of_file(source: str, target: str, model: str) -> int:
    import scorer

    return scorer.score(source, target, model=model).rows


def of_polars(source: str, _: str, model: str) -> int:
    import polars as pl

    import scorer.polars  # noqa: F401 - what gives expressions their scorer

    return pl.read_parquet(source).with_columns(pl.col("text").scorer.score(model)).height


def of_polars_streaming(source: str, target: str, model: str) -> int:
    import polars as pl

    import scorer.polars  # noqa: F401 - what gives expressions their scorer

    lazy = pl.scan_parquet(source).with_columns(pl.col("text").scorer.score(model)).unnest("scored")
    lazy.sink_parquet(target, engine="streaming")
    return pq.read_metadata(target).num_rows


def of_duckdb(source: str, _: str, model: str) -> int:
    import duckdb

    import scorer.duckdb

    con = duckdb.connect()
    scorer.duckdb.register(con, model)
    con.execute(f"CREATE TABLE scored AS SELECT id, score(text) AS s FROM '{source}'")
    return con.execute("SELECT count(s.score_status) FROM scored").fetchone()[0]


def of_datasets(source: str, _: str, model: str) -> int:
    import datasets

    import scorer.datasets

    with tempfile.TemporaryDirectory() as cache:
        return len(scorer.datasets.score(datasets.Dataset.from_parquet(source, cache_dir=cache), model))


def of_pandas(source: str, _: str, model: str) -> int:
    import pandas as pd

    import scorer.pandas

    return len(scorer.pandas.score(pd.read_parquet(source), model))


WAYS: dict[str, Callable[[str, str, str], int]] = {
    "file": of_file,
    "polars": of_polars,
    "polars-streaming": of_polars_streaming,
    "duckdb": of_duckdb,
    "datasets": of_datasets,
    "pandas": of_pandas,
}
IMPORTS = {"file": "scorer.engines.score_job", "polars-streaming": "scorer.polars"}


def main() -> None:
    parser = argparse.ArgumentParser(description="frames and queries beside a file")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=sorted(WAYS), default=list(WAYS))
    parser.add_argument("--model", help="a model directory; the default is that of score_speed.py")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--realdata", type=Path)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(timed(*options.one, model=options.model)))
        return
    model = options.model or str(fitted_model(options.cache, options.realdata))
    with tempfile.TemporaryDirectory() as folder:
        few, many = Path(folder, "few.parquet"), Path(folder, "many.parquet")
        pq.write_table(rows(64), few)
        pq.write_table(rows(options.rows), many, row_group_size=GROUP_ROWS)
        names = list(dict.fromkeys(["file", *options.only]))
        seconds: dict[str, list[tuple[Took, Took]]] = {name: [] for name in names}
        for _ in range(options.rounds):
            for name in names:
                seconds[name].append((run(name, few, model), run(name, many, model)))
    show(options.rows, seconds)


def rows(count: int) -> pa.Table:
    from tests.models import sentences

    texts = [f"{text} {number}" for number, text in enumerate(sentences(count, longest=12))]
    return pa.table({"id": range(count), "text": texts})


def run(name: str, source: Path, model: str) -> Took:
    command = [
        sys.executable,
        __file__,
        "--model",
        model,
        "--one",
        name,
        str(source),
        str(source.with_suffix(".scored.parquet")),
    ]
    source.with_suffix(".scored.parquet").unlink(missing_ok=True)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["rows"] == pq.read_metadata(source).num_rows
    return Took(found["seconds"], found["cpu"])


def timed(name: str, source: str, target: str, *, model: str) -> dict[str, Any]:
    """Seconds of one way, after its imports: of the clock, and of the processor in all threads."""
    import importlib

    importlib.import_module(IMPORTS.get(name, f"scorer.{name}"))
    importlib.import_module("scorer.classifier.classifier")
    begun, worked = time.perf_counter(), time.process_time()
    count = WAYS[name](source, target, model)
    return {"rows": count, "seconds": time.perf_counter() - begun, "cpu": time.process_time() - worked}


def show(count: int, taken: dict[str, list[tuple[Took, Took]]]) -> None:
    """Rows a second, and the shares of a file's speed, with the time of a few rows and without it."""
    whole = {name: statistics.median(many.seconds for _, many in found) for name, found in taken.items()}
    stream = {
        name: statistics.median(many.seconds - few.seconds for few, many in found) for name, found in taken.items()
    }
    cpu = {name: statistics.median(many.cpu - few.cpu for few, many in found) for name, found in taken.items()}
    print(f"{count} rows; shares of a file's speed: in all, without loading, without loading by processor time")
    for name in taken:
        shares = "  ".join(f"{one['file'] / one[name]:5.2f}" for one in (whole, stream, cpu))
        print(f"{name:17} {whole[name]:7.1f} s {count / whole[name]:9,.0f} rows/s  {shares}")


if __name__ == "__main__":
    main()
