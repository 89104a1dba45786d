"""A fit beside other busy processes, against the same fit with the machine to itself.

    python jobs/bench/fit_company.py TRAIN [--busy 1] [--limit 1200] [--rounds 2]

TRAIN is fitted for one epoch on its first rows, in turns alone and beside so many processes that never rest. Told are
the times of the two by the clock. Whoever shares a core has half of it: on two cores beside one busy process a fit
whose threads wait for each other takes twice as long, one that divides its work as it goes 1.33 times.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description="a fit beside other busy processes")
    parser.add_argument("train", type=Path)
    parser.add_argument("--busy", type=int, default=1)
    parser.add_argument("--limit", type=int, default=1_200)
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    shares = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(asked.rounds):
            alone, beside = (seconds(asked.train, asked.limit, Path(folder), busy=busy) for busy in (0, asked.busy))
            shares.append(beside / alone)
            print(f"alone {alone:.1f} s, beside {asked.busy} busy: {beside:.1f} s, {shares[-1]:.2f} times", flush=True)
    print(f"{statistics.median(shares):.2f} times as long, median of {len(shares)}")


def seconds(train: Path, limit: int, folder: Path, *, busy: int) -> float:
    """How long a fit takes beside so many `busy` processes."""
    arguments = ["fit", train, "--limit", limit, "--epochs", 1, "-o", folder / "model", "--force", "--no-latest"]
    with ExitStack() as stack:
        for _ in range(busy):
            process = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(process.kill)
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "scorer", *map(str, arguments)], check=True, capture_output=True)
        return time.perf_counter() - begun


if __name__ == "__main__":
    main()
