"""Peak memory, in a process of its own beside a larger one that started it."""

from __future__ import annotations

import subprocess
import sys

from scorer.runs.memory import peak_memory_mib

SCRIPT = """
from scorer.runs.memory import peak_memory_mib
before = peak_memory_mib()
block = bytearray(300 << 20)
del block
print(before, peak_memory_mib())
"""


def test_peak_memory_is_that_of_the_process_itself_and_outlives_what_took_it():
    here = bytearray(500 << 20)
    assert peak_memory_mib() >= 500
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert len(here) == 500 << 20
    assert before < 200
    assert 300 <= after < before + 350
