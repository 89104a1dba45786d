"""What reading a file adds to the memory of a process that does nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_READING = """
import sys
from scorer.runs.manifest import peak_memory_mib
from scorer.tables.source import Source
reader = Source.open(sys.argv[1]).read(["text"])
before = peak_memory_mib()
windows = reader.windows(max_rows=int(sys.argv[2]), max_bytes=int(sys.argv[3]))
rows = sum(window.num_rows for window in windows)
print(rows, peak_memory_mib() - before)
"""


def run(program: str, *arguments: str | Path) -> str:
    """What the Python `program` prints in a process of its own."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def growth_by_reading(path: Path, *, max_rows: int, max_bytes: int) -> tuple[int, int]:
    """The rows in all windows of `path`, whose text column is called text, and the MiB that its peak memory grew by."""
    rows, mib = map(int, run(_READING, path, str(max_rows), str(max_bytes)).split())
    return rows, mib
