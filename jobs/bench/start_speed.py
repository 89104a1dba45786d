"""How long a start takes, against the imports that nothing can do without.

    python jobs/bench/start_speed.py MODEL [--rounds 9]

MODEL is a directory that `scorer fit` wrote. In turns, and the best of each counts: a job of one row, `scorer predict`
of one text, `scorer serve` until it has answered and ended, and a job that is finished already; `import torch,
pyarrow.parquet`, and `import click`.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from harness.http_load import Client, ServerProcess


def main() -> None:
    parser = argparse.ArgumentParser(description="how long a start takes")
    parser.add_argument("model", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        times = measure(Path(folder), asked.model.resolve(), rounds=asked.rounds)
    for name, seconds in times.items():
        print(f"{name}: {seconds:.3f} s")
    heavy, light = times["import torch, pyarrow.parquet"], times["import click"]
    for name in ("one row", "predict", "serve"):
        print(f"{name}: {times[name] / heavy:.2f} times the imports")
    print(f"a finished job: {times['finished'] / light:.1f} times import click")


def measure(folder: Path, model: Path, *, rounds: int) -> dict[str, float]:
    """The best of so many `rounds` of each, in seconds."""
    source, target, finished = (folder / name for name in ("in.parquet", "out.parquet", "finished.parquet"))
    pq.write_table(pa.table({"text": ["a good room"]}), source)
    # What was written just now is not known by its times.
    time.sleep(3)

    def one_row() -> None:
        target.unlink(missing_ok=True)
        shutil.rmtree(folder / "out.parquet.unfinished", ignore_errors=True)
        python("-m", "scorer", "score", source, target, "-m", model)

    def serve() -> None:
        with ServerProcess("-m", model) as server:
            asyncio.run(_ask(server.port))

    commands: dict[str, Callable[[], None]] = {
        "import click": lambda: python("-c", "import click"),
        "import torch, pyarrow.parquet": lambda: python("-c", "import torch, pyarrow.parquet"),
        "one row": one_row,
        "predict": lambda: python("-m", "scorer", "predict", "a good room", "-m", model),
        "serve": serve,
        "finished": lambda: python("-m", "scorer", "score", source, finished, "-m", model),
    }
    times = dict.fromkeys(commands, float("inf"))
    # The first round compiles, and leaves what later ones find.
    for number in range(rounds + 1):
        for name, command in commands.items():
            begun = time.perf_counter()
            command()
            if number:
                times[name] = min(times[name], time.perf_counter() - begun)
    return times


def python(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, *map(str, arguments)], check=True, capture_output=True)


async def _ask(port: int) -> None:
    client = await Client.connect(port)
    status, _ = await client.ask(b'{"text": "a good room"}')
    assert status == 200, status
    await client.close()


if __name__ == "__main__":
    main()
