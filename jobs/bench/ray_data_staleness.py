"""What Ray Data's checkpointing makes of a folder that changes, by the matrix of tests/torture/test_folders.py.

    pip install -c constraints.txt -e '.[dev,ray]' pandas
    PYTHONPATH=. python jobs/bench/ray_data_staleness.py --kills 2

A folder of 50 Parquet files with a unique id in each row is read, scored by a Scorer in `map_batches`, and written,
with a checkpoint by the column of ids. Runs are killed, with all that they started, at random moments; half of the
kills come before the change, half after it; then a run ends. What stands in the output then is compared with what
each row of the changed folder should have: rows with an old score are stale, and there are rows that are missing,
that are there several times, and that are of rows which are gone.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import scorer
from tests.models import make_model, sentences

FILES, ROWS = 50, 9
Answer = tuple[Any, float | None]
# What a function of the user does with confidences below `least` is not known to Ray Data, nor to scorer.load.
OPTIONS = {"threshold": {"least": 0.5}, "option": {"prefix": "p_"}}
JOB = """
import json, sys
import pyarrow.compute as pc
import ray, ray.data, scorer
from ray.data.checkpoint import CheckpointConfig
source, target, checkpoint, options = sys.argv[1:]
# Its scorer and the actors that compare ids with the checkpoint take a CPU each: with two, nothing is read for ever.
ray.init(num_cpus=6, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
context = ray.data.DataContext.get_current()
context.enable_progress_bars = False
context.checkpoint_config = CheckpointConfig("id", checkpoint, delete_checkpoint_on_success=False)
def with_threshold(table, least):
    if "confidence" not in table.column_names:
        return table
    score = pc.if_else(pc.less(table["confidence"], least), None, table["score"])
    return table.set_column(table.column_names.index("score"), "score", score)
class Score:
    def __init__(self):
        how = json.loads(options)
        self.least = how.pop("least")
        self.scorer = scorer.load(**how)
    def __call__(self, table):
        return with_threshold(self.scorer.score_frame(table), self.least)
data = ray.data.read_parquet(source).map_batches(Score, batch_format="pyarrow", concurrency=1)
data.write_parquet(target)
"""


def table(number: int, rows: int = ROWS, *, seed: int | None = None) -> pa.Table:
    texts = sentences(rows, seed=number if seed is None else seed)
    ids = [f"{number}-{row}" for row in range(rows)]
    return pa.table({"id": ids, "text": [f"{text} {number}" for text in texts]})


def write(folder: Path, number: int, rows: pa.Table) -> None:
    path = folder / f"day={number % 4}" / f"part-{number:02}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, path)


def one_character(rows: pa.Table) -> pa.Table:
    texts = rows["text"].to_pylist()
    texts[0] = texts[0][:-1] + "9"
    return rows.set_column(1, "text", pa.array(texts))


CHANGES: dict[str, Callable[[Path], Any]] = {
    "append": lambda folder: write(folder, 0, table(0, ROWS + 9)),
    "rewrite": lambda folder: write(folder, 1, table(1, seed=77)),
    "touch": lambda folder: os.utime(folder / "day=2" / "part-02.parquet"),
    "rename": lambda folder: (folder / "day=1" / "part-01.parquet").rename(folder / "day=1" / "renamed.parquet"),
    "delete": lambda folder: (folder / "day=1" / "part-01.parquet").unlink(),
    "truncate": lambda folder: write(folder, 0, table(0, ROWS - 4)),
    "one character": lambda folder: write(folder, 3, one_character(table(3))),
    "late partition": lambda folder: write(folder, 99, table(99)),
    "schema": lambda folder: write(folder, 1, table(1).append_column("extra", pa.array(range(ROWS)))),
    "model": lambda _: None,
    "threshold": lambda _: None,
    "option": lambda _: None,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=2, help="for each change")
    parser.add_argument("--changes", nargs="*", default=list(CHANGES), choices=list(CHANGES))
    asked = parser.parse_args()
    print("| change | stale | missing | several times | of rows that are gone |\n|---|---|---|---|---|")
    for change in asked.changes:
        with tempfile.TemporaryDirectory() as folder:
            found = after(change, Path(folder), asked.kills)
        print(f"| {change} | " + " | ".join(map(str, found)) + " |", flush=True)


def after(change: str, work: Path, kills: int) -> tuple[int, int, int, int]:
    source, chance = work / "in", random.Random(change)
    for number in range(FILES):
        write(source, number, table(number))
    model, other = (make_model(work / name, "bert", seed=seed) for name, seed in (("model", 0), ("other", 5)))
    how = {"model": str(model), "precision": "fp32", "least": 0.0}
    job = [str(source), str(work / "out"), str(work / "checkpoint")]
    whole = run([job[0], f"{work}/timed", f"{work}/timed-checkpoint"], how) if kills else 0.0
    for _ in range(kills // 2):
        run(job, how, kill_after=chance.uniform(0, whole))
    run(job, how)
    CHANGES[change](source)
    how |= OPTIONS.get(change, {})
    if change == "model":
        how["model"] = str(other)
    for _ in range(kills - kills // 2):
        run(job, how, kill_after=chance.uniform(0, whole))
    run(job, how)
    return compared(work / "out", source, how)


def run(job: list[str], how: dict[str, Any], *, kill_after: float | None = None) -> float:
    """Seconds that the job took; it is killed with all that it started after so many."""
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", JOB, *job, json.dumps(how)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        _, stderr = process.communicate(timeout=kill_after)
        assert process.returncode == 0, stderr.decode()[-2000:]
    except subprocess.TimeoutExpired:
        for pid in [process.pid, *offspring(process.pid)]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.communicate()
    return time.monotonic() - begun


def offspring(pid: int) -> list[int]:
    try:
        listed = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [one for child in listed for one in (child, *offspring(child))]


def compared(target: Path, source: Path, how: dict[str, Any]) -> tuple[int, int, int, int]:
    prefix = how.get("prefix", "")
    found: dict[str, list[Answer]] = {}
    for path in target.rglob("*.parquet"):
        for key, answer in answers(pq.ParquetFile(path).read(), prefix):
            found.setdefault(key, []).append(answer)
    least = how["least"]
    loaded = scorer.load(**{name: value for name, value in how.items() if name != "least"})
    wanted: dict[str, Answer] = {}
    for path in source.rglob("*.parquet"):
        scored = answers(loaded.score_frame(pq.ParquetFile(path).read()), prefix)
        wanted |= {key: (score if sure >= least else None, sure) for key, (score, sure) in scored}
    stale = sum(any(is_other(answer, wanted[key]) for answer in found[key]) for key in wanted.keys() & found.keys())
    several = sum(len(values) > 1 for values in found.values())
    return stale, len(wanted.keys() - found.keys()), several, len(found.keys() - wanted.keys())


def answers(rows: pa.Table, prefix: str) -> Iterator[tuple[str, Answer]]:
    """Each row's id, with its score and its confidence; None for a column that is not there."""
    names = [f"{prefix}score", f"{prefix}confidence"]
    columns = [rows[name].to_pylist() if name in rows.column_names else [None] * rows.num_rows for name in names]
    return zip(rows["id"].to_pylist(), zip(*columns, strict=True), strict=True)


def is_other(one: Answer, other: Answer) -> bool:
    if one[1] is None or other[1] is None:
        return one != other
    return one[0] != other[0] or abs(one[1] - other[1]) > 1e-5


if __name__ == "__main__":
    main()
