"""Single-byte mutants of a file, each read in a process of its own that may crash or hang without harm.

Run as a module it is that process: it takes mutants, a position and a byte a line, and answers each with a line.
"""

from __future__ import annotations

import resource
import selectors
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from scorer.errors import DataError
from scorer.tables.source import Source

ROOT = Path(__file__).parents[2]
SECONDS = 20.0
"""A mutant that is not read by then hangs."""
_MEMORY_BYTES = 4 << 30

Mutant = tuple[int, int]
"""The position of a byte and its new value."""


def outcomes(path: Path, mutants: Sequence[Mutant]) -> tuple[Counter[str], list[tuple[str, Mutant]]]:
    """How many mutants of `path` were refused or read equal, and those that were neither, with what they did."""
    counts: Counter[str] = Counter()
    bad: list[tuple[str, Mutant]] = []
    worker = _Worker(path)
    for mutant in mutants:
        answer = worker.ask(mutant)
        counts[answer] += 1
        if answer not in ("refused", "equal"):
            bad.append((answer, mutant))
        if answer in ("crashed", "hung"):
            worker.stop()
            worker = _Worker(path)
    worker.stop()
    return counts, bad


class _Worker:
    def __init__(self, path: Path) -> None:
        command = [sys.executable, "-m", "tests.tables.mutants", str(path)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)

    def ask(self, mutant: Mutant) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{mutant[0]} {mutant[1]}\n")
        self._process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(SECONDS):
                return "hung"
        return self._process.stdout.readline().strip() or "crashed"

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


def _answer(whole: bytes, mutant: Mutant, expected: pa.Table, path: Path) -> str:
    damaged = bytearray(whole)
    damaged[mutant[0]] = mutant[1]
    path.write_bytes(damaged)
    try:
        windows = list(Source.open(str(path)).read().windows(max_rows=500, max_bytes=1 << 20))
    except DataError:
        return "refused"
    except Exception as error:  # noqa: BLE001 - whatever else it is belongs into the report
        return f"raised {type(error).__name__}"
    if not windows:
        return "different"
    return "equal" if pa.concat_tables(windows).equals(expected) else "different"


def _serve(path: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    whole = path.read_bytes()
    expected = pa.concat_tables(Source.open(str(path)).read().windows(max_rows=500, max_bytes=1 << 20))
    for line in sys.stdin:
        position, value = map(int, line.split())
        answer = _answer(whole, (position, value), expected, path.with_name(f"mutant{path.suffix}"))
        sys.stdout.write(answer + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
