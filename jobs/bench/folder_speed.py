"""A folder against one file, a second night against the first, and engines against each other, in one run.

    python jobs/bench/folder_speed.py files --files 10000 --rows 50
    python jobs/bench/folder_speed.py changed --files 200 --rows 500 --share 0.01
    python jobs/bench/folder_speed.py engines --files 40 --rows 400 --rounds 3 [--ray] [--ray-data]

`files` scores a folder of small files, and the same rows in one file. `changed` scores a folder, changes a share of
the rows of every file, and tells which share of the texts the second run computes. `engines` scores a folder with the
threads of one process and with `--workers 2`, and, where it is installed, with Ray and with `map_batches` of Ray
Data, whose actors have the same Scorer. Each job is a process of its own, without reuse; its wall time is told with
and without what it takes until the first row, and so are its CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

WORDS = ["good", "bad", "room", "clean", "staff", "noisy", "view", "breakfast", "late", "quiet", "street", "never"]
RAY_DATA = """
import sys
import ray, ray.data, scorer
source, target, model = sys.argv[1:]
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
ray.data.DataContext.get_current().enable_progress_bars = False
class Score:
    def __init__(self):
        self.scorer = scorer.load(model)
    def __call__(self, table):
        return self.scorer.score_frame(table)
data = ray.data.read_parquet(source)
data.map_batches(Score, batch_format="pyarrow", batch_size=4096, concurrency=2, num_cpus=0.5).write_parquet(target)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["files", "changed", "engines"])
    parser.add_argument("--model", default="models/latest")
    parser.add_argument("--files", type=int, default=40)
    parser.add_argument("--rows", type=int, default=400, help="of each file")
    parser.add_argument("--longest", type=int, default=30, help="words of a text")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--share", type=float, default=0.01)
    parser.add_argument("--ray", action="store_true")
    parser.add_argument("--ray-data", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        tables = make(asked.files, asked.rows, asked.longest)
        write(work / "in", tables)
        pq.write_table(pa.concat_tables(tables), work / "one.parquet")
        if asked.what == "files":
            compare({"one file": one_file(work, asked.model), "folder": folder_job(work, asked.model)}, asked.rounds)
        elif asked.what == "changed":
            changed(work, tables, asked.model, asked.share)
        else:
            ways = {
                "threads": folder_job(work, asked.model),
                "2 processes": folder_job(work, asked.model, "--workers", "2"),
            }
            if asked.ray:
                ways["ray"] = folder_job(work, asked.model, "--workers", "2", "--engine", "ray")
            if asked.ray_data:
                ways["ray data"] = lambda number: [
                    sys.executable,
                    "-c",
                    RAY_DATA,
                    f"{work}/in",
                    f"{work}/data-{number}",
                    asked.model,
                ]
            compare(ways, asked.rounds)


Way = Callable[[int], list[str]]


def one_file(work: Path, model: str) -> Way:
    return lambda number: command(
        f"{work}/one.parquet", f"{work}/one-{number}.parquet", "-m", model, "--no-reuse", "--json"
    )


def folder_job(work: Path, model: str, *more: str) -> Way:
    return lambda number: command(
        f"{work}/in", f"{work}/{'-'.join(more)}{number}/", "-m", model, "--no-reuse", "--json", *more
    )


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "scorer", "score", *arguments]


def compare(ways: dict[str, Way], rounds: int) -> None:
    """Run them in turn; tell the medians, and each as a share of the first one's speed."""
    measured: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, way in ways.items():
            measured[name].append(run(way(number)))
            print(f"  {name}: %.1f s, of which the stream %.1f, CPU %.1f" % measured[name][-1], flush=True)
    medians = {
        name: [statistics.median(one[place] for one in of) for place in range(3)] for name, of in measured.items()
    }
    first = next(iter(medians.values()))
    for name, found in medians.items():
        shares = ", ".join(f"{base / one:.3f}" if one else "-" for base, one in zip(first, found, strict=True))
        print(f"{name}: speed by wall, by stream, by CPU, against the first: {shares}")


def run(job: list[str]) -> tuple[float, float, float]:
    """Seconds from start to end, of the stream (0 where nobody says) and of the CPU, that of all its processes."""
    before, begun = os.times(), time.monotonic()
    done = subprocess.run(job, capture_output=True, text=True, check=False)
    whole, after = time.monotonic() - begun, os.times()
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout) if done.stdout.startswith("{") else {}
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return whole, told.get("stream_seconds", 0.0), used


def changed(work: Path, tables: list[pa.Table], model: str, share: float) -> None:
    arguments = [f"{work}/in", f"{work}/out/", "-m", model]
    first = told(command(*arguments))
    chance = random.Random(3)
    other = []
    for table in tables:
        texts = table["text"].to_pylist()
        for row in chance.sample(range(len(texts)), max(1, round(len(texts) * share))):
            texts[row] += " anew"
        other.append(table.set_column(1, "text", pa.array(texts)))
    write(work / "in", other)
    second = told(command(*arguments))
    rows = sum(table.num_rows for table in tables)
    computed = rows - second["reused_rows"]
    print(f"{rows} rows, {computed} computed in the second run: {computed / rows:.4f}")
    print(f"tokens computed: {second['computed_tokens'] / first['computed_tokens']:.4f} of the first run's")
    print(f"seconds: first {first['seconds']:.1f}, second {second['seconds']:.1f}")


def told(job: list[str]) -> dict[str, float]:
    done = subprocess.run(job, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    summary: dict[str, float] = json.loads(done.stdout)
    return summary


def make(files: int, rows: int, longest: int) -> list[pa.Table]:
    """Texts of 3 to `longest` words, none twice."""
    chance = random.Random(17)
    tables = []
    for file in range(files):
        texts = [f"{' '.join(chance.choices(WORDS, k=chance.randint(3, longest)))} {file} {row}" for row in range(rows)]
        tables.append(pa.table({"id": range(file * rows, file * rows + rows), "text": texts}))
    return tables


def write(folder: Path, tables: list[pa.Table]) -> None:
    folder.mkdir(exist_ok=True)
    for number, table in enumerate(tables):
        pq.write_table(table, folder / f"{number:05}.parquet")


if __name__ == "__main__":
    main()
